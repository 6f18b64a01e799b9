"""Trials of a recording as other tools take them: one after the other on one axis of time.

A trial's steps are those of its phases of which something is kept, one after the other; the first
step of a trial follows the last of the trial before. Step `s` of the axis begins at `s*dt`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from evsim import units
from evsim.errors import Fault, InputError, RecordingError
from evsim.orchestrator.events import SPLITS
from evsim.recording.columns import TRIAL_COLUMNS
from evsim.recording.folder import NETWORK
from evsim.recording.layout import States, Variable
from evsim.recording.reader import Run
from evsim.recording.trains import SpikeTrains
from evsim.spikefiles.base import Table

Progress = Callable[[str, int, int], None]
"""Told what is being written, and how many trials of how many are done."""


def silent(what: str, done: int, total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Signal:
    """A recorded variable of some neurons.

    Attributes
    ----------
    name : of its own among all signals: `population.variable`, with the entry's number after it
        where several entries hold that variable.
    entry : position in the layout's `states`.
    neurons : (column,), those that its columns show; empty where all share one value.
    """

    name: str
    entry: int
    kept: States
    variable: Variable
    neurons: NDArray[np.int64]

    @property
    def unit(self) -> str:
        """Unit of its values, such as `volt`, or 1."""
        try:
            return units.describe(units.dimensions(self.variable.unit))
        except units.UnitError:
            return self.variable.unit

    @property
    def description(self) -> str:
        """What it shows, for people."""
        every = "step" if self.kept.every == 1 else f"{self.kept.every} steps from a phase's start"
        when = f"at the {self.kept.when} of every {every}"
        shared = "one value for all neurons"
        listing = ", ".join(map(str, self.neurons.tolist()))
        neurons = "all neurons" if self.kept.neurons is None else f"neurons {listing}"
        of = neurons if len(self.neurons) else shared
        return f"{self.variable.name} of {self.kept.population}, {of}, {when}"


class Session:
    """Trials of a recording, to be exported.

    Attributes
    ----------
    run : the recording.
    rows : (trial,), rows of its table of trials of which something is kept.
    length : (trial, phase), steps of each phase on the axis.
    spiking : (trial, phase), whether its spikes are kept.
    begin : (trial, phase), step of the axis at which it begins.
    """

    def __init__(self, run: Run, trials: str | None = None, progress: Progress = silent):
        self.run, self.progress = run, progress
        steps, length = run.kept_steps, run.kept_lengths
        self.rows = np.flatnonzero(chosen(run, trials) & (length.sum(axis=1) > 0))
        if not len(self.rows):
            raise _nothing(run, trials, bool(length.any()))
        self.length = length[self.rows]
        self.spiking = steps[self.rows] > 0
        ends = np.cumsum(self.length).reshape(self.length.shape)
        self.begin = ends - self.length

    @property
    def dt(self) -> float:
        """Time step, s."""
        return self.run.layout.dt

    @property
    def steps(self) -> NDArray[np.int64]:
        """Steps of each trial, (trial,)."""
        found: NDArray[np.int64] = self.length.sum(axis=1)
        return found

    @cached_property
    def populations(self) -> tuple[str, ...]:
        """Populations whose spikes are kept."""
        return self.run.layout.spikes if self.spiking.any() else ()

    @cached_property
    def signals(self) -> tuple[Signal, ...]:
        """Variables of which something is kept."""
        found: list[Signal] = []
        sizes = {population.name: population.size for population in self.run.layout.populations}
        for number, kept in enumerate(self.run.layout.states):
            for variable in kept.variables:
                # States may be those of a projection's synapses, which all have a value each.
                size = sizes.get(kept.population, variable.width)
                name = f"{kept.population}.{variable.name}"
                if name in {signal.name for signal in found}:
                    name = f"{name}.{number}"
                neurons = np.arange(size) if kept.neurons is None else np.array(kept.neurons)
                neurons = neurons if len(neurons) == variable.width else neurons[:0]
                if self._samples[number].any():
                    found.append(Signal(name, number, kept, variable, neurons))
        return tuple(found)

    def spikes(self, population: str) -> Iterator[SpikeTrains]:
        """Yield the spikes of a population, some trials at a time; steps from a trial's first."""
        rows = self.rows[self.spiking.any(axis=1)]
        for trains in self.run.parts(population, rows):
            place = self.place(trains)
            self.progress(f"spikes of {population}", int(place[-1]) + 1, len(self.rows))
            kept = np.where(self.spiking, self.length, 0)[place]
            offset = self.begin[place] - self.begin[place][:, :1]
            ends = np.cumsum(kept)
            before = np.repeat(np.cumsum(kept.sum(axis=1)) - kept.sum(axis=1), trains.lengths)
            phase = np.searchsorted(ends, before + trains.step, side="right")
            step = before + trains.step + (offset.ravel() - ends + kept.ravel())[phase]
            yield replace(trains, step=step, steps=self.steps[place])

    def place(self, trains: SpikeTrains) -> NDArray[np.int64]:
        """Return which of the session's trials some spikes are of, (trial,)."""
        return np.searchsorted(self.rows, trains.rows)

    def axis_steps(self, trains: SpikeTrains) -> NDArray[np.int64]:
        """Return the step of the axis of each spike, (spike,)."""
        begin = self.begin[self.place(trains), 0]
        found: NDArray[np.int64] = trains.step + np.repeat(begin, trains.lengths)
        return found

    def sample_steps(self, signal: Signal) -> list[NDArray[np.int64]]:
        """Return the steps of a signal's samples in each trial, from its first."""
        every = signal.kept.every
        offset = self.begin - self.begin[:, :1]
        return [
            np.concatenate([first + every * np.arange(number) for first, number in pairs])
            for pairs in np.stack([offset, self._samples[signal.entry]], axis=-1)
        ]

    def samples(
        self, signal: Signal
    ) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.floating]]]:
        """Yield the trials that a signal has samples in: position, steps, (sample, column)."""
        for trial, steps in enumerate(self.sample_steps(signal)):
            if len(steps):
                place = signal.kept.population, signal.variable.name, int(self.rows[trial])
                _, values = self.run.states(*place, entry=signal.entry)
                yield trial, steps, values
            self.progress(f"samples of {signal.name}", trial + 1, len(self.rows))

    @cached_property
    def network(self) -> str:
        """Text of the network file; empty where the recording lies in no run's folder."""
        beside = self.run.path.parent / NETWORK
        return beside.read_text("utf-8") if beside.is_file() else ""

    def trials(self) -> Table:
        """Return the table of trials: intervals in s, rows of the recording's, its columns."""
        begin, steps = self.begin[:, 0], self.steps
        table = {"start_time": begin * self.dt, "stop_time": (begin + steps) * self.dt}
        known = self.run.trials[self.rows]
        return table | {"trial": self.rows} | {name: known[name] for name in TRIAL_COLUMNS}

    def phases(self) -> Table:
        """Return a table of phases: interval in s, trial, name, whether spikes are kept."""
        ran = self.length > 0
        trial, phase = np.nonzero(ran)
        names = np.array([phase.name for phase in self.run.layout.phases])
        return {
            "start_time": self.begin[ran] * self.dt,
            "stop_time": (self.begin + self.length)[ran] * self.dt,
            "trial": self.rows[trial],
            "phase": names[phase],
            "spikes": self.spiking[ran],
        }

    @cached_property
    def _samples(self) -> list[NDArray[np.int64]]:
        entries = range(len(self.run.layout.states))
        return [self.run.kept_samples(entry)[self.rows] for entry in entries]


def chosen(run: Run, text: str | None) -> NDArray[np.bool_]:
    """Return which trials a text names, such as `test` or `0-99,200`, (trial,).

    Raises
    ------
    InputError : it names none, or one that is not there.
    """
    number = len(run.trials)
    found = np.full(number, text is None)
    for part in (text or "").split(",") if text is not None else ():
        first, dash, last = part.strip().partition("-")
        if first in SPLITS and not dash:
            found |= run.trials["split"] == first
            continue
        rows = [first, last] if dash else [first, first]
        begin, end = (int(row) if row.isdecimal() else -1 for row in rows)
        if not 0 <= begin <= end:
            hint = "write rows of the table of trials, `7` or `0-99,200`, or a split, `test`"
            raise InputError(Fault(f"'{part}' names no trials", hint=hint))
        if end >= number:
            raise InputError(f"No trial {end}; '{run.path}' has {number}, counted from 0")
        found[begin : end + 1] = True
    return found


def _nothing(run: Run, trials: str | None, kept: bool) -> RecordingError:
    """Return what to say where there is nothing to export; `kept`: of other trials there is."""
    if not len(run.trials):
        return RecordingError(f"'{run.path}' holds no trial so far")
    of = f"trials '{trials}' of " if trials else ""
    hint = "the network file's `record: {spikes: {}}` asks for spikes"
    message = f"Neither spikes nor states of {of}'{run.path}' are kept"
    return RecordingError(
        Fault(message, hint="`--trials` left out takes all that are" if kept else hint)
    )
