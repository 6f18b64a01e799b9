"""What part of an image neurons answer to: their mean image at a spike, and their weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evsim.analysis.figures.base import lacking, mosaic
from evsim.analysis.receptive import fields
from evsim.recording.reader import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ACROSS = 4
SHOWN = 25
"""Neurons of a population that are drawn, those whose fields stand out most."""


def draw(run: Run, figure: Figure, trial: int | None) -> None:
    """Draw the fields of each population in its first phase; beside them weights from the image."""
    drawn: list[tuple[str, NDArray[np.float64]]] = []
    for found in fields(run, phases=1):
        apart = np.nan_to_num(found.separation, nan=-np.inf)
        best = np.argsort(-apart, kind="stable")[:SHOWN]
        title = f"{found.population}, {found.phase}, {found.trials} trials"
        drawn.append((title, found.average[best]))
        if found.weights is not None:
            drawn.append((f"{found.population}, weights", found.weights[best]))
    if not drawn:
        raise lacking(run, "spikes that answer to images", "record spikes and show images")
    across = min(len(drawn), ACROSS)
    down = -(-len(drawn) // across)
    figure.set_size_inches(max(2.9 * across, 6.2), 3.1 * down + 0.3)
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for panel in panels:
        panel.set_axis_off()
    for panel, (title, values) in zip(panels, drawn, strict=False):
        pictures = values.reshape(len(values), -1, *values.shape[-2:]).mean(axis=1)
        peak = np.abs(pictures).max(axis=(1, 2), keepdims=True)
        mosaic(panel, pictures / np.where(peak > 0, peak, 1.0), 1.0)
        panel.set_title(title)
        panel.set_anchor("NW")
    what = "mean image at a spike less that of all trials"
    scale = "red above 0, blue below, each scaled to its own peak"
    figure.suptitle(f"{what}; {scale}", x=0.01, ha="left", fontsize=9)
