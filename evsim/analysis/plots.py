"""Figures of a recording as PNG files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from evsim.analysis.style import COLOURS, save
from evsim.errors import Fault, InputError, nearest
from evsim.recording.reader import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TICKS_UP_TO = 64
ROWS, COLUMNS = 400, 1200
BINS = 250
ACROSS = 4
KERNELS = 64

_SPLITS = {"train": "#0072B2", "validation": "#E69F00", "test": "#D55E00"}
_PHASES = ("#ffffff", "#f2f4f7")


def plot(run: Run, what: str, out: Path, trial: int | None = None) -> None:
    """Draw a figure of a recording as a PNG.

    Parameters
    ----------
    what : "raster", the spikes of one trial; "accuracy", error by epoch; "convergence", residuals,
        and movement, energy and activity over a trial; "weights", kernels and histograms of the
        parameters.
    out : file to write.
    trial : row of `run.trials` for "raster"; by default one of the last epoch.

    Raises
    ------
    InputError : matplotlib is missing, there is no such figure, or the recording lacks its data.
    RunError : the file cannot be written.
    """
    figures: dict[str, Callable[[Figure], None]] = {
        "raster": lambda figure: _raster(run, figure, trial),
        "accuracy": lambda figure: _accuracy(run, figure),
        "convergence": lambda figure: _convergence(run, figure),
        "weights": lambda figure: _weights(run, figure),
    }
    if what not in figures:
        raise InputError(Fault(f"No figure '{what}'", hint=nearest(what, figures)))
    save(figures[what], out)


def _raster(run: Run, figure: Figure, trial: int | None) -> None:
    """Draw one panel a population, phases marked."""
    found = typical_trials(run)
    if not run.layout.spikes or (trial is None and not found):
        raise _lacking(run, "spikes", "ask for `record: {spikes: {}}`")
    row = found[0] if trial is None else trial
    populations = run.layout.spikes
    heights = [max(3.5, np.log2(run.layout.population(name).size)) for name in populations]
    figure.set_size_inches(8, 1.2 + 0.22 * sum(heights))
    panels = figure.subplots(
        len(populations), 1, sharex=True, squeeze=False, height_ratios=heights
    )[:, 0]
    for panel, name, colour in zip(panels, populations, _colours(), strict=False):
        _spikes(run, panel, name, row, colour)
    unit, scale = _time_unit(run, row)
    _mark_phases(panels, run, row, scale)
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
    step, neuron = run.spikes(name, trial)
    _, scale = _time_unit(run, trial)
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


def _accuracy(run: Run, figure: Figure) -> None:
    """Draw the error of each split over the epochs."""
    from matplotlib.ticker import MaxNLocator

    rows = [row for row in run.metrics if row.get("error") is not None]
    if not rows:
        raise _lacking(run, "errors", "give the network a `readout`")
    figure.set_size_inches(6, 3.6)
    panel = figure.subplots()
    for split, colour in _SPLITS.items():
        line = [(row["epoch"] + 1, 100 * row["error"]) for row in rows if row["split"] == split]
        if line:
            epoch, error = zip(*line, strict=True)
            label = f"{split}, last {error[-1]:.2f} %"
            panel.plot(epoch, error, "o-", color=colour, markersize=4, label=label)
    panel.set_ylim(bottom=0)
    panel.set_xlabel("epoch")
    panel.set_ylabel("error (%)")
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.grid(axis="y", color="#e5e5e5", linewidth=0.8)
    panel.set_axisbelow(True)
    panel.legend()


def _convergence(run: Run, figure: Figure) -> None:
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
        raise _lacking(run, "residuals and spikes", "give the protocol a `settle`")
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
        colour = _SPLITS[split]
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
    _, scale = _time_unit(run, trials[0])
    for (population, variable), colour in zip(variables, _colours(), strict=False):
        step, moved = movement(run, population, variable, trials)
        label = f"{population}.{variable}"
        panel.plot(step * run.layout.dt * scale, moved, color=colour, linewidth=1.2, label=label)
    panel.set_yscale("log")
    panel.set_ylabel("largest change a step")
    _over_a_trial(run, panel, trials, "movement")


def _energy(run: Run, panel: Axes, trials: list[int]) -> None:
    _, scale = _time_unit(run, trials[0])
    step, total = energy(run, trials)
    begins = [begin for begin, _ in run.phases(trials[0]).values()]
    above = np.where(total > total.min(), total - total.min(), np.nan)
    for part in np.split(np.arange(len(step)), np.searchsorted(step, begins[1:])):
        time = step[part] * run.layout.dt * scale
        panel.plot(time, above[part], color=_colours()[0], linewidth=1.2)
    panel.set_yscale("log")
    panel.set_ylabel(f"energy above its least, {total.min():.4g}")
    _over_a_trial(run, panel, trials, "energy")


def _activity(run: Run, panel: Axes, trials: list[int]) -> None:
    _, scale = _time_unit(run, trials[0])
    width = run.layout.dt * scale
    for name, colour in zip(run.layout.spikes, _colours(), strict=False):
        share = 100 * activity(run, name, trials)
        edges = np.linspace(0, len(share), min(len(share), BINS) + 1).astype(int)
        mean = np.add.reduceat(share, edges[:-1]) / np.diff(edges)
        panel.stairs(mean, edges * width, baseline=None, color=colour, linewidth=1.2, label=name)
    panel.set_ylim(bottom=0)
    panel.set_ylabel("neurons that spike in a step (%)")
    _over_a_trial(run, panel, trials, "activity")


def _over_a_trial(run: Run, panel: Axes, trials: list[int], what: str) -> None:
    """Label a panel whose horizontal axis is the time of a trial, and mark the phases."""
    unit, scale = _time_unit(run, trials[0])
    phases = run.phases(trials[0])
    panel.set_xlabel(f"time ({unit})")
    noun = "1 trial" if len(trials) == 1 else f"mean of {len(trials)} trials"
    panel.set_title(f"{what}, {noun}", pad=18 if len(phases) > 1 else 4)
    if phases:
        panel.set_xlim(0, max(end for _, end in phases.values()) * run.layout.dt * scale)
    _mark_phases([panel], run, trials[0], scale)
    if panel.get_legend_handles_labels()[0]:
        panel.legend()


def _weights(run: Run, figure: Figure) -> None:
    """Draw the last kernels as images, and a histogram of every parameter over the epochs."""
    names = [parameter.name for parameter in run.layout.parameters]
    if not names or not len(run.weight_epochs):
        raise _lacking(run, "weights", "ask for `record: {weights: {}}`")
    images = {name: _kernels(run, name) for name in names}
    number = len(names) + sum(image is not None for image in images.values())
    across = min(number, ACROSS)
    rows = -(-number // across)
    figure.set_size_inches(2.7 * across, 2.6 * rows)
    panels = iter(figure.subplots(rows, across, squeeze=False).ravel())
    for name, image in images.items():
        if image is not None:
            _mosaic(next(panels), image, name)
    for name in names:
        _histograms(run, next(panels), name)
    for panel in panels:
        panel.set_axis_off()


def _kernels(run: Run, name: str) -> NDArray[np.floating[Any]] | None:
    """Return the last weights as pictures, (picture, row, column); None where they are none."""
    weights = run.weights(name)
    if weights.ndim == 4:
        return weights[:, 0][:KERNELS]
    if weights.ndim == 2:
        for population in run.layout.populations:
            if population.size == len(weights) and population.shape[:-2] in ((), (1,)):
                if len(population.shape) > 1:
                    return weights.T[:KERNELS].reshape(-1, *population.shape[-2:])
    return None


def _mosaic(panel: Axes, pictures: NDArray[np.floating[Any]], name: str) -> None:
    number, height, width = pictures.shape
    columns = int(np.ceil(np.sqrt(number)))
    rows = int(np.ceil(number / columns))
    canvas = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1), np.nan)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        top, left = row * (height + 1), column * (width + 1)
        canvas[top : top + height, left : left + width] = picture
    limit = float(np.quantile(np.abs(pictures), 0.99)) or 1.0
    panel.imshow(canvas, cmap="RdBu_r", vmin=-limit, vmax=limit)
    panel.set_axis_off()
    panel.set_title(f"{name}, blue {-limit:.2g} to red {limit:.2g}")


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


def _mark_phases(panels: Any, run: Run, trial: int, scale: float) -> None:
    """Shade the phases of a trial; name them above the first panel."""
    width = run.layout.dt * scale
    for number, (name, (begin, end)) in enumerate(run.phases(trial).items()):
        for panel in panels:
            panel.axvspan(begin * width, end * width, color=_PHASES[number % 2], zorder=0, lw=0)
            if number:
                panel.axvline(begin * width, color="#999999", linewidth=0.8, zorder=3)
        if len(run.phases(trial)) == 1:
            return
        panels[0].annotate(
            name,
            ((begin + end) / 2 * width, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 4),
            textcoords="offset points",
            ha="center",
            color="#555555",
        )


def _time_unit(run: Run, trial: int) -> tuple[str, float]:
    """Return the unit of a trial's time axis and how many of it make a second."""
    phases = run.phases(trial).values()
    steps = max((end for _, end in phases), default=sum(p.steps for p in run.layout.phases))
    return ("s", 1.0) if steps * run.layout.dt > 2 else ("ms", 1e3)


def _colours() -> list[str]:
    return list(COLOURS) * 100


def _lacking(run: Run, noun: str, instead: str) -> InputError:
    hint = f"{instead} in the network file and run it again"
    return InputError(Fault(f"'{run.path}' holds no {noun} to draw", hint=hint))
