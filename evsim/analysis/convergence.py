"""How trials settle: residuals, and energy, movement and activity over a trial."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from evsim.recording.reader import Run

ENERGY = "energy"
"""Variable whose sum over all neurons is the energy of a network."""


def residuals(run: Run, epoch: int = -1) -> dict[str, NDArray[np.float64]]:
    """Return split -> (trial,), residuals of the trials of an epoch; -1 is the last.

    Trials without a residual are left out, and so are splits without any.
    """
    trials = run.trials[~np.isnan(run.trials["residual"])]
    if not len(trials):
        return {}
    chosen = trials[trials["epoch"] == (trials["epoch"].max() if epoch == -1 else epoch)]
    splits = dict.fromkeys(chosen["split"].tolist())
    return {split: chosen["residual"][chosen["split"] == split] for split in splits}


def activity(
    run: Run, population: str, trials: Iterable[int], phase: str | None = None
) -> NDArray[np.float64]:
    """Return the share of a population's neurons that spike in each step, (step,), 0 to 1.

    Parameters
    ----------
    trials : rows of `run.trials` that kept the same phases; the result is their mean.
    phase : by default all kept phases, one after the other.

    Raises
    ------
    RecordingError : a trial's spikes are not kept.
    """
    counts = [run.counts(population, trial, phase) for trial in trials]
    share: NDArray[np.float64] = np.mean(counts, axis=0) / run.layout.population(population).size
    return share


def energy(
    run: Run, trials: Iterable[int], phase: str | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the energy of the network: the recorded variable `energy`, summed over all neurons.

    Parameters
    ----------
    trials : rows of `run.trials` that kept the same phases; the result is their mean.
    phase : by default all kept phases, one after the other.

    Returns
    -------
    step, energy : (sample,), where every population has a sample, and the sum there.

    Raises
    ------
    RecordingError : no population's `energy` is kept, or that of a trial is not.
    """
    kept = [e.population for e in run.layout.states if ENERGY in {v.name for v in e.variables}]
    total: dict[int, float] = {}
    common: set[int] | None = None
    rows = list(trials)
    for population in dict.fromkeys(kept or [""]):
        for row in rows:
            step, values = run.states(population, ENERGY, row, phase)
            for at, value in zip(step.tolist(), values.sum(axis=1).tolist(), strict=True):
                total[at] = total.get(at, 0.0) + value / len(rows)
            common = set(step.tolist()) if common is None else common & set(step.tolist())
    steps = np.array(sorted(common or ()), np.int64)
    return steps, np.array([total[step] for step in steps.tolist()])


def movement(
    run: Run, population: str, variable: str, trials: Iterable[int], phase: str | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return how far a recorded variable moves a step, the largest of all neurons.

    Parameters
    ----------
    trials : rows of `run.trials` that kept the same phases; the result is their mean.
    phase : by default all kept phases, one after the other.

    Returns
    -------
    step, movement : the second of any two neighbouring samples of one phase, and the change from
        the first to it, divided by the steps between them.

    Raises
    ------
    RecordingError : not kept.
    """
    found: list[NDArray[np.float64]] = []
    steps = np.zeros(0, np.int64)
    for row in trials:
        step, values = run.states(population, variable, row, phase)
        begins = [begin for begin, _ in run.spans(row).values()] if phase is None else [0]
        inside = np.diff(np.searchsorted(begins, step, side="right")) == 0
        change = np.abs(np.diff(values.astype(np.float64), axis=0)).max(axis=1)
        steps = step[1:][inside]
        found.append((change / np.diff(step))[inside])
    return steps, np.mean(found, axis=0)


def typical_trials(run: Run, sampled: bool = False) -> list[int]:
    """Return the trials of the last epoch that kept the most phases, of spikes or of states.

    Where phases end early, those of the commonest lengths.
    """
    rows = run.sampled if sampled else run.recorded
    if not len(rows):
        return []
    rows = rows[run.trials["epoch"][rows] == run.trials["epoch"][rows].max()]
    entries = range(len(run.layout.states)) if sampled else ()
    lengths = run.kept_lengths if sampled else run.kept_steps
    kept = np.concatenate([lengths, *(run.kept_samples(entry) for entry in entries)], axis=1)[rows]
    times = Counter(map(tuple, kept.tolist()))
    most = max(times, key=lambda found: (np.count_nonzero(found), times[found]))
    return [int(row) for row in rows[(kept == most).all(axis=1)]]
