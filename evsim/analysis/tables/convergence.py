"""How trials go on inside their phases: energy, movement and activity, at the start and the end.

Over the trials of the last epoch, for each split and phase: the energy of the network where all
populations record `energy`, the movement of every other recorded variable (the largest change of
all neurons, a step) and the activity of every population (the share of neurons that spike in a
step). `start` and `end` are means over the first and the last tenth of a phase's samples. `falling`
is the share of samples below the one before, `descent` that of all changes, by size, that leads
down: both are 1 where a quantity only falls, and `descent` hardly heeds jitter at rest.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from evsim.analysis.convergence import ENERGY, activity, energy, movement
from evsim.analysis.tables.base import Table, Value, last_epoch, mean, steps
from evsim.recording.reader import Run

PART = 10
"""Share of a phase's samples, one in so many, that its start and its end are."""

TRIALS = 100
"""Trials of a split that are measured at most."""

COLUMNS = ("split", "phase", "quantity", "of", "trials", "start", "end", "falling", "descent")


def table(run: Run) -> Table:
    """Return a row for each split, phase and quantity that is kept."""
    rows: list[tuple[Value, ...]] = []
    kept = np.union1d(run.recorded, run.sampled)
    splits = run.trials["split"][kept]
    for split in dict.fromkeys(splits.tolist()):
        trials = last_epoch(run, kept[splits == split])[:TRIALS].tolist()
        for phase in run.layout.phases:
            for quantity, of, courses in _courses(run, trials, phase.name):
                if courses:
                    found = np.array([_measured(course) for course in courses])
                    head = (split, phase.name, quantity, of, len(courses))
                    rows.append((*head, *(mean(column) for column in found.T)))
    return Table(dict.fromkeys(COLUMNS, ""), rows)


def _courses(
    run: Run, trials: list[int], phase: str
) -> Iterator[tuple[str, str, list[NDArray[np.float64]]]]:
    """Yield each quantity, what it is of, and its samples in every trial that kept some."""
    entries = {
        number: [trial for trial in trials if phase in run.sampled_phases(trial, number)]
        for number in range(len(run.layout.states))
    }
    variables = {
        (entry.population, variable.name): number
        for number, entry in reversed(list(enumerate(run.layout.states)))
        for variable in entry.variables
    }
    with_energy = [number for (_, name), number in variables.items() if name == ENERGY]
    if with_energy:
        every = set.intersection(*(set(entries[number]) for number in with_energy))
        yield ENERGY, "", [energy(run, [trial], phase)[1] for trial in sorted(every)]
    for (population, name), number in sorted(variables.items(), key=lambda item: item[1]):
        if name != ENERGY:
            moved = [movement(run, population, name, [t], phase)[1] for t in entries[number]]
            yield "movement", f"{population}.{name}", [course for course in moved if len(course)]
    ran = [trial for trial in trials if steps(run, trial, phase)]
    for population in run.layout.spikes:
        yield "activity", population, [activity(run, population, [t], phase) for t in ran]


def _measured(course: NDArray[np.float64]) -> tuple[float, ...]:
    """Return the start, the end, how often and how much of its way a quantity falls."""
    part, change = max(1, len(course) // PART), np.diff(course)
    way = float(np.abs(change).sum())
    falling = float((change < 0).mean()) if len(change) else float("nan")
    descent = float(-change[change < 0].sum()) / way if way else float("nan")
    return float(course[:part].mean()), float(course[-part:].mean()), falling, descent
