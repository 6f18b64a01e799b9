"""Reads recordings: finished ones, those of a run that goes on, and those of a killed run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.errors import RecordingError
from evsim.orchestrator.events import SPLITS
from evsim.recording import hdf5
from evsim.recording.columns import TRIAL_COLUMNS, spikes_path, states_path
from evsim.recording.committed import Committed
from evsim.recording.folder import manifest_beside, recording_path
from evsim.recording.index import Choice, Index
from evsim.recording.info import Info
from evsim.recording.spikes import SelectedSpikes
from evsim.recording.trains import SpikeTrains

Trials = NDArray[np.void]
"""(trial,), fields of `TRIAL_COLUMNS`."""


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
        self._index = Index(self._data)

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
        self._index = Index(self._data)
        self.__dict__.pop("trials", None)

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
        offset = self._index.steps
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
        return np.diff(self._index.steps.astype(np.int64))

    def kept_samples(self, entry: int) -> NDArray[np.int64]:
        """Return how many samples entry `entry` of `layout.states` kept, (trial, phase)."""
        return self._index.samples[entry]

    @property
    def kept_lengths(self) -> NDArray[np.int64]:
        """Steps of phases of which spikes or states are kept, (trial, phase of `layout.phases`).

        Where it is states only, the samples tell when a phase ended, up to the steps between two.
        """
        return self._index.lengths

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
        return self._spans(self.kept_steps[self._index.row(trial)])

    def spans(self, trial: int) -> dict[str, tuple[int, int]]:
        """Return phase -> first step and end, of the phases whose spikes or states were kept.

        Steps count from 0 over these phases in the order they ran, as those of `states` do.
        """
        return self._spans(self._index.lengths[self._index.row(trial)])

    def counts(self, population: str, trial: int, phase: str | None = None) -> NDArray[np.int64]:
        """Return the spikes of a population in each step, (step,).

        Raises
        ------
        RecordingError : not recorded, or the file is damaged.
        """
        (row,) = self._index.rows(population, trial, phase)
        begin, end = self._index.span(self._index.steps[row], trial, phase)
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
        return self._selected(population, trials, phase).whole()

    def parts(
        self, population: str, trials: Choice = None, phase: str | None = None
    ) -> Iterator[SpikeTrains]:
        """Yield what `spikes` returns a few trials at a time, so that it fits into memory.

        Raises
        ------
        RecordingError : not recorded, or the file is damaged.
        """
        yield from self._selected(population, trials, phase)

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
        return self._selected(population, trials, phase).rates()

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
        step : (sample,), from 0 at the start of the phase or of the first in `spans`.
        values : (sample, neuron), SI units; the neurons are those of `layout.states[entry]`.

        Raises
        ------
        RecordingError : not recorded, or the file is damaged.
        """
        number = self._entry(population, variable, entry)
        kept = self.layout.states[number]
        row = self._index.row(trial)
        offset = self._data.read(f"trials/state_offset/{number}", row, row + 1)[0]
        begin, end = self._index.span(offset, trial, phase)
        first, last = self._index.phases(phase)
        lengths = self._index.lengths[row][first:last]
        samples = self._index.samples[number][row][first:last]
        begins = np.cumsum(lengths) - lengths
        steps = [at + kept.every * np.arange(n) for at, n in zip(begins, samples, strict=True)]
        return np.concatenate(steps), self._data.read(
            states_path(number, kept, variable), begin, end
        )

    def sampled_phases(self, trial: int, entry: int) -> tuple[str, ...]:
        """Return the phases of a trial of which an entry of `layout.states` kept samples."""
        kept = self.kept_samples(entry)[self._index.row(trial)].tolist()
        return tuple(p.name for p, some in zip(self.layout.phases, kept, strict=True) if some)

    def weights(self, parameter: str, epoch: int = -1) -> NDArray[np.floating[Any]]:
        """Return a parameter as it was after `epoch` epochs, in its shape; -1 is the last kept.

        Raises
        ------
        RecordingError : not recorded, or the file is damaged.
        """
        known = [kept.name for kept in self.layout.parameters]
        if parameter not in known:
            raise self._index.unknown("parameter", parameter, known)
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

    def _selected(self, population: str, trials: Choice, phase: str | None) -> SelectedSpikes:
        return SelectedSpikes(self._data, self._index, population, trials, phase)

    def _spans(self, lengths: NDArray[np.int64]) -> dict[str, tuple[int, int]]:
        """Return phase -> first step and end, of those that have a length."""
        ends = np.cumsum(lengths)
        spans = zip(self.layout.phases, (ends - lengths).tolist(), ends.tolist(), strict=True)
        return {phase.name: (begin, end) for phase, begin, end in spans if end > begin}

    def _entry(self, population: str, variable: str, entry: int | None) -> int:
        holding = [
            number
            for number, kept in enumerate(self.layout.states)
            if kept.population == population and variable in {v.name for v in kept.variables}
        ]
        if not holding or (entry is not None and entry not in holding):
            known = {f"{e.population}.{v.name}" for e in self.layout.states for v in e.variables}
            raise self._index.unknown("states of", f"{population}.{variable}", known)
        return holding[0] if entry is None else entry
