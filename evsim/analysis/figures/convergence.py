"""Residuals of trials, and movement, energy and activity over a trial."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evsim.analysis.convergence import (
    ENERGY,
    activity,
    energy,
    movement,
    residuals,
    typical_trials,
)
from evsim.analysis.figures.base import SPLITS, colours, lacking, over_a_trial, strokes, time_unit
from evsim.recording.reader import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BINS = 250
SMALLEST = 1e-9
"""Movement that is shown, as a share of the largest."""


def draw(run: Run, figure: Figure, trial: int | None) -> None:
    """Draw residuals, and over a trial movement, energy and activity, as far as they are there."""
    found, trials, sampled = residuals(run), typical_trials(run), typical_trials(run, sampled=True)
    drawn: list[Callable[[Axes], None]] = []
    if found:
        epoch = int(run.trials["epoch"].max()) + 1
        drawn.append(lambda panel: _residuals(panel, found, epoch))
    kept = (
        [(e.population, v.name) for e in run.layout.states for v in e.variables] if sampled else []
    )
    if any(name != ENERGY for _, name in kept):
        moving = [(population, name) for population, name in kept if name != ENERGY]
        drawn.append(lambda panel: _movement(run, panel, sampled, moving))
    if any(name == ENERGY for _, name in kept):
        drawn.append(lambda panel: _energy(run, panel, sampled))
    if trials:
        drawn.append(lambda panel: _activity(run, panel, trials))
    if not drawn:
        raise lacking(run, "residuals and spikes", "give the protocol a `settle`")
    across = 2 if len(drawn) == 4 else len(drawn)
    down = -(-len(drawn) // across)
    figure.set_size_inches(4.6 * across, 3.4 * down)
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for panel, draw in zip(panels, drawn, strict=True):
        draw(panel)


def _residuals(panel: Axes, found: Mapping[str, NDArray[np.float64]], epoch: int) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator

    every = np.concatenate(list(found.values()))
    positive = every[every > 0]
    low, high = (positive.min(), positive.max()) if len(positive) else (1e-3, 1.0)
    edges = np.geomspace(low * 0.9, high * 1.1, 40).tolist()
    for split, values in found.items():
        inside = np.clip(values, edges[0], edges[-1])
        weights = np.full(len(values), 100 / len(values))
        colour = SPLITS[split]
        panel.hist(inside, edges, weights=weights, histtype="stepfilled", color=colour, alpha=0.15)
        label = f"{split}, median {np.median(values):.2g}"
        panel.hist(inside, edges, weights=weights, histtype="step", color=colour, label=label)
    panel.set_xscale("log")
    panel.xaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    for formatter in (panel.xaxis.set_major_formatter, panel.xaxis.set_minor_formatter):
        formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.set_xlabel("residual")
    panel.set_ylabel("trials (%)")
    panel.set_title(f"residuals, epoch {epoch}")
    panel.legend()


def _movement(run: Run, panel: Axes, trials: list[int], variables: list[tuple[str, str]]) -> None:
    spans = run.spans(trials[0])
    _, scale = time_unit(run, spans)
    for (population, variable), stroke in zip(variables, strokes(), strict=False):
        step, moved = movement(run, population, variable, trials)
        label = f"{population}.{variable}"
        panel.plot(step * run.layout.dt * scale, moved, label=label, **stroke)
    panel.set_yscale("log")
    low, high = panel.get_ylim()
    panel.set_ylim(max(low, high * SMALLEST), high)
    panel.set_ylabel("largest change a step")
    over_a_trial(run, panel, trials, spans, "movement")


def _energy(run: Run, panel: Axes, trials: list[int]) -> None:
    spans = run.spans(trials[0])
    _, scale = time_unit(run, spans)
    step, total = energy(run, trials)
    begins = [begin for begin, _ in spans.values()]
    above = np.where(total > total.min(), total - total.min(), np.nan)
    for part in np.split(np.arange(len(step)), np.searchsorted(step, begins[1:])):
        time = step[part] * run.layout.dt * scale
        panel.plot(time, above[part], color=colours()[0], linewidth=1.2)
    panel.set_yscale("log")
    panel.set_ylabel(f"energy above its least, {total.min():.4g}")
    over_a_trial(run, panel, trials, spans, "energy")


def _activity(run: Run, panel: Axes, trials: list[int]) -> None:
    spans = run.phases(trials[0])
    _, scale = time_unit(run, spans)
    width = run.layout.dt * scale
    for name, stroke in zip(run.layout.spikes, strokes(), strict=False):
        share = 100 * activity(run, name, trials)
        edges = np.linspace(0, len(share), min(len(share), BINS) + 1).astype(int)
        mean = np.add.reduceat(share, edges[:-1]) / np.diff(edges)
        panel.stairs(mean, edges * width, baseline=None, label=name, **stroke)
    panel.set_ylim(bottom=0)
    panel.set_ylabel("neurons that spike in a step (%)")
    over_a_trial(run, panel, trials, spans, "activity")
