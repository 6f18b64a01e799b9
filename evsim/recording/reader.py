"""Reads recordings: finished ones, those of a run that goes on, and those of a killed run."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.errors import Fault, RecordingError, nearest
from evsim.recording import encoding, hdf5
from evsim.recording.columns import SPLITS, TRIAL_COLUMNS, spikes_path, states_path, sums_path
from evsim.recording.committed import Committed
from evsim.recording.folder import manifest_beside, recording_path
from evsim.recording.info import Info
from evsim.recording.trains import SpikeTrains

Trials = NDArray[np.void]
"""(trial,), fields of `TRIAL_COLUMNS`."""

Choice = int | Sequence[int] | NDArray[np.integer[Any]] | NDArray[np.bool_] | None
"""Rows of a table of trials, or a boolean for each."""

PART = 1 << 23
"""Bytes of spikes that are read at once, unless a trial has more."""


def open_run(path: str | Path) -> Run:
    """Open a recording.

    Parameters
    ----------
    path : a run's folder, a folder of runs (its `latest`), or a recording.h5.

    Raises
    ------
    RecordingError : there is none, it is not evsim's, or it is damaged.
    """
    return Run(recording_path(Path(path)))


class Run:
    """A recording, read piece by piece. Use as a context manager, or `close` it.

    Only what the last commit covers is shown. `refresh` looks for a later one.

    Attributes
    ----------
    path : of the HDF5 file.
    layout : what it holds: populations, phases, states, parameters, `dt` in seconds.
    closed : False while the run goes on, or when it was killed.
    """

    def __init__(self, path: Path):
        self._data = Committed(path)
        self.path, self.layout, self.closed = path, self._data.layout, self._data.closed

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; nothing can be read afterwards."""
        self._data.close()

    def refresh(self) -> None:
        """Take note of what a running writer has committed since.

        Raises
        ------
        RecordingError : the file is damaged.
        """
        self._data.refresh()
        for name in ("trials", "_step_offset"):
            self.__dict__.pop(name, None)

    @cached_property
    def trials(self) -> Trials:
        """Table of trials in the order they count, (trial,).

        Fields: `epoch` from 0, `split` as text, `index` in its pass, `sample` of the split's data,
        `label` and `predicted` (-1 without), `residual` (NaN where not measured).
        """
        split = self._data.read("trials/split")
        if len(split) and split.max() >= len(SPLITS):
            raise RecordingError(f"Recording '{self.path}' is damaged: a trial has no split")
        fields = [
            (name, "U10" if name == "split" else float if name == "residual" else np.int64)
            for name in TRIAL_COLUMNS
        ]
        table = np.empty(len(split), fields)
        for name in TRIAL_COLUMNS:
            table[name] = (
                np.array(SPLITS)[split] if name == "split" else self._data.read(f"trials/{name}")
            )
        return table

    @property
    def recorded(self) -> NDArray[np.int64]:
        """Rows of `trials` whose spikes are kept, (kept,)."""
        offset = self._step_offset
        return np.flatnonzero(offset[:, -1] > offset[:, 0])

    @property
    def sampled(self) -> NDArray[np.int64]:
        """Rows of `trials` of which every entry of `record.states` kept samples, (kept,)."""
        entries = range(len(self.layout.states))
        kept = [self.kept_samples(entry).any(axis=1) for entry in entries]
        return np.flatnonzero(np.all(kept, axis=0)) if kept else np.zeros(0, np.int64)

    @property
    def kept_steps(self) -> NDArray[np.int64]:
        """Steps whose spikes are kept, (trial, phase of `layout.phases`)."""
        return np.diff(self._step_offset.astype(np.int64))

    def kept_samples(self, entry: int) -> NDArray[np.int64]:
        """Return how many samples entry `entry` of `layout.states` kept, (trial, phase)."""
        return np.diff(self._data.read(f"trials/state_offset/{entry}").astype(np.int64))

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """Lines of metrics, one an epoch and split."""
        data = self._data.read("metrics").tobytes()
        with hdf5.reading(self.path):
            return [json.loads(line) for line in data.splitlines()]

    @property
    def provenance(self) -> dict[str, Any]:
        """What made the recording."""
        with hdf5.reading(self.path):
            return dict(json.loads(self._data.text("provenance")))

    @property
    def weight_epochs(self) -> NDArray[np.int64]:
        """Epochs done when each row of weights was kept, (row,); 0 is before training."""
        return self._data.read("weight_epochs") if self.layout.parameters else np.zeros(0, np.int64)

    def phases(self, trial: int) -> dict[str, tuple[int, int]]:
        """Return phase -> first step and end, of the phases whose spikes the trial kept.

        Steps count from 0 over the kept phases in the order they ran.
        """
        offset = self._step_offset[self._row(trial)].astype(np.int64)
        begins = (offset - offset[0]).tolist()
        spans = zip(self.layout.phases, begins, begins[1:], strict=False)
        return {phase.name: (begin, end) for phase, begin, end in spans if end > begin}

    def counts(self, population: str, trial: int, phase: str | None = None) -> NDArray[np.int64]:
        """Return the spikes of a population in each step, (step,).

        Raises
        ------
        RecordingError : not recorded, or the file is damaged.
        """
        (row,) = self._rows(population, trial, phase)
        begin, end = self._span(self._step_offset[row], trial, phase)
        return self._data.read(f"spikes/{population}/count", begin, end).astype(np.int64)

    def spikes(
        self, population: str, trials: Choice = None, phase: str | None = None
    ) -> SpikeTrains:
        """Return the spikes of a population.

        Parameters
        ----------
        trials : a row of `trials`, several in ascending order, negative ones counted from the end;
            or a boolean for every row, such as `run.trials["label"] == 3`, which chooses among
            those that are kept. By default all that are.
        phase : by default all kept phases, one after the other; see `phases`.

        Raises
        ------
        RecordingError : not recorded, or the file is damaged.
        """
        rows = self._rows(population, trials, phase)
        parts = list(self._parts(population, rows, phase))
        count = np.concatenate([np.zeros(0, np.int64), *(count for _, count, _ in parts)])
        neuron = np.concatenate([np.zeros(0, np.uint32), *(neuron for *_, neuron in parts)])
        return self._trains(population, rows, phase, count, neuron)

    def parts(
        self, population: str, trials: Choice = None, phase: str | None = None
    ) -> Iterator[SpikeTrains]:
        """Yield what `spikes` returns a few trials at a time, so that it fits into memory.

        Raises
        ------
        RecordingError : not recorded, or the file is damaged.
        """
        rows = self._rows(population, trials, phase)
        for part, count, neuron in self._parts(population, rows, phase):
            yield self._trains(population, part, phase, count, neuron)

    def rates(
        self, population: str, trials: Choice = None, phase: str | None = None
    ) -> NDArray[np.float64]:
        """Return the mean rate of each neuron, (neuron,) Hz, reading a part at a time.

        Parameters
        ----------
        trials, phase : as for `spikes`; NaN where none is kept.

        Raises
        ------
        RecordingError : not recorded, or the file is damaged.
        """
        rows = self._rows(population, trials, phase)
        found, steps = np.zeros(self.layout.population(population).size, np.int64), 0
        for _, count, neuron in self._parts(population, rows, phase):
            found += np.bincount(neuron, minlength=len(found))
            steps += len(count)
        return found / (steps * self.layout.dt) if steps else np.full(len(found), np.nan)

    def states(
        self,
        population: str,
        variable: str,
        trial: int,
        phase: str | None = None,
        entry: int | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Return the samples of a variable in one trial.

        Parameters
        ----------
        trial, phase : as for `spikes`.
        entry : position in `record.states`; by default the first that holds the variable.

        Returns
        -------
        step : (sample,), from 0 at the start of the phase or of the first kept phase.
        values : (sample, neuron), SI units; the neurons are those of `layout.states[entry]`.

        Raises
        ------
        RecordingError : not recorded, or the file is damaged.
        """
        number = self._entry(population, variable, entry)
        kept = self.layout.states[number]
        row = self._row(trial)
        offset = self._data.read(f"trials/state_offset/{number}", row, row + 1)[0]
        begin, end = self._span(offset, trial, phase)
        first, last = self._phase_range(phase)
        steps, past, ran = [np.zeros(0, np.int64)], 0, self.phases(trial)
        samples = np.diff(offset.astype(np.int64))
        for phase_, length in list(zip(self.layout.phases, samples, strict=True))[first:last]:
            if length:
                steps.append(past + kept.every * np.arange(length))
                begun, ended = ran.get(phase_.name, (0, phase_.steps))
                past += ended - begun
        return np.concatenate(steps), self._data.read(
            states_path(number, kept, variable), begin, end
        )

    def sampled_phases(self, trial: int, entry: int) -> tuple[str, ...]:
        """Return the phases of a trial of which an entry of `layout.states` kept samples."""
        kept = self.kept_samples(entry)[self._row(trial)].tolist()
        return tuple(p.name for p, some in zip(self.layout.phases, kept, strict=True) if some)

    def weights(self, parameter: str, epoch: int = -1) -> NDArray[np.floating[Any]]:
        """Return a parameter as it was after `epoch` epochs, in its shape; -1 is the last kept.

        Raises
        ------
        RecordingError : not recorded, or the file is damaged.
        """
        known = [kept.name for kept in self.layout.parameters]
        if parameter not in known:
            raise self._unknown("parameter", parameter, known)
        epochs = self.weight_epochs.tolist()
        wanted = epochs[-1] if epoch == -1 and epochs else epoch
        if wanted not in epochs:
            kept = ", ".join(map(str, epochs)) or "none"
            raise RecordingError(f"'{self.path}' has no weights after epoch {epoch}; kept: {kept}")
        row = epochs.index(wanted)
        weights: NDArray[np.floating[Any]] = self._data.read(f"weights/{parameter}", row, row + 1)[
            0
        ]
        return weights

    def info(self) -> Info:
        """Return a summary; `str` of it is for people.

        Raises
        ------
        RecordingError : the file is damaged.
        """
        layout, trials = self.layout, self.trials
        counts = {name: f"spikes/{name}/count" for name in layout.spikes}
        kept = [*counts.values(), *(spikes_path(layout, name) for name in layout.spikes)]
        return Info(
            path=self.path,
            closed=self.closed,
            manifest=manifest_beside(self.path),
            layout=layout,
            spikes={name: self._data.total(path) for name, path in counts.items()},
            spike_bytes=sum(map(self._data.stored, kept)),
            trials={name: int((trials["split"] == name).sum()) for name in SPLITS},
            recorded=len(self.recorded),
            weight_epochs=tuple(self.weight_epochs.tolist()),
            metrics=tuple(self.metrics),
            file_bytes=self.path.stat().st_size,
        )

    @cached_property
    def _step_offset(self) -> NDArray[np.uint64]:
        return self._data.read("trials/step_offset")

    def _rows(self, population: str, trials: Choice, phase: str | None) -> NDArray[np.int64]:
        """Return the rows of `trials` that a choice names, (trial,), of which spikes are kept."""
        if population not in self.layout.spikes:
            raise self._unknown("spikes of population", population, self.layout.spikes)
        first, last = self._phase_range(phase)
        offset = self._step_offset
        kept = offset[:, last] > offset[:, first]
        if trials is None:
            return np.flatnonzero(kept)
        chosen = np.asarray(trials)
        if chosen.dtype == np.bool_:
            if chosen.shape != kept.shape:
                number = f"{len(kept)} trials, not {chosen.size}"
                raise RecordingError(f"A choice of booleans needs one a trial: there are {number}")
            return np.flatnonzero(kept & chosen)
        if chosen.size and not np.issubdtype(chosen.dtype, np.integer):
            raise RecordingError(f"Trials are chosen by whole numbers or booleans, not {trials!r}")
        rows = np.array([self._row(trial) for trial in np.atleast_1d(chosen).tolist()], np.int64)
        if (np.diff(rows) <= 0).any():
            raise RecordingError("Trials are read in their order: choose each once, ascending")
        for row in rows[~kept[rows]][:1].tolist():
            self._span(offset[row], row, phase)
        return rows

    def _parts(
        self, population: str, rows: NDArray[np.int64], phase: str | None
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint32]]]:
        """Yield trials that follow each other, with the counts of their steps, and neurons."""
        first, last = self._phase_range(phase)
        steps = self._step_offset[rows][:, [first, last]].astype(np.int64)
        offsets = self._read_rows(f"trials/spike_offset/{population}", rows)[:, first : last + 1]
        data = offsets[:, [0, -1]]
        size = self.layout.population(population).size
        spikes = spikes_path(self.layout, population)
        for begin, end in _stretches(rows, data):
            part = slice(begin, end)
            count = self._pieces(f"spikes/{population}/count", steps[part]).astype(np.int64)
            stored = self._pieces(spikes, data[part])
            with hdf5.reading(self.path):
                if population in self.layout.summed:
                    path = sums_path(population)
                    sums = self._data.read(path, rows[begin], rows[end - 1] + 1)[:, first:last]
                    encoding.check(stored, np.diff(offsets[part], axis=1).ravel(), sums.ravel())
                neuron = encoding.decode(stored, count, size, self.layout.encoding)
            yield rows[part], count, neuron

    def _trains(
        self,
        population: str,
        rows: NDArray[np.int64],
        phase: str | None,
        count: NDArray[np.int64],
        neuron: NDArray[np.uint32],
    ) -> SpikeTrains:
        """Return the spikes of some trials, of which there are `count` in each step."""
        begin, end = self._phase_range(phase)
        offset = self._step_offset[rows].astype(np.int64)
        steps = offset[:, end] - offset[:, begin]
        ends = np.cumsum(steps)
        total = np.concatenate([np.zeros(1, np.int64), np.cumsum(count)])
        number = np.arange(len(count)) - np.repeat(ends - steps, steps)
        return SpikeTrains(
            population=self.layout.population(population),
            dt=self.layout.dt,
            rows=rows,
            steps=steps,
            lengths=total[ends] - total[ends - steps],
            step=np.repeat(number, count),
            neuron=neuron,
        )

    def _pieces(self, path: str, spans: NDArray[np.int64]) -> NDArray[Any]:
        """Return some rows of a dataset after each other, (first, end) of ascending pieces."""
        start = int(spans[0, 0])
        data = self._data.read(path, start, int(spans[-1, 1]))
        if (spans[1:, 0] == spans[:-1, 1]).all():
            return data
        return np.concatenate([data[begin - start : end - start] for begin, end in spans.tolist()])

    def _read_rows(self, path: str, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return some rows of a table of offsets, ascending."""
        if not len(rows):
            return np.zeros((0, len(self.layout.phases) + 1), np.int64)
        found: NDArray[np.int64] = self._data.read(path, rows[0], rows[-1] + 1)[rows - rows[0]]
        return found.astype(np.int64)

    def _row(self, trial: int) -> int:
        number = self._data.lengths["trials/split"]
        if not -number <= trial < number:
            raise RecordingError(f"No trial {trial}; '{self.path}' has {number}, counted from 0")
        return trial % number

    def _phase_range(self, phase: str | None) -> tuple[int, int]:
        """Return the range of phases that `phase` names; None stands for all."""
        known = [kept.name for kept in self.layout.phases]
        if phase is None:
            return 0, len(known)
        if phase not in known:
            raise self._unknown("phase", phase, known)
        return known.index(phase), known.index(phase) + 1

    def _span(self, offset: NDArray[np.uint64], trial: int, phase: str | None) -> tuple[int, int]:
        """Return the rows of a trial's phase in the dataset that `offset` points into."""
        first, last = self._phase_range(phase)
        begin, end = int(offset[first]), int(offset[last])
        if begin == end:
            of = f"phase '{phase}' of trial" if phase else "trial"
            raise RecordingError(
                f"Nothing of {of} {trial} is kept in '{self.path}'; `recorded` lists trials"
            )
        return begin, end

    def _entry(self, population: str, variable: str, entry: int | None) -> int:
        holding = [
            number
            for number, kept in enumerate(self.layout.states)
            if kept.population == population and variable in {v.name for v in kept.variables}
        ]
        if not holding or (entry is not None and entry not in holding):
            known = {f"{e.population}.{v.name}" for e in self.layout.states for v in e.variables}
            raise self._unknown("states of", f"{population}.{variable}", known)
        return holding[0] if entry is None else entry

    def _unknown(self, noun: str, name: str, known: Collection[str]) -> RecordingError:
        hint = nearest(name, known) if known else "the network file's `record` asks for none"
        return RecordingError(Fault(f"'{self.path}' has no {noun} '{name}'", hint=hint))


def _stretches(rows: NDArray[np.int64], spans: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Yield begins and ends of stretches of trials that are worth reading at once."""
    begin = 0
    for at in range(1, len(rows)):
        if rows[at] != rows[at - 1] + 1 or spans[at, 1] - spans[begin, 0] > PART:
            yield begin, at
            begin = at
    if len(rows):
        yield begin, len(rows)
