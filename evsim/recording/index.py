"""Where the trials of a recording stand in its datasets, and which of them a choice names."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.errors import Fault, RecordingError, nearest
from evsim.recording.committed import Committed

Choice = int | Sequence[int] | NDArray[np.integer[Any]] | NDArray[np.bool_] | None
"""Rows of a table of trials, or a boolean for each."""


class Index:
    """Trials and phases of what is committed; made anew where more is."""

    def __init__(self, data: Committed):
        self._data, self.path, self.layout = data, data.path, data.layout

    @cached_property
    def steps(self) -> NDArray[np.uint64]:
        """Where the steps of each phase begin, and where the last ends, (trial, phase + 1)."""
        return self._data.read("trials/step_offset")

    @cached_property
    def samples(self) -> tuple[NDArray[np.int64], ...]:
        """For each entry of `layout.states`, samples that are kept, (trial, phase)."""
        offsets = (f"trials/state_offset/{number}" for number in range(len(self.layout.states)))
        return tuple(np.diff(self._data.read(path).astype(np.int64)) for path in offsets)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Steps of each phase of which spikes or states are kept, (trial, phase).

        Where it is states only, the samples tell when a phase ended, up to the steps between two.
        """
        steps = np.diff(self.steps.astype(np.int64))
        most = np.array([phase.steps for phase in self.layout.phases], np.int64)
        sampled = np.zeros_like(steps)
        for samples, entry in zip(self.samples, self.layout.states, strict=True):
            bound = np.minimum(samples * entry.every, most)
            both = (samples > 0) & (sampled > 0)
            sampled = np.where(both, np.minimum(sampled, bound), sampled + bound)
        return np.where(steps > 0, steps, sampled)

    def rows(self, population: str, trials: Choice, phase: str | None) -> NDArray[np.int64]:
        """Return the rows that a choice names, (trial,), of which spikes are kept.

        Raises
        ------
        RecordingError : there are no such trials, or nothing of a row named by number is kept.
        """
        if population not in self.layout.spikes:
            raise self.unknown("spikes of population", population, self.layout.spikes)
        first, last = self.phases(phase)
        offset = self.steps
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
        rows = np.array([self.row(trial) for trial in np.atleast_1d(chosen).tolist()], np.int64)
        if (np.diff(rows) <= 0).any():
            raise RecordingError("Trials are read in their order: choose each once, ascending")
        for row in rows[~kept[rows]][:1].tolist():
            self.span(offset[row], row, phase)
        return rows

    def row(self, trial: int) -> int:
        """Return a row counted from 0; a negative one counts from the end.

        Raises
        ------
        RecordingError : there is none.
        """
        number = self._data.lengths["trials/split"]
        if not -number <= trial < number:
            raise RecordingError(f"No trial {trial}; '{self.path}' has {number}, counted from 0")
        return trial % number

    def offsets(self, path: str, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return some rows of a table of offsets, ascending: (row, phase + 1)."""
        if not len(rows):
            return np.zeros((0, len(self.layout.phases) + 1), np.int64)
        found: NDArray[np.int64] = self._data.read(path, rows[0], rows[-1] + 1)[rows - rows[0]]
        return found.astype(np.int64)

    def phases(self, phase: str | None) -> tuple[int, int]:
        """Return the range of phases that `phase` names; None stands for all.

        Raises
        ------
        RecordingError : there is none of that name.
        """
        known = [kept.name for kept in self.layout.phases]
        if phase is None:
            return 0, len(known)
        if phase not in known:
            raise self.unknown("phase", phase, known)
        return known.index(phase), known.index(phase) + 1

    def span(self, offset: NDArray[np.uint64], trial: int, phase: str | None) -> tuple[int, int]:
        """Return the rows of a trial's phase in the dataset that `offset` points into.

        Raises
        ------
        RecordingError : there are none.
        """
        first, last = self.phases(phase)
        begin, end = int(offset[first]), int(offset[last])
        if begin == end:
            of = f"phase '{phase}' of trial" if phase else "trial"
            raise RecordingError(
                f"Nothing of {of} {trial} is kept in '{self.path}'; `recorded` lists trials"
            )
        return begin, end

    def unknown(self, noun: str, name: str, known: Collection[str]) -> RecordingError:
        """Return the error that says what is not there, and what is."""
        hint = nearest(name, known) if known else "the network file's `record` asks for none"
        return RecordingError(Fault(f"'{self.path}' has no {noun} '{name}'", hint=hint))
