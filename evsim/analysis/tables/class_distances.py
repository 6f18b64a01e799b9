"""How far spike trains of one class are from each other, and from those of other classes.

Over labelled trials of the last epoch: van Rossum distances between one neuron's spike trains in
two trials, as means over neurons and pairs of trials. `scale` is the time to which a distance
attends, a tenth of the mean interval between a neuron's spikes, one and ten of them: from the
times of spikes to their number. `nearest` is the share of trials whose nearest other trial, all
neurons together, is of their own class; `chance` is what it is where labels mean nothing.

At most 60 trials and 50 neurons that spike are compared, taken evenly from all.

Reference: J. D. Victor, K. P. Purpura, Nature and precision of temporal coding in visual cortex,
Journal of Neurophysiology 1996, which tells classes by distances over a range of scales.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evsim.analysis.sampling import evenly, spiking, trains
from evsim.analysis.spikes import van_rossum
from evsim.analysis.tables.base import Table, Value, last_epoch, steps
from evsim.recording.reader import Run

TRIALS = 60

SCALES = (0.1, 1.0, 10.0)
"""In mean intervals between the spikes of a neuron."""

UNITS = {
    "population": "",
    "phase": "",
    "trials": "",
    "neurons": "",
    "scale": "s",
    "within": "",
    "between": "",
    "nearest": "",
    "chance": "",
}


def table(run: Run) -> Table:
    """Return three rows, one a scale, for each population and phase."""
    labelled = run.recorded[run.trials["label"][run.recorded] >= 0]
    chosen = last_epoch(run, labelled).tolist()
    rows: list[tuple[Value, ...]] = []
    for population in run.layout.spikes:
        for phase in run.layout.phases:
            kept = np.array([t for t in chosen if steps(run, t, phase.name)], np.int64)
            rows += _measured(run, population, phase.name, evenly(kept, TRIALS))
    return Table(UNITS, rows)


def _measured(
    run: Run, population: str, phase: str, trials: NDArray[np.int64]
) -> list[tuple[Value, ...]]:
    labels = run.trials["label"][trials]
    same = (labels[:, None] == labels) & ~np.eye(len(trials), dtype=np.bool_)
    if not same.any() or len(set(labels.tolist())) < 2:
        return []
    spikes = run.spikes(population, trials.tolist(), phase).counts().sum(axis=0)
    neurons = spiking(spikes)
    if not len(neurons):
        return []
    lasted = sum(steps(run, trial, phase) for trial in trials.tolist()) * run.layout.dt
    interval = lasted * len(neurons) / float(spikes[neurons].sum())
    by_trial = [trains(run, population, trial, phase, neurons) for trial in trials.tolist()]
    other = labels[:, None] != labels
    chance = float(same.sum() / (same.sum() + other.sum()))
    rows: list[tuple[Value, ...]] = []
    for scale in (share * interval for share in SCALES):
        apart = _distances(by_trial, len(neurons), run.layout.dt, scale)
        means = (float(apart[same].mean()), float(apart[other].mean()))
        nearest = _nearest(apart, labels)
        head = (population, phase, len(trials), len(neurons), scale)
        rows.append((*head, *means, nearest, chance))
    return rows


def _distances(
    by_trial: list[list[NDArray[np.int64]]], neurons: int, dt: float, scale: float
) -> NDArray[np.float64]:
    """Return the distances between trials, the mean over neurons, (trial, trial)."""
    total = np.zeros((len(by_trial), len(by_trial)))
    for at in range(neurons):
        total += van_rossum([kept[at] * dt for kept in by_trial], scale)
    return total / neurons


def _nearest(apart: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Return the share of trials whose nearest one has their label; equally near ones share it."""
    others = np.where(np.eye(len(apart), dtype=np.bool_), np.inf, apart)
    # Sums in another order may differ in their last bits where distances are equal.
    nearest = others <= others.min(axis=1, keepdims=True) * (1 + 1e-9)
    right = (nearest & (labels[:, None] == labels)).sum(axis=1) / nearest.sum(axis=1)
    return float(right.mean())
