"""Kernels as pictures, and a histogram of every parameter over the epochs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evsim.analysis.figures.base import lacking, mosaic
from evsim.recording.reader import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACROSS = 4
KERNELS = 64


def draw(run: Run, figure: Figure, trial: int | None) -> None:
    """Draw the last kernels as images, and a histogram of every parameter over the epochs."""
    names = [p.name for p in run.layout.parameters if math.prod(p.shape)]
    if not names or not len(run.weight_epochs):
        raise lacking(run, "weights", "ask for `record: {weights: {}}`")
    images = {name: kernels(run, name) for name in names}
    number = len(names) + sum(image is not None for image in images.values())
    across = min(number, ACROSS)
    rows = -(-number // across)
    figure.set_size_inches(2.7 * across, 2.6 * rows)
    panels = iter(figure.subplots(rows, across, squeeze=False).ravel())
    for name, image in images.items():
        if image is not None:
            _image(next(panels), image, name)
    for name in names:
        _histograms(run, next(panels), name)
    for panel in panels:
        panel.set_axis_off()


def kernels(run: Run, name: str) -> NDArray[np.floating[Any]] | None:
    """Return the last weights as pictures, (picture, row, column); None where they are none.

    Those of a convolution come source by source for each target.
    """
    weights = run.weights(name)
    if weights.ndim == 4:
        return weights.reshape(-1, *weights.shape[2:])
    if weights.ndim == 2:
        for population in run.layout.populations:
            if population.size == len(weights) and population.shape[:-2] in ((), (1,)):
                if len(population.shape) > 1:
                    return weights.T.reshape(-1, *population.shape[-2:])
    return None


def _image(panel: Axes, pictures: NDArray[np.floating[Any]], name: str) -> None:
    shown = pictures[:KERNELS]
    limit = float(np.quantile(np.abs(shown), 0.99)) or 1.0
    mosaic(panel, shown, limit)
    number = f", {KERNELS} of {len(pictures):,}" if len(pictures) > KERNELS else ""
    panel.set_title(f"{name}{number}, blue {-limit:.2g} to red {limit:.2g}")


def _histograms(run: Run, panel: Axes, name: str) -> None:
    from matplotlib import colormaps
    from matplotlib.ticker import MaxNLocator

    epochs = run.weight_epochs.tolist()
    values = [run.weights(name, epoch).ravel() for epoch in epochs]
    low, high = min(v.min() for v in values), max(v.max() for v in values)
    bins = int(np.clip(np.sqrt(values[0].size), 5, 50))
    edges = np.linspace(low, high if high > low else low + 1, bins + 1).tolist()
    colours = colormaps["viridis"](np.linspace(0.9, 0.1, len(epochs)))
    for epoch, value, colour in zip(epochs, values, colours, strict=True):
        label = f"after epoch {epoch}" if epoch else "at the start"
        label = label if epoch in (epochs[0], epochs[-1]) else "_"
        panel.hist(value, edges, histtype="step", color=colour, label=label)
    panel.set_yticks([])
    panel.spines["left"].set_visible(False)
    panel.set_xlabel("value")
    panel.xaxis.set_major_locator(MaxNLocator(4))
    panel.set_title(name)
    panel.legend(fontsize=7, handlelength=1)
