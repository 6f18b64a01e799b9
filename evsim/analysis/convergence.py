"""How trials settle: residuals, and activity over a trial."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from evsim.recording.reader import Run


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


def activity(run: Run, population: str, trials: Iterable[int]) -> NDArray[np.float64]:
    """Return the share of a population's neurons that spike in each step, (step,), 0 to 1.

    Parameters
    ----------
    trials : rows of `run.trials` that kept the same phases; the result is their mean.

    Raises
    ------
    RecordingError : a trial's spikes are not kept.
    """
    counts = [run.counts(population, trial) for trial in trials]
    share: NDArray[np.float64] = np.mean(counts, axis=0) / run.layout.population(population).size
    return share


def typical_trials(run: Run) -> list[int]:
    """Return the recorded trials of the last epoch that kept the most phases."""
    rows = run.recorded
    if not len(rows):
        return []
    rows = rows[run.trials["epoch"][rows] == run.trials["epoch"][rows].max()]
    kept = [tuple(run.phases(row)) for row in rows.tolist()]
    most = max(kept, key=len)
    return [row for row, phases in zip(rows.tolist(), kept, strict=True) if phases == most]
