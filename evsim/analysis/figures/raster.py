"""The spikes of one trial, a panel for each population."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evsim.analysis.convergence import typical_trials
from evsim.analysis.figures.base import colours, lacking, mark_phases, time_unit
from evsim.recording.reader import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OF_ONE_TRIAL = True
TICKS_UP_TO = 64
ROWS, COLUMNS = 400, 1200


def draw(run: Run, figure: Figure, trial: int | None) -> None:
    """Draw one panel a population, phases marked."""
    found = typical_trials(run)
    if not run.layout.spikes or (trial is None and not found):
        raise lacking(run, "spikes", "ask for `record: {spikes: {}}`")
    row = found[0] if trial is None else trial
    populations = run.layout.spikes
    heights = [max(3.5, np.log2(run.layout.population(name).size)) for name in populations]
    figure.set_size_inches(8, 1.2 + 0.22 * sum(heights))
    panels = figure.subplots(
        len(populations), 1, sharex=True, squeeze=False, height_ratios=heights
    )[:, 0]
    for panel, name, colour in zip(panels, populations, colours(), strict=False):
        _spikes(run, panel, name, row, colour)
    spans = run.phases(row)
    unit, scale = time_unit(run, spans)
    mark_phases(panels, run, spans, scale)
    panels[-1].set_xlabel(f"time ({unit})")
    one = run.trials[row]
    title = f"epoch {one['epoch'] + 1}, {one['split']} sample {one['sample']}"
    if one["label"] >= 0:
        title += f", label {one['label']}"
    if one["predicted"] >= 0:
        title += f", predicted {one['predicted']}"
    figure.suptitle(title, x=0.01, ha="left", fontsize=10)


def _spikes(run: Run, panel: Axes, name: str, trial: int, colour: str) -> None:
    """Draw ticks for a few neurons; for many, the share of neurons and steps that spike."""
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.ticker import MaxNLocator

    size = run.layout.population(name).size
    steps = len(run.counts(name, trial))
    trains = run.spikes(name, trial)
    step, neuron = trains.step, trains.neuron
    _, scale = time_unit(run, run.phases(trial))
    width = run.layout.dt * scale
    if size <= TICKS_UP_TO:
        panel.vlines(step * width, neuron - 0.4, neuron + 0.4, colors=colour, linewidth=0.8)
    else:
        rows, columns = min(size, ROWS), min(steps, COLUMNS)
        density, *_ = np.histogram2d(
            neuron, step, bins=(rows, columns), range=((0, size), (0, steps))
        )
        top = float(np.quantile(density[density > 0], 0.9)) if density.any() else 1.0
        panel.imshow(
            density,
            cmap=LinearSegmentedColormap.from_list("spikes", [(1, 1, 1, 0), colour]),
            vmax=top,
            aspect="auto",
            extent=(0, steps * width, size - 0.5, -0.5),
            zorder=2,
        )
    panel.set_ylim(size - 0.5, -0.5)
    panel.set_xlim(0, steps * width)
    shape = " x ".join(map(str, run.layout.population(name).shape))
    panel.set_ylabel("neuron")
    panel.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    named = name == run.layout.spikes[0] and len(run.phases(trial)) > 1
    panel.set_title(f"{name}  ({shape}), {len(neuron):,} spikes", pad=18 if named else 4)
