"""Which classes are taken for which, over the last epoch of each split."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evsim.analysis.tables.base import Table, last_epoch
from evsim.recording.reader import Run


def table(run: Run) -> Table:
    """Return a row for each split, label and prediction that occurred."""
    rows: list[tuple[str | int | float, ...]] = []
    for split, found in matrices(run).items():
        for label, predicted in zip(*np.nonzero(found), strict=True):
            count = int(found[label, predicted])
            share = count / int(found[label].sum())
            rows.append((split, int(label), int(predicted), count, share))
    return Table({"split": "", "label": "", "predicted": "", "trials": "", "share": ""}, rows)


def matrices(run: Run) -> dict[str, NDArray[np.int64]]:
    """Return split -> trials of the last epoch, (label, predicted)."""
    trials = run.trials
    judged = np.flatnonzero((trials["label"] >= 0) & (trials["predicted"] >= 0))
    found = {}
    for split in dict.fromkeys(trials["split"][judged].tolist()):
        chosen = trials[last_epoch(run, judged[trials["split"][judged] == split])]
        classes = int(max(chosen["label"].max(), chosen["predicted"].max())) + 1
        flat = chosen["label"] * classes + chosen["predicted"]
        found[split] = np.bincount(flat, minlength=classes**2).reshape(classes, classes)
    return found
