"""What the kernels of projections have in common: tiles, slices of event lists, tables."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evsim.engines.fused.layout import Events, Grid
from evsim.engines.fused.source import Lines
from evsim.engines.fused.vector import row_lanes, row_stride
from evsim.projections.base import Geometry


@dataclass(frozen=True)
class Tiles:
    """A vector of `total` values of `itemsize` bytes cut into tiles of `lanes` and a rest."""

    total: int
    itemsize: int

    @property
    def lanes(self) -> int:
        """Values of a full tile."""
        return row_lanes(self.itemsize)

    @property
    def size(self) -> int:
        """Elements that a row takes in the tables, over all tiles."""
        return sum(count * row_stride(width, self.itemsize) for _, count, width in self.groups)

    @property
    def groups(self) -> list[tuple[int, int, int]]:
        """Tiles of equal width as (first value, number of tiles, width)."""
        full, rest = divmod(self.total, self.lanes)
        found = [(0, full, self.lanes)] if full else []
        return [*found, (full * self.lanes, 1, rest)] if rest else found

    def pack(self, table: NDArray[Any]) -> NDArray[Any]:
        """Return (..., total) rows as one flat table after the other, one a tile."""
        rows = table.reshape(-1, self.total)
        parts = []
        for first, count, width in self.groups:
            block = rows[:, first : first + count * width].reshape(len(rows), count, width)
            spare = row_stride(width, self.itemsize) - width
            block = np.pad(block, ((0, 0), (0, 0), (0, spare)))
            parts.append(np.ascontiguousarray(block.transpose(1, 0, 2)).ravel())
        return np.concatenate(parts)


class Slices(NamedTuple):
    """Slices of an event list, as source text: first start, starts in each, their step, number.

    `number` is "" where there is one slice always, which may be empty.
    """

    first: str
    span: str
    step: str = "0"
    number: str = ""


@dataclass(frozen=True)
class Send:
    """One direction of one projection: from an event list into a variable.

    Attributes
    ----------
    target : offset of the variable in the buffer of floats.
    table : offset of the packed weights in the buffer of weights.
    values : offset of the sent variable where values are sent, None for spikes.
    itemsize : bytes of a value.
    links : offset of the direction's lists in the buffer of links.
    delay : steps after which spikes arrive, where they are the same for all synapses.
    pool : offsets of sums that compete in the buffer of floats and of their winners in that of
        integers, where there are any.
    """

    events: Events
    target: int
    table: int
    values: int | None
    itemsize: int
    links: int = 0
    delay: int = 0
    pool: tuple[int, int] = (0, 0)

    @property
    def first(self) -> str:
        """Source of the place of the first start of the senders' list."""
        return self.events.start(self.delay)

    def gather(self, at: str, table: str, row: str, step: str, slices: Slices, width: int) -> str:
        """Return the call that adds rows to the tile at `at`.

        `row` is what the first slice's events are shifted by in the table, `step` how much more
        every further one's.
        """
        head, size = f"f, {at}, w, {table}, {row}", f"{width}, {row_stride(width, self.itemsize)}"
        if self.values is None and not slices.number:
            ends = f"starts[{slices.first}], starts[{slices.first} + {slices.span}]"
            return f"gather_slice({head}, events, {ends}, {size})"
        number = slices.number or "1"
        lists = f"events, starts, {slices.first}, {slices.span}, {slices.step}, {number}, queue"
        if self.values is None:
            return f"gather_rows({head}, {step}, {lists}, {size})"
        return f"gather_scaled({head}, {step}, {lists}, f, {self.values}, SENDERS, {size})"


class Kernel(ABC):
    """Both directions of one projection kind.

    Attributes
    ----------
    links : for each direction, whole numbers that the code looks up; none where it needs none.
    """

    def __init__(self, geometry: Geometry, itemsize: int):
        self.itemsize = itemsize
        self.source = Grid.of(geometry.source_shape)
        self.target = Grid.of(geometry.target_shape)
        self.orders: list[NDArray[np.int32]] = []
        self.links: list[NDArray[np.int32]] = []

    @property
    @abstractmethod
    def forward_size(self) -> int:
        """Elements of the table for the projection's own direction."""

    @property
    @abstractmethod
    def backward_size(self) -> int:
        """Elements of the table for its adjoint."""

    @abstractmethod
    def rows(self, weights: NDArray[Any]) -> NDArray[Any]:
        """Return the weights that tables are filled from, in whatever shape `arrange` takes."""

    @abstractmethod
    def arrange(self, rows: NDArray[Any], backward: bool) -> NDArray[Any]:
        """Return the flat table of one direction, 0 where it has no weight."""

    def order(self, backward: bool, shape: tuple[int, ...]) -> NDArray[np.int32]:
        """Return, for each element of a table, 1 + its place in the flattened rows, 0 for none."""
        numbers = np.arange(1, int(np.prod(shape)) + 1, dtype=np.int32).reshape(shape)
        return self.arrange(numbers, backward)

    def pack(self, weights: NDArray[Any], tables: list[NDArray[Any]]) -> None:
        """Fill the tables, forward and, where there is one, backward."""
        rows = self.rows(weights)
        if not self.orders:
            self.orders = [self.order(at == 1, rows.shape) for at in range(len(tables))]
        # Adding -0.0 leaves every number as it is, 0.0 would turn -0.0 into 0.0.
        flat = np.concatenate([np.full(1, -0.0, rows.dtype), rows.ravel()])
        for order, table in zip(self.orders, tables, strict=True):
            np.take(flat, order, out=table)

    @abstractmethod
    def forward(self, out: Lines, send: Send) -> None:
        """Write the code of the projection's own direction."""

    @abstractmethod
    def backward(self, out: Lines, send: Send) -> None:
        """Write the code of the adjoint."""
