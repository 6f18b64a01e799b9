"""What sections have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from evsim.analysis.figures.base import Spans, time_unit
from evsim.analysis.report.blocks import Block, Chart, Column
from evsim.analysis.report.subject import Subject
from evsim.recording.reader import Run

DASHES = {"test": 0, "train": 1, "validation": 2}
COLOURS = {"test": 1, "train": 0, "validation": 2}


def columns(
    subjects: Sequence[Subject], contents: Callable[[Subject], Iterable[Block]]
) -> tuple[Column, ...]:
    """Return a column a run."""
    return tuple(Column(s.label, s.number, tuple(contents(s))) for s in subjects)


def phases(run: Run, spans: Spans) -> list[tuple[str, float, float]]:
    """Return name, begin and end of phases, in the unit of the time axis."""
    _, scale = time_unit(run, spans)
    width = run.layout.dt * scale
    return [(name, begin * width, end * width) for name, (begin, end) in spans.items()]


def numbers(values: Iterable[float], positive: bool = False) -> list[float | None]:
    """Return values as a chart takes them, short; None for those that are no numbers.

    Parameters
    ----------
    positive : leave out what a logarithmic axis cannot show.
    """
    return [
        float(f"{value:.5g}") if np.isfinite(value) and (value > 0 or not positive) else None
        for value in values
    ]


def thinned(values: NDArray[np.float64], most: int) -> tuple[NDArray[np.float64], ...]:
    """Return the means of at most `most` stretches, and where their centres lie, in samples."""
    edges = np.linspace(0, len(values), min(len(values), most) + 1).astype(int)
    means: NDArray[np.float64] = np.add.reduceat(values, edges[:-1]) / np.diff(edges)
    return means, (edges[:-1] + edges[1:]) / 2


def visible(charts: Iterable[Chart]) -> list[Block]:
    """Return the charts that have lines."""
    return [chart for chart in charts if chart.lines]
