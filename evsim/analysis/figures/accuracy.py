"""The error of each split over the epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evsim.analysis.figures.base import SPLITS, lacking
from evsim.recording.reader import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure


MARGIN = 1.06
"""Upper end of the axis over the largest error, so that its marker is whole."""


def draw(run: Run, figure: Figure, trial: int | None) -> None:
    """Draw the error of each split over the epochs."""
    from matplotlib.ticker import MaxNLocator

    rows = [row for row in run.metrics if row.get("error") is not None]
    if not rows:
        raise lacking(run, "errors", "give the network a `readout`")
    figure.set_size_inches(6, 3.6)
    panel = figure.subplots()
    for split, colour in SPLITS.items():
        line = [(row["epoch"] + 1, 100 * row["error"]) for row in rows if row["split"] == split]
        if line:
            epoch, error = zip(*line, strict=True)
            label = f"{split}, last {error[-1]:.2f} %"
            panel.plot(epoch, error, "o-", color=colour, markersize=4, label=label)
    highest = 100 * max(row["error"] for row in rows)
    panel.set_ylim(0, MARGIN * highest or 1.0)
    panel.set_xlabel("epoch")
    panel.set_ylabel("error (%)")
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.grid(axis="y", color="#e5e5e5", linewidth=0.8)
    panel.set_axisbelow(True)
    panel.legend()
