"""How the parameters change over the epochs.

Mean, standard deviation and Euclidean norm; the change since the first epoch kept relative to the
norm there, and the cosine with it.
"""

from __future__ import annotations

import math

import numpy as np

from evsim.analysis.tables.base import Table
from evsim.recording.reader import Run

COLUMNS = ("parameter", "epochs", "mean", "deviation", "norm", "change", "cosine")


def table(run: Run) -> Table:
    """Return a row for each parameter and epoch that is kept."""
    rows: list[tuple[str | int | float, ...]] = []
    epochs = run.weight_epochs.tolist()
    kept = [p for p in run.layout.parameters if epochs and math.prod(p.shape)]
    for parameter in kept:
        first = run.weights(parameter.name, epochs[0]).astype(np.float64)
        start = float(np.linalg.norm(first))
        for epoch in epochs:
            values = run.weights(parameter.name, epoch).astype(np.float64)
            norm = float(np.linalg.norm(values))
            moved = float(np.linalg.norm(values - first))
            change = moved / start if start else float("nan")
            cosine = float(np.vdot(values, first)) / (norm * start) if norm * start else np.nan
            spread = (float(values.mean()), float(values.std()))
            rows.append((parameter.name, epoch, *spread, norm, change, float(cosine)))
    return Table(dict.fromkeys(COLUMNS, ""), rows)
