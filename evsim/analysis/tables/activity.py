"""How often, and how regularly, the neurons of each population spike in each phase.

Over the trials of the last epoch whose spikes are kept: the mean rate, the share of neurons that
never spike, the coefficient of variation of intervals and CV2 inside a trial, the Fano factor of
counts from trial to trial, and the mean correlation coefficient of pairs of neurons over windows.
"""

from __future__ import annotations

import numpy as np

from evsim.analysis import spikes
from evsim.analysis.tables.base import Table, last_epoch, mean, steps
from evsim.recording.reader import Run

WINDOWS = 10
"""Windows into which a phase is cut for correlations."""

UNITS = {
    "population": "",
    "phase": "",
    "trials": "",
    "rate": "Hz",
    "silent": "",
    "cv": "",
    "cv2": "",
    "fano": "",
    "correlation": "",
}


def table(run: Run) -> Table:
    """Return a row for each population and phase that kept spikes."""
    rows = []
    for split in dict.fromkeys(run.trials["split"][run.recorded].tolist()):
        rows += _of_split(run, split)
    return Table({"split": "", **UNITS}, rows)


def _of_split(run: Run, split: str) -> list[tuple[str | int | float, ...]]:
    kept = run.recorded[run.trials["split"][run.recorded] == split]
    chosen = last_epoch(run, kept).tolist()
    rows: list[tuple[str | int | float, ...]] = []
    for population in run.layout.spikes:
        for phase in run.layout.phases:
            trials = [trial for trial in chosen if steps(run, trial, phase.name)]
            if trials:
                head = (split, population, phase.name, len(trials))
                rows.append((*head, *_measured(run, population, phase.name, trials)))
    return rows


def _measured(run: Run, population: str, phase: str, trials: list[int]) -> tuple[float, ...]:
    found = run.spikes(population, trials, phase).counts()
    size = found.shape[1]
    lasted = np.array([steps(run, trial, phase) for trial in trials])
    variations, locals_, windows = [], [], []
    for trial, count in zip(trials, lasted.tolist(), strict=True):
        trains = run.spikes(population, trial, phase)
        step, neuron = trains.step, trains.neuron
        variations.append(mean(spikes.variation(step, neuron, size)))
        locals_.append(mean(spikes.local_variation(step, neuron, size)))
        width = max(1, count // WINDOWS)
        windows.append(spikes.binned(step, neuron, size, count, width))
    several = len(trials) > 1
    return (
        float((found.sum(axis=0) / lasted.sum()).mean() / run.layout.dt),
        float((found.sum(axis=0) == 0).mean()),
        mean(np.array(variations)),
        mean(np.array(locals_)),
        mean(spikes.fano_factor(found)) if several else float("nan"),
        spikes.correlation(np.concatenate(windows)),
    )
