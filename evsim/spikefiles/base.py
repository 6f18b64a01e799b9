"""What a file of spikes holds, whatever its format."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.errors import nearest

Table = Mapping[str, NDArray[Any]]
"""Columns by name, all of one length."""

MARK = "evsim"
"""Field of the facts that evsim notes in files that it exports: its version."""


class SpikeFileError(ValueError):
    """A file holds no spikes; the text is for users and names the file."""


@dataclass(frozen=True)
class Spikes:
    """Spikes of a population, in the order of the file.

    Attributes
    ----------
    time : (spike,), on the file's axis, or where there is `trial` from its start.
    neuron : (spike,), numbers from 0.
    size : number of neurons, None where only the largest number is known.
    trial : (spike,), position of each spike's trial in the table of trials; None where intervals
        of the table say to which trial a time belongs.
    """

    time: NDArray[Any]
    neuron: NDArray[Any]
    size: int | None = None
    trial: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class TrialSpikes:
    """Spikes of a population, one trial's after the other, in order of time inside each.

    Attributes
    ----------
    time : (spike,), s from the trial's start.
    neuron : (spike,).
    start : (trial + 1,), where each trial's spikes begin, then the number of spikes.
    outside : spikes of the file that lie in no trial.
    """

    time: NDArray[Any]
    neuron: NDArray[Any]
    start: NDArray[np.int64]
    outside: int = 0


@dataclass(frozen=True)
class SpikeFile:
    """A file of spikes.

    Attributes
    ----------
    populations : name -> spikes.
    timed : whether the file says in which unit its times are, so that they are in seconds here.
    trials : the table of trials; `start_time` and `stop_time` in s where the file has them.
    phases : their phases, `trial` (as in the column of that name of `trials`), `phase`,
        `start_time`, `stop_time`, `spikes` (whether they were kept); of evsim's exports only.
    dt : resolution of the times, s.
    facts : what evsim noted when it exported the file; empty for files of others.
    """

    path: Path
    populations: Mapping[str, Spikes]
    timed: bool
    trials: Table | None = None
    phases: Table | None = None
    dt: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def length(self) -> int:
        """Number of trials; a file that tells of none is one."""
        return 1 if self.trials is None else len(next(iter(self.trials.values())))

    def one(self, name: str | None = None) -> Spikes:
        """Return the spikes of a population; without a name, of the only one.

        Raises
        ------
        SpikeFileError : there is none of that name, or several to choose from.
        """
        if name is None and "/" in self.populations:
            return self.populations["/"]
        if name is None and len(self.populations) > 1:
            names = ", ".join(f"'{known}'" for known in self.populations)
            first = next(iter(self.populations))
            raise SpikeFileError(
                f"'{self.path}' holds {names}: name one, such as '{self.path.name}:{first}'"
            )
        (chosen,) = wanted(self.populations, name, self.path)
        return self.populations[chosen]

    def by_trial(self, name: str) -> TrialSpikes:
        """Return the spikes of a population by trial."""
        spikes = self.populations[name]
        if spikes.trial is not None:
            order = np.lexsort((spikes.time, spikes.trial))
            start = np.searchsorted(spikes.trial[order], np.arange(self.length + 1))
            return TrialSpikes(spikes.time[order], spikes.neuron[order], start)
        order = np.argsort(spikes.time, kind="stable")
        time, neuron = spikes.time[order], spikes.neuron[order]
        if self.trials is None:
            return TrialSpikes(time, neuron, np.array([0, len(time)]))
        begin = np.searchsorted(time, self.trials["start_time"])
        end = np.maximum(begin, np.searchsorted(time, self.trials["stop_time"]))
        start = np.concatenate([[0], np.cumsum(end - begin)])
        place = np.arange(start[-1]) + np.repeat(begin - start[:-1], end - begin)
        since = time[place] - np.repeat(self.trials["start_time"], end - begin)
        outside = len(time) - len(np.unique(place))
        return TrialSpikes(since, neuron[place], start, outside)


def numbers(values: Any, name: str, path: Path) -> NDArray[Any]:
    """Return a list of numbers.

    Raises
    ------
    SpikeFileError : it is something else.
    """
    found = np.asarray(values)
    if found.ndim != 1 or found.dtype.kind not in "iuf":
        raise SpikeFileError(f"`{name}` of '{path}' is no list of numbers")
    return found


def pair(times: Any, neurons: Any, names: tuple[str, str], path: Path) -> tuple[Any, Any]:
    """Return a list of times and one of neurons.

    Raises
    ------
    SpikeFileError : they are no numbers, or not equally many.
    """
    time, neuron = numbers(times, names[0], path), numbers(neurons, names[1], path)
    if len(time) != len(neuron):
        raise SpikeFileError(f"'{path}' has {len(time)} times, but {len(neuron)} neurons")
    return time, neuron


def checked(trials: Table, path: Path) -> Table:
    """Return a table of trials whose intervals are such.

    Raises
    ------
    SpikeFileError : a trial has no start or end, or ends before it starts.
    """
    start, stop = (numbers(trials[name], name, path) for name in ("start_time", "stop_time"))
    wrong = ~(np.isfinite(start) & np.isfinite(stop) & (start <= stop))
    if wrong.any():
        at = int(np.argmax(wrong))
        raise SpikeFileError(
            f"trial {at} of '{path}' lies between {start[at]:g} s and {stop[at]:g} s"
        )
    return trials


def facts(text: object) -> dict[str, Any]:
    """Return what evsim noted in a file; nothing where the text is not its own."""
    try:
        found = json.loads(str(text))
    except ValueError:
        return {}
    return found if isinstance(found, dict) and MARK in found else {}


def wanted(known: Iterable[str], only: str | None, path: Path) -> list[str]:
    """Return the names of the populations to read: of all, or of the one that is asked for.

    Raises
    ------
    SpikeFileError : there is none.
    """
    names = list(known)
    if only is not None and only not in names:
        raise SpikeFileError(f"'{path}' has no population '{only}': {nearest(only, names)}")
    if not names:
        raise SpikeFileError(f"'{path}' holds no population")
    return names if only is None else [only]


def places(numbers: NDArray[Any], known: NDArray[Any], path: Path) -> NDArray[np.int64]:
    """Return the positions of trials in a table, given their numbers and those of its rows.

    Raises
    ------
    SpikeFileError : the table has no such trial.
    """
    order = np.argsort(known, kind="stable")
    place = np.minimum(np.searchsorted(known[order], numbers), max(len(known) - 1, 0))
    missing = known[order][place] != numbers if len(known) else np.ones(len(numbers), np.bool_)
    if missing.any():
        number = numbers[int(np.argmax(missing))]
        raise SpikeFileError(f"'{path}' has spikes of trial {number:g}, but no such trial")
    found: NDArray[np.int64] = order[place]
    return found
