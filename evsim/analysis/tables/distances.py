"""How far the rates and spike trains of each population are in one phase from those in another.

For networks trained by equilibrium propagation: how far the nudge reaches. Over the trials of the
last epoch that kept both phases, neuron by neuron in each trial: the mean absolute difference of
rates, and the root of the mean squared one relative to that of the first phase's rates.

`trains` is the mean van Rossum distance between a neuron's spikes in the last steps of both phases,
as many as the shorter one has; `others` is that between the first phases of different trials, to
compare with. Spikes count as near within `scale`, the mean interval between a neuron's spikes. At
most 40 trials and 50 neurons that spike are compared, taken evenly from all.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from evsim.analysis.sampling import evenly, spiking, trains
from evsim.analysis.spikes import van_rossum
from evsim.analysis.tables.base import Table, Value, last_epoch, steps
from evsim.recording.reader import Run

TRIALS = 40

UNITS = {
    "population": "",
    "phase": "",
    "other": "",
    "trials": "",
    "distance": "Hz",
    "relative": "",
    "scale": "s",
    "trains": "",
    "others": "",
}


def table(run: Run) -> Table:
    """Return a row for each population and pair of phases."""
    chosen = last_epoch(run, run.recorded).tolist()
    rows: list[tuple[Value, ...]] = []
    for population in run.layout.spikes:
        for phase, other in combinations([phase.name for phase in run.layout.phases], 2):
            trials = [t for t in chosen if steps(run, t, phase) and steps(run, t, other)]
            if trials:
                pair = (phase, other)
                head = (population, *pair, len(trials))
                rates = _rates(run, population, pair, trials)
                rows.append((*head, *rates, *_trains(run, population, pair, np.array(trials))))
    return Table(UNITS, rows)


def _rates(
    run: Run, population: str, phases: tuple[str, str], trials: list[int]
) -> tuple[float, float]:
    rates = [
        run.spikes(population, trials, name).counts()
        / np.array([steps(run, trial, name) for trial in trials])[:, None]
        / run.layout.dt
        for name in phases
    ]
    apart = rates[1] - rates[0]
    size = float(np.sqrt((rates[0] ** 2).mean()))
    relative = float(np.sqrt((apart**2).mean())) / size if size else float("nan")
    return float(np.abs(apart).mean()), relative


def _trains(
    run: Run, population: str, phases: tuple[str, str], trials: NDArray[np.int64]
) -> tuple[float, float, float]:
    """Return the scale, and the distance between phases and that between trials."""
    chosen = evenly(trials, TRIALS).tolist()
    counts = [run.spikes(population, chosen, name).counts() for name in phases]
    spikes = np.sum(counts, axis=(0, 1))
    neurons, nothing = spiking(spikes), float("nan")
    if not len(neurons):
        return nothing, nothing, nothing
    lasted = sum(steps(run, trial, name) for trial in chosen for name in phases) * run.layout.dt
    scale = lasted * len(neurons) / float(spikes[neurons].sum())
    first, second = (
        [_ends(run, population, trial, name, phases, neurons) for trial in chosen]
        for name in phases
    )
    number, different = len(chosen), ~np.eye(len(chosen), dtype=np.bool_)
    paired, between = [], []
    for at in range(len(neurons)):
        times = [kept[at] * run.layout.dt for kept in (*first, *second)]
        apart = van_rossum(times, scale)
        paired.append(float(np.diag(apart[:number, number:]).mean()))
        between.append(float(apart[:number, :number][different].mean()) if number > 1 else nothing)
    return scale, float(np.mean(paired)), float(np.mean(between))


def _ends(
    run: Run,
    population: str,
    trial: int,
    phase: str,
    phases: tuple[str, str],
    neurons: NDArray[np.int64],
) -> list[NDArray[np.int64]]:
    """Return the spike trains in the last steps of a phase, as many as the shorter phase has."""
    skipped = steps(run, trial, phase) - min(steps(run, trial, name) for name in phases)
    return [
        train[train >= skipped] - skipped
        for train in trains(run, population, trial, phase, neurons)
    ]
