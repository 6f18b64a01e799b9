"""What figures have in common: colours, phases, the axis of time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evsim.analysis.style import COLOURS
from evsim.errors import Fault, InputError
from evsim.recording.reader import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SPLITS = {"train": "#0072B2", "validation": "#E69F00", "test": "#D55E00"}

_PHASES = ("#ffffff", "#f2f4f7")


Spans = Mapping[str, tuple[int, int]]
"""Phase -> first step and end: `Run.phases` of a trial's spikes, `Run.spans` of its states."""


def mark_phases(panels: Any, run: Run, spans: Spans, scale: float) -> None:
    """Shade phases; name them above the first panel."""
    width = run.layout.dt * scale
    for number, (name, (begin, end)) in enumerate(spans.items()):
        for panel in panels:
            panel.axvspan(begin * width, end * width, color=_PHASES[number % 2], zorder=0, lw=0)
            if number:
                panel.axvline(begin * width, color="#999999", linewidth=0.8, zorder=3)
        if len(spans) == 1:
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


def over_a_trial(run: Run, panel: Axes, trials: list[int], spans: Spans, what: str) -> None:
    """Label a panel whose horizontal axis is the time of a trial, and mark the phases."""
    unit, scale = time_unit(run, spans)
    panel.set_xlabel(f"time ({unit})")
    noun = "1 trial" if len(trials) == 1 else f"mean of {len(trials)} trials"
    panel.set_title(f"{what}, {noun}", pad=18 if len(spans) > 1 else 4)
    if spans:
        panel.set_xlim(0, max(end for _, end in spans.values()) * run.layout.dt * scale)
    mark_phases([panel], run, spans, scale)
    if lines := len(panel.get_legend_handles_labels()[0]):
        many = lines > len(COLOURS)
        panel.legend(ncols=2 if many else 1, fontsize=6 if many else None, handlelength=3)


def time_unit(run: Run, spans: Spans) -> tuple[str, float]:
    """Return the unit of a trial's time axis and how many of it make a second."""
    steps = max((end for _, end in spans.values()), default=0)
    return ("s", 1.0) if steps * run.layout.dt > 2 else ("ms", 1e3)


def mosaic(panel: Axes, pictures: NDArray[np.floating[Any]], limit: float) -> None:
    """Draw pictures side by side, (picture, row, column), from blue at -limit to red at limit."""
    number, height, width = pictures.shape
    columns = int(np.ceil(np.sqrt(number)))
    rows = int(np.ceil(number / columns))
    canvas = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1), np.nan)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        top, left = row * (height + 1), column * (width + 1)
        canvas[top : top + height, left : left + width] = picture
    panel.imshow(canvas, cmap="RdBu_r", vmin=-limit, vmax=limit)
    panel.set_axis_off()


def colours() -> list[str]:
    """Return more colours than there are lines in a figure."""
    return list(COLOURS) * 100


def strokes() -> Iterator[dict[str, Any]]:
    """Yield colours and dashes that tell the lines of a panel apart, without end."""
    for dashes, colour in itertools.cycle(itertools.product(("-", "--", ":", "-."), COLOURS)):
        yield {"color": colour, "linestyle": dashes, "linewidth": 1.2}


def lacking(run: Run, noun: str, instead: str) -> InputError:
    """Return the error of a recording without `noun`; `instead` is what to do."""
    hint = f"{instead} in the network file and run it again"
    return InputError(Fault(f"'{run.path}' holds no {noun} to draw", hint=hint))
