"""Which classes are taken for which, over the last epoch of each split."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evsim.analysis.figures.base import lacking
from evsim.analysis.tables.confusion import matrices
from evsim.recording.reader import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NUMBERED = 20
"""Classes up to which cells show their share."""


def draw(run: Run, figure: Figure, trial: int | None) -> None:
    """Draw a matrix a split, in per cent of each label's trials."""
    found = matrices(run)
    if not found:
        raise lacking(run, "predictions of labelled trials", "give the network a `readout`")
    size = max(3.6, 0.32 * max(len(matrix) for matrix in found.values()) + 1)
    figure.set_size_inches(size * len(found), size)
    panels = figure.subplots(1, len(found), squeeze=False)[0]
    for panel, (split, matrix) in zip(panels, found.items(), strict=True):
        _matrix(panel, matrix, split)


def _matrix(panel: Axes, matrix: NDArray[np.int64], split: str) -> None:
    trials = matrix.sum(axis=1, keepdims=True)
    share = 100 * matrix / np.maximum(trials, 1)
    panel.imshow(share, cmap="Blues", vmin=0, vmax=100)
    wrong = 100 * (1 - np.trace(matrix) / matrix.sum())
    panel.set_title(f"{split}, {matrix.sum():,} trials, {wrong:.2f} % wrong")
    panel.set_xlabel("predicted")
    panel.set_ylabel("label")
    if len(matrix) > NUMBERED:
        return
    panel.set_xticks(range(len(matrix)))
    panel.set_yticks(range(len(matrix)))
    for label, predicted in zip(*np.nonzero(matrix), strict=True):
        value = share[label, predicted]
        panel.text(
            float(predicted),
            float(label),
            f"{value:.0f}" if value >= 1 else "·",
            ha="center",
            va="center",
            fontsize=7,
            color="white" if value > 60 else "#333333",
        )
