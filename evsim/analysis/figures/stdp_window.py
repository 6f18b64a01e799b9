"""How a weight changes with a pair of spikes, by their lag, and exponentials through it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evsim.analysis.figures.base import colours, lacking
from evsim.analysis.network import network_of
from evsim.analysis.stdp import Window, exponential, windows
from evsim.recording.reader import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACROSS = 3


def draw(run: Run, figure: Figure, trial: int | None) -> None:
    """Draw a panel a projection that learns at spikes."""
    found = windows(run)
    if not found:
        raise lacking(run, "weights that change at spikes", _instead(run))
    across = min(len(found), ACROSS)
    down = -(-len(found) // across)
    figure.set_size_inches(5 * across, 3.6 * down)
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for panel, (name, one) in zip(panels, found.items(), strict=False):
        _window(panel, name, one)
    for panel in panels[len(found) :]:
        panel.set_axis_off()


def _instead(run: Run) -> str:
    """Return what to write so that weights change at spikes."""
    network = network_of(run)
    rules = dict.fromkeys(p.learn for p in network.projections if p.learn) if network else {}
    if not rules:
        return "give a projection `learn`"
    named = " or ".join(f"'{name}'" for name in rules)
    return f"write code at spikes (`on_pre`, `on_post`) that changes `w` for plasticity {named}"


def _window(panel: Axes, name: str, found: Window) -> None:
    panel.axhline(0, color="#999999", linewidth=0.8)
    panel.axvline(0, color="#999999", linewidth=0.8)
    panel.errorbar(
        1e3 * found.lag,
        found.change,
        found.error,
        fmt="o",
        markersize=3.5,
        elinewidth=0.8,
        color="#333333",
    )
    for side, colour in zip((True, False), colours(), strict=False):
        height, tau = exponential(found, side)
        if np.isfinite(tau):
            lag = np.linspace(0, np.abs(found.lag).max(), 200)
            label = f"{height:.3g} exp({'-' if side else ''}lag/{1e3 * tau:.3g} ms)"
            line = (1e3 * lag if side else -1e3 * lag, height * np.exp(-lag / tau))
            panel.plot(*line, color=colour, linewidth=1.2, label=label)
    panel.set_xlabel("lag, target after source (ms)")
    panel.set_ylabel("change of the weight by a pair")
    pairs = "nearest pairs" if found.nearest else "pairs"
    explained = f"explain {100 * found.explained:.1f} % of the changes"
    panel.set_title(f"{name}, {found.pairs.sum():,} {pairs} {explained}")
    panel.ticklabel_format(axis="y", scilimits=(-2, 3))
    rises = np.nansum(found.change[found.lag > 0]) >= 0
    panel.legend(loc="lower right" if rises else "upper right", fontsize=8, handlelength=1.2)
