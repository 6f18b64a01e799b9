"""How much neurons prefer one class, over all labelled trials of the last epoch that kept spikes.

The index of a neuron is (r - m)/(r + m), its rate r for the class that it answers to most and the
mean m of its rates for the others: 0 where all are alike, 1 where it spikes for one class only.
With few trials a class, chance alone gives high values: compare with `shuffled`, the same with
labels dealt out anew.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evsim.analysis.tables.base import Table, last_epoch, mean, steps
from evsim.recording.reader import Run


def table(run: Run) -> Table:
    """Return a row for each population and phase."""
    labelled = run.recorded[run.trials["label"][run.recorded] >= 0]
    chosen = last_epoch(run, labelled).tolist()
    rows: list[tuple[str | int | float, ...]] = []
    for population in run.layout.spikes:
        for phase in run.layout.phases:
            trials = [trial for trial in chosen if steps(run, trial, phase.name)]
            labels = run.trials["label"][trials]
            if len(set(labels.tolist())) > 1:
                lasted = np.array([steps(run, trial, phase.name) for trial in trials])
                rate = run.spikes(population, trials, phase.name).counts() / lasted[:, None]
                dealt = np.random.default_rng(0).permutation(labels)
                index, shuffled = (mean(selectivity(rate, given)[0]) for given in (labels, dealt))
                rows.append((population, phase.name, len(trials), index, shuffled))
    units = ("population", "phase", "trials", "selectivity", "shuffled")
    return Table(dict.fromkeys(units, ""), rows)


def selectivity(
    rate: NDArray[np.floating], labels: NDArray[np.integer]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return each neuron's index, NaN without a spike, and the class that it prefers, (neuron,).

    Parameters
    ----------
    rate : (trial, neuron).
    labels : (trial,), at least two different ones.
    """
    classes = np.unique(labels)
    by_class = np.array([rate[labels == label].mean(axis=0) for label in classes])
    best = by_class.max(axis=0)
    others = (by_class.sum(axis=0) - best) / (len(classes) - 1)
    total = best + others
    total[total == 0] = np.nan
    return (best - others) / total, classes[by_class.argmax(axis=0)].astype(np.int64)
