"""How far trials were from rest at the end of the phase that `protocol.settle` names.

For each epoch and split, quantiles of the trials' residuals.
"""

from __future__ import annotations

import numpy as np

from evsim.analysis.tables.base import Table
from evsim.recording.reader import Run

QUANTILES = {"median": 0.5, "tenth": 0.9, "hundredth": 0.99}
"""Names of what a half, a tenth and a hundredth of the trials exceed."""


def table(run: Run) -> Table:
    """Return a row for each epoch and split with residuals."""
    trials = run.trials[~np.isnan(run.trials["residual"])]
    rows: list[tuple[str | int | float, ...]] = []
    for epoch in np.unique(trials["epoch"]).tolist():
        for split in dict.fromkeys(trials["split"][trials["epoch"] == epoch].tolist()):
            chosen = (trials["epoch"] == epoch) & (trials["split"] == split)
            values = trials["residual"][chosen]
            found = np.quantile(values, list(QUANTILES.values())).tolist()
            rows.append((epoch, split, len(values), *found, float(values.max())))
    columns = ("epoch", "split", "trials", *QUANTILES, "largest")
    return Table(dict.fromkeys(columns, ""), rows)
