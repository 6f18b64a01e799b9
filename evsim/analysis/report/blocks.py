"""What sections are made of: texts, tables, charts, pictures, before any of it is drawn.

The template draws each class by the macro of its name in `page/blocks.html`; charts and pictures
reach the page's script as the JSON of their fields.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Value = str | int | float | None
"""A cell of a table; None and NaN are shown as a dash."""


@dataclass(frozen=True)
class Note:
    """A sentence, such as what a run lacks."""

    text: str


@dataclass(frozen=True)
class Facts:
    """Names and what stands for them; `title` may be empty."""

    title: str
    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Grid:
    """A table.

    Attributes
    ----------
    title : names the table to those who cannot see where it stands.
    rows : the first cell of each is its header.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Value]]


@dataclass(frozen=True)
class Folded:
    """Blocks that are shown when asked for."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Text:
    """Text as it was written, line by line."""

    text: str


@dataclass(frozen=True)
class Axis:
    """An axis; `zero` lets it begin at 0, `whole` keeps its ticks at whole numbers."""

    label: str
    log: bool = False
    zero: bool = False
    whole: bool = False


@dataclass(frozen=True)
class Line:
    """A line of a chart.

    Attributes
    ----------
    y : None leaves a gap; one value less than `x` makes steps between the edges `x`.
    colour : number of one of the page's colours.
    dash : 0 for a whole line, then kinds of broken ones.
    dots : mark each value.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float | None]
    colour: int
    dash: int = 0
    dots: bool = False


@dataclass(frozen=True)
class Chart:
    """Lines over a common axis; `phases` are name, begin and end on it."""

    title: str
    about: str
    x: Axis
    y: Axis
    lines: Sequence[Line]
    phases: Sequence[tuple[str, float, float]] = ()


@dataclass(frozen=True)
class Packed:
    """Numbers as base64, little endian; `type` is NumPy's name."""

    type: str
    data: str

    @classmethod
    def of(cls, values: NDArray[np.integer[Any]]) -> Packed:
        """Pack whole numbers into the smallest type; negative ones into int8."""
        least = int(values.min(initial=0))
        kind = np.dtype(np.int8) if least < 0 else np.min_scalar_type(int(values.max(initial=0)))
        data = np.ascontiguousarray(values, kind.newbyteorder("<")).tobytes()
        return cls(kind.name, base64.b64encode(data).decode("ascii"))


@dataclass(frozen=True)
class Spikes:
    """Spikes of a population in a trial, by step; `total` counts those left out, too."""

    population: str
    shape: tuple[int, ...]
    total: int
    shown: int
    step: Packed
    neuron: Packed


@dataclass(frozen=True)
class RasterTrial:
    """A trial of a raster; `phases` are name, first step and end."""

    title: str
    steps: int
    phases: Sequence[tuple[str, int, int]]
    populations: Sequence[Spikes]


@dataclass(frozen=True)
class Raster:
    """Spikes of some trials; a step takes `step` of `unit`."""

    title: str
    about: str
    unit: str
    step: float
    trials: Sequence[RasterTrial]


@dataclass(frozen=True)
class Pictures:
    """Small pictures side by side.

    Attributes
    ----------
    alt : what they show, for those who cannot see them.
    shape : pictures, height, width, and 3 where they have colours.
    values : 0 to 255; from -127 to 127 where `signed`.
    """

    title: str
    about: str
    alt: str
    shape: tuple[int, ...]
    values: Packed
    signed: bool


@dataclass(frozen=True)
class Gallery:
    """Pictures that belong together."""

    title: str
    pictures: Sequence[Pictures]


@dataclass(frozen=True)
class Matrix:
    """Trials by label (row) and prediction (column), in per cent of the row."""

    title: str
    share: Sequence[Sequence[float]]


Block = Note | Facts | Grid | Folded | Text | Chart | Raster | Pictures | Gallery | Matrix


@dataclass(frozen=True)
class Column:
    """What a section shows of one run; `number` is the run's place on the page."""

    label: str
    number: int
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Section:
    """A section: what it is about, blocks of all runs together, and a column a run."""

    title: str
    about: str
    blocks: Sequence[Block] = ()
    columns: Sequence[Column] = ()
