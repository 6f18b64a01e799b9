"""How directions of learning agree with gradients, as numbers and as a figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evsim.analysis.style import COLOURS, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN = 3
"""Weights of a parameter that the figure shows."""

ACROSS = 3


@dataclass(frozen=True)
class Agreement:
    """Cosine between two directions, and the ratio of their lengths; NaN where one has none."""

    cosine: float
    ratio: float

    @classmethod
    def of(cls, one: NDArray[Any], other: NDArray[Any]) -> Agreement:
        """Compare a direction with the one that it should have."""
        lengths = float(np.linalg.norm(one)), float(np.linalg.norm(other))
        if not all(lengths):
            return cls(float("nan"), float("nan"))
        return cls(float(np.vdot(one, other)) / (lengths[0] * lengths[1]), lengths[0] / lengths[1])


@dataclass(frozen=True)
class Curves:
    """One parameter, step by step, each array (step, *parameter).

    Attributes
    ----------
    gradient : minus the gradient backpropagated through the last 1, 2, ... free steps.
    real, spiking : what learning code would add after 1, 2, ... nudged steps, in the real-valued
        twin and in the network with spikes; `spiking` is None where it is not known.
    """

    gradient: NDArray[np.float64]
    real: NDArray[np.float64]
    spiking: NDArray[np.float64] | None

    def distance(self, found: NDArray[np.float64]) -> float:
        """Return the root mean square error over weights and steps, relative to the longer curve.

        0 where the curves are the same, at most 2.
        """
        size = max(np.linalg.norm(found), np.linalg.norm(self.gradient))
        return float(np.linalg.norm(found - self.gradient) / size) if size else 0.0


def plot(curves: Mapping[str, Curves], title: str, out: Path) -> None:
    """Draw, for every parameter, a few of its weights; see `evsim.analysis.style.save`.

    Raises
    ------
    InputError : matplotlib is missing, or the file's name has another ending.
    RunError : the file cannot be written.
    """
    save(lambda figure: _figure(figure, curves, title), out)


def _figure(figure: Figure, curves: Mapping[str, Curves], title: str) -> None:
    from matplotlib.lines import Line2D

    rows = -(-len(curves) // ACROSS)
    columns = min(ACROSS, len(curves))
    figure.set_size_inches(1 + 2.9 * columns, 0.9 + 2.3 * rows)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True).ravel()
    random = np.random.default_rng(0)
    for panel, (name, found) in zip(panels, curves.items(), strict=False):
        _panel(panel, name, found, random)
    for panel in panels[len(curves) :]:
        panel.set_axis_off()
    for panel in panels[max(0, len(curves) - columns) : len(curves)]:
        panel.set_xlabel("steps")
        panel.tick_params(labelbottom=True)
    kinds = [
        Line2D([], [], color="#333333", linestyle="--", label="gradient through the last steps"),
        Line2D([], [], color="#333333", linewidth=2.2, alpha=0.55, label="EP, values"),
    ]
    if any(found.spiking is not None for found in curves.values()):
        kinds.append(Line2D([], [], color="#333333", linewidth=0.6, label="EP, spikes"))
    figure.legend(handles=kinds, loc="outside lower center", ncols=len(kinds), fontsize=8)
    figure.suptitle(title, x=0.01, ha="left", fontsize=10)


def _panel(panel: Axes, name: str, found: Curves, random: np.random.Generator) -> None:
    """Draw some weights, drawn at random from the half that the gradient moves more."""
    steps = np.arange(1, len(found.gradient) + 1)
    gradient, real = (values.reshape(len(steps), -1) for values in (found.gradient, found.real))
    size = np.abs(gradient[-1])
    candidates = np.flatnonzero((size >= np.median(size)) & (size > 0))
    chosen = random.permutation(candidates)[:SHOWN]
    for weight, colour in zip(chosen, COLOURS, strict=False):
        if found.spiking is not None:
            spiking = found.spiking.reshape(len(steps), -1)[:, weight]
            panel.plot(steps, spiking, color=colour, linewidth=0.6)
        panel.plot(steps, real[:, weight], color=colour, linewidth=2.2, alpha=0.55)
        panel.plot(steps, gradient[:, weight], color=colour, linestyle="--", linewidth=1)
    panel.axhline(0, color="#bbbbbb", linewidth=0.6, zorder=0)
    panel.ticklabel_format(axis="y", style="sci", scilimits=(-2, 2))
    panel.set_title(f"{name}\n{_distances(found)}", fontsize=8)


def _distances(found: Curves) -> str:
    text = f"distance {found.distance(found.real):.2g}"
    return text if found.spiking is None else f"{text}, spikes {found.distance(found.spiking):.2g}"
