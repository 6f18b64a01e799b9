"""The spikes of a file on a grid of steps, as trials of a recording."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim import replay
from evsim.engines.base import Spikes
from evsim.errors import DataError, Fault
from evsim.orchestrator.events import SPLITS, PhaseRecord, TrialRecord
from evsim.recording.layout import Layout, Phase, Population
from evsim.spikefiles import SpikeFile, TrialSpikes

PHASE = "trial"
"""Name of the only phase of trials whose file tells of none."""

LONGEST = 1 << 31
"""More steps in a trial are taken for a mistake in the time step or the unit."""

Phases = tuple[tuple[str, int, bool], ...]
"""Name, steps, and whether its spikes were kept, of each phase of a trial."""


@dataclass(frozen=True)
class Grid:
    """The spikes of a file on a grid.

    Attributes
    ----------
    layout : of the recording.
    lists : population -> its spikes; times in s from the first step of their trial.
    phases : (trial,), of each trial.
    columns : of the table of trials, (trial,).
    start : time of the file at step 0, s; not 0 where spikes of the file lie before.
    """

    layout: Layout
    lists: Mapping[str, TrialSpikes]
    phases: Sequence[Phases]
    columns: Mapping[str, NDArray[Any]]
    start: float

    def records(self) -> Iterator[TrialRecord]:
        """Yield the trials; several spikes of a neuron in one step are one.

        Raises
        ------
        DataError : a spike has no neuron.
        """
        for trial, phases in enumerate(self.phases):
            steps = sum(number for _, number, _ in phases)
            spikes = {p.name: self._spikes(p, trial, steps) for p in self.layout.populations}
            fields = {name: values[trial].item() for name, values in self.columns.items()}
            yield TrialRecord(**fields, phases=tuple(_records(phases, spikes)))

    def _spikes(self, population: Population, trial: int, steps: int) -> NDArray[np.int64]:
        """Return steps and neurons of a trial's spikes, (2, spike)."""
        lists = self.lists[population.name]
        part = slice(lists.start[trial], lists.start[trial + 1])
        # What is less than dt/1000 before the end of its trial would be in the next one's step.
        time = np.minimum(lists.time[part], (steps - 0.5) * self.layout.dt)
        try:
            return replay.spike_list(
                time, lists.neuron[part], population.size, self.layout.dt, 0, merge=True
            )
        except replay.ReplayError as error:
            message = f"Trial {trial}: a spike of '{population.name}' cannot be taken"
            raise DataError(f"{message}: {error.message}.") from None


def on_grid(found: SpikeFile, scale: float, dt: float) -> Grid:
    """Return the spikes of a file on a grid.

    Parameters
    ----------
    scale : seconds in the unit of its times.
    dt : step of the grid, s.

    Raises
    ------
    DataError : there is no trial, a time or neuron is no number, populations have one name, or
        there are too many steps.
    """
    if not found.length:
        raise DataError(f"'{found.path}' holds no trial.")
    names = _names(found)
    for name, spikes in found.populations.items():
        if not np.isfinite(spikes.neuron).all():
            raise DataError(f"'{found.path}' has a spike of '{name}' whose neuron is no number.")
    lists = {names[name]: found.by_trial(name) for name in found.populations}
    times = [one.time for one in lists.values() if len(one.time)]
    if not all(np.isfinite(time).all() for time in times):
        raise DataError(f"'{found.path}' has a spike whose time is not a number.")
    start = math.floor(min([0.0, *(time.min() for time in times)]) * scale / dt) * dt
    lists = {name: replace(one, time=one.time * scale - start) for name, one in lists.items()}
    phases = _phases(found, dt) or [((PHASE, n, True),) for n in _steps(found, lists, dt)]
    return Grid(_layout(found, names, phases, dt), lists, phases, _columns(found), start)


def _names(found: SpikeFile) -> dict[str, str]:
    """Return names that a recording can have for populations of a file."""
    names = {name: re.sub(r"\W", "_", name.strip("/")) or "spikes" for name in found.populations}
    if len(set(names.values())) < len(names):
        raise DataError(
            f"Populations of '{found.path}' differ in signs only that no name may have."
        )
    return names


def _steps(found: SpikeFile, lists: Mapping[str, TrialSpikes], dt: float) -> list[int]:
    """Return the steps of each trial: of its interval, or up to its last spike."""
    if found.trials is not None and "stop_time" in found.trials:
        length = (found.trials["stop_time"] - found.trials["start_time"]) / dt
        steps = np.maximum(np.ceil(length - 1e-3), 1)
    else:
        steps = np.ones(found.length)
        for one in lists.values():
            ran = np.flatnonzero(np.diff(one.start))
            last = one.time[one.start[1:][ran] - 1]
            # Numbers that may be too large for an integer.
            steps[ran] = np.maximum(steps[ran], np.floor(last / dt + 1e-3) + 1)
    if steps.max(initial=0) > LONGEST:
        at = int(np.argmax(steps))
        message = f"Trial {at} of '{found.path}' would have {steps[at]:.3g} steps of {dt:g} s"
        hint = "give the unit of its times, `--unit`, or a longer step, `--dt`"
        raise DataError(Fault(message, hint=hint))
    return [int(number) for number in steps]


def _phases(found: SpikeFile, dt: float) -> list[Phases]:
    """Return the phases of each trial, of a file that evsim wrote; else nothing."""
    if found.phases is None or found.trials is None:
        return []
    table, edge = found.phases, found.trials["start_time"]
    phases: list[Phases] = []
    for trial, number in enumerate(found.trials["trial"].tolist()):
        here = np.flatnonzero(table["trial"] == number)
        begin, end = (
            np.rint((table[name][here] - edge[trial]) / dt).astype(int).tolist()
            for name in ("start_time", "stop_time")
        )
        named = zip(table["phase"][here].tolist(), table["spikes"][here].tolist(), strict=True)
        phases.append(
            tuple(
                (name, last - first, bool(kept))
                for (name, kept), first, last in zip(named, begin, end, strict=True)
            )
        )
    return phases


def _layout(
    found: SpikeFile, names: Mapping[str, str], phases: Sequence[Phases], dt: float
) -> Layout:
    known = found.facts.get("populations", {})
    populations = []
    for name, spikes in found.populations.items():
        neurons = 1 + int(spikes.neuron.max(initial=0))
        size = neurons if spikes.size is None else spikes.size
        shape = tuple(known.get(name, {}).get("shape", (size,)))
        populations.append(Population(names[name], shape))
    order = found.facts.get("phases", []) if found.phases is not None else [PHASE]
    longest = dict.fromkeys(order, 0)
    for ran in phases:
        for name, steps, _ in ran:
            longest[name] = max(longest.get(name, 0), steps)
    return Layout(
        dt=dt,
        precision="float64",
        populations=tuple(populations),
        spikes=tuple(names.values()),
        encoding="compact",
        states=(),
        parameters=(),
        phases=tuple(Phase(name, steps) for name, steps in longest.items() if steps),
    )


def _columns(found: SpikeFile) -> dict[str, NDArray[Any]]:
    """Return the columns of a recording's table of trials; usual values where there are none."""
    number, table = found.length, found.trials or {}
    usual = {
        "epoch": np.zeros(number, np.int64),
        "index": np.arange(number),
        "sample": np.arange(number),
        "label": np.full(number, -1),
        "predicted": np.full(number, -1),
    }
    columns = {name: _whole(table.get(name), values) for name, values in usual.items()}
    split = np.full(number, "test", object)
    for at, name in enumerate(table.get("split", ())):
        split[at] = str(name) if str(name) in SPLITS else "test"
    residual = np.asarray(table.get("residual", np.full(number, np.nan)))
    residual = residual if residual.dtype.kind in "iuf" else np.full(number, np.nan)
    return {**columns, "split": split.astype(str), "residual": residual.astype(np.float64)}


def _whole(values: NDArray[Any] | None, usual: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return values that are whole numbers; usual ones where they are not."""
    if values is None or values.dtype.kind not in "biuf":
        return usual
    numbers = values.astype(np.float64)
    whole = np.isfinite(numbers) & (numbers == np.rint(numbers)) & (np.abs(numbers) < 1 << 53)
    return values.astype(np.int64) if whole.all() else usual


def _records(phases: Phases, spikes: Mapping[str, NDArray[np.int64]]) -> Iterator[PhaseRecord]:
    begin = 0
    for name, steps, kept in phases:
        found = {}
        for population, (step, neuron) in spikes.items() if kept else ():
            first, last = np.searchsorted(step, [begin, begin + steps])
            count = np.bincount(step[first:last] - begin, minlength=steps)
            found[population] = Spikes(
                count.astype(np.uint32), neuron[first:last].astype(np.uint32)
            )
        yield PhaseRecord(name, steps, found)
        begin += steps
