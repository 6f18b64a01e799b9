"""Projections: events gather rows of weights into tiles of the target.

Senders of a step are listed in memory order, so that the senders which reach one target place form
a few contiguous slices of the list. A tile (the channels of a place, or of a stride's places)
stays in registers while the weight rows of those slices are added to it. Tables hold the weights
in the order in which rows are met.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.engines.fused.kernel import Kernel, Send, Slices, Tiles
from evsim.engines.fused.layout import Events, Grid
from evsim.engines.fused.listing import Listing
from evsim.engines.fused.source import Lines
from evsim.engines.fused.vector import row_stride
from evsim.projections.base import Geometry
from evsim.projections.conv import Conv
from evsim.projections.dense import Dense

CACHE = 32 << 10
"""Bytes of a core's first cache."""


class DenseKernel(Kernel):
    """All events form one slice; the target's tiles follow each other."""

    def __init__(self, geometry: Dense, itemsize: int):
        super().__init__(geometry, itemsize)
        self.onward = Tiles(self.target.size, itemsize)
        self.back = Tiles(self.source.size, itemsize)

    @property
    def forward_size(self) -> int:
        return self.source.size * self.onward.size

    @property
    def backward_size(self) -> int:
        return self.target.size * self.back.size

    def rows(self, weights: NDArray[Any]) -> NDArray[Any]:
        return weights

    def arrange(self, rows: NDArray[Any], backward: bool) -> NDArray[Any]:
        ordered = rows[self.source.to_memory][:, self.target.to_memory]
        return self.back.pack(ordered.T) if backward else self.onward.pack(ordered)

    def forward(self, out: Lines, send: Send) -> None:
        self._send(out, send, self.onward, self.source)

    def backward(self, out: Lines, send: Send) -> None:
        self._send(out, send, self.back, self.target)

    @staticmethod
    def _send(out: Lines, send: Send, tiles: Tiles, sender: Grid) -> None:
        slices = Slices(send.first, str(sender.places))
        for first, count, width in tiles.groups:
            stride = row_stride(width, tiles.itemsize)
            at = f"{send.target + first} + q * {width}"
            table = f"{send.table + first * sender.size} + q * {sender.size * stride}"
            out.add(f"for q in range({count}):")
            out.add("    " + send.gather(at, table, "0", "0", slices, width))


class ConvKernel(Kernel):
    """Rows of the receptive field are slices; pooling is folded into the kernel.

    Forwards a tile is the channels of one target place. Backwards a tile is the channels of one
    stride of source places: they receive from the same target places. A table that does not fit
    into a core's first cache is gone through by one row of the kernel after the other.
    """

    def __init__(self, geometry: Conv, itemsize: int):
        super().__init__(geometry, itemsize)
        self.geometry = geometry
        self.kernel, self.stride = geometry.folded_kernel, geometry.folded_stride
        self.padding = geometry.padding
        self.reach = -(-self.kernel[1] // self.stride[1])
        self.onward = Tiles(self.target.channels, itemsize)
        self.back = Tiles(self.stride[1] * self.source.channels, itemsize)

    @property
    def forward_size(self) -> int:
        return self.kernel[0] * self.kernel[1] * self.source.channels * self.onward.size

    @property
    def backward_size(self) -> int:
        return self.kernel[0] * self.reach * self.target.channels * self.back.size

    def rows(self, weights: NDArray[Any]) -> NDArray[Any]:
        return self.geometry.fold(weights).transpose(2, 3, 1, 0)

    def arrange(self, rows: NDArray[Any], backward: bool) -> NDArray[Any]:
        if not backward:
            return self.onward.pack(rows)
        folded = rows.transpose(3, 2, 0, 1)
        height, width, reach, step = *self.kernel, self.reach, self.stride[1]
        padded = np.zeros((*folded.shape[:3], reach * step), folded.dtype)
        padded[..., :width] = folded
        split = padded.reshape(*folded.shape[:2], height, reach, step)[:, :, :, ::-1]
        return self.back.pack(split.transpose(2, 3, 0, 4, 1))

    def forward(self, out: Lines, send: Send) -> None:
        (kh, kw), (sh, sw), (ph, pw) = self.kernel, self.stride, self.padding
        source, target, c = self.source, self.target, self.source.channels
        for first, count, width in self.onward.groups:
            rows = kh * kw * c
            stride = row_stride(width, self.itemsize)
            apart = rows * stride * self.itemsize > CACHE
            out.add(f"for q in range({count}):")
            if apart:
                self._row_by_row(out, f"range({kh})", "oy")
            else:
                out.add(
                    f"    for oy in range({target.rows}):",
                    f"            y = max(0, oy * {sh} - {ph})",
                    f"            number = min({source.rows}, oy * {sh} - {ph} + {kh}) - y",
                )
            call = send.gather(
                f"{send.target + first} + (oy * {target.columns} + ox) * {target.channels}"
                f" + q * {width}",
                f"{send.table + first * rows} + q * {rows * stride}",
                "row",
                str((kw - source.columns) * c),
                Slices(
                    f"{send.first} + y * {source.columns} + left",
                    "right - left",
                    str(source.columns),
                    "" if apart else "number",
                ),
                width,
            )
            out.add(
                f"            for ox in range({target.columns}):",
                f"                x = ox * {sw} - {pw}",
                f"                left, right = max(0, x), min({source.columns}, x + {kw})",
                f"                row = (y - oy * {sh} + {ph}) * {kw * c}"
                f" - (y * {source.columns} + x) * {c}",
                "                " + call,
            )

    def backward(self, out: Lines, send: Send) -> None:
        kh, (sh, sw), (ph, pw) = self.kernel[0], self.stride, self.padding
        source, target, reach = self.source, self.target, self.reach
        features, channels = target.channels, source.channels
        first_group, last_group = pw // sw, (source.columns - 1 + pw) // sw
        for first, count, width in self.back.groups:
            rows = kh * reach * features
            stride = row_stride(width, self.itemsize)
            apart = rows * stride * self.itemsize > CACHE
            out.add(f"for q in range({count}):")
            if apart:
                # The target rows of one source row are met from the top: ky falls.
                self._row_by_row(out, f"range({kh - 1}, -1, -1)", "top")
            else:
                out.add(
                    f"    for y in range({source.rows}):",
                    f"            top = max(0, -((-(y + {ph} - {kh - 1})) // {sh}))",
                    f"            number = min({target.rows - 1}, (y + {ph}) // {sh}) + 1 - top",
                    f"            ky = y + {ph} - top * {sh}",
                )
            out.add(
                f"            for group in range({first_group}, {last_group + 1}):",
                f"                right = min({target.columns}, group + 1)",
                f"                left = min(max(0, group - {reach - 1}), right)",
                f"                row = ky * {reach * features}"
                f" - (top * {target.columns} + group - {reach - 1}) * {features}",
                f"                x = group * {sw} - {pw}",
                f"                at = (y * {source.columns} + x) * {channels}"
                f" + {first} + q * {width}",
            )
            out.indent += 4
            table = f"{send.table + first * rows} + q * {rows * stride}"
            step = str(-(sh * reach + target.columns) * features)
            slices = Slices(
                f"{send.first} + top * {target.columns} + left",
                "right - left",
                str(target.columns),
                "" if apart else "number",
            )
            direct = send.gather(f"{send.target} + at", table, "row", step, slices, width)
            if self._covers(first_group, last_group):
                out.add(direct)
            else:
                self._at_edges(out, send.target, width, direct)
            out.indent -= 4

    def _row_by_row(self, out: Lines, rows: str, name: str) -> None:
        """Write loops over rows of the kernel and the target rows at which they meet the source."""
        step, pad = self.stride[0], self.padding[0]
        out.add(
            f"    for ky in {rows}:",
            f"        low = max(0, -((ky - {pad}) // {step}))",
            f"        high = min({self.target.rows},"
            f" ({self.source.rows + pad - 1} - ky) // {step} + 1)",
            f"        for {name} in range(low, high):",
            f"            y = {name} * {step} - {pad} + ky",
        )

    def _at_edges(self, out: Lines, place: int, width: int, direct: str) -> None:
        """Write the call for tiles that may reach over the ends of a source row."""
        size = self.source.columns * self.source.channels
        low, high = f"y * {size}", f"(y + 1) * {size}"
        spare = direct.replace(f"(f, {place} + at,", "(tile, 0,", 1)
        out.add(
            f"if at >= {low} and at + {width} <= {high}:",
            f"    {direct}",
            "else:",
            f"    for j in range({width}):",
            f"        tile[j] = f[{place} + at + j] if {low} <= at + j < {high} else ZERO_F",
            f"    {spare}",
            f"    for j in range({width}):",
            f"        if {low} <= at + j < {high}:",
            f"            f[{place} + at + j] = tile[j]",
        )

    def _covers(self, first_group: int, last_group: int) -> bool:
        """Whether every stride of source places lies inside the source."""
        step, pad = self.stride[1], self.padding[1]
        begins = first_group * step - pad == 0
        return begins and (last_group + 1) * step - pad == self.source.columns


class ListKernel(Kernel):
    """Synapses of any kind, listed for each sender: an event runs through its own.

    Parameters
    ----------
    delays : steps from a spike to its effect, forward and backward, () or (synapse,).
    """

    def __init__(self, geometry: Geometry, itemsize: int, delays: Sequence[NDArray[np.int64]]):
        super().__init__(geometry, itemsize)
        pre, post, self.weight, self.coefficient = geometry.synapses()
        pre, post = self.source.to_declared[pre], self.target.to_declared[post]
        ends = [(pre, self._receivers(post), self.source.size), (post, pre, self.target.size)]
        self.listings = [Listing(*end, delay) for end, delay in zip(ends, delays, strict=False)]
        self.links = [listing.links(numbered=False) for listing in self.listings]

    def _receivers(self, post: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return where synapses to target neurons add what they send."""
        return post

    @property
    def forward_size(self) -> int:
        return len(self.weight)

    @property
    def backward_size(self) -> int:
        return len(self.weight)

    def rows(self, weights: NDArray[Any]) -> NDArray[Any]:
        scaled = weights.ravel()[self.weight] * self.coefficient
        return np.asarray(scaled.astype(weights.dtype))

    def arrange(self, rows: NDArray[Any], backward: bool) -> NDArray[Any]:
        return rows[self.listings[backward].order]

    def forward(self, out: Lines, send: Send) -> None:
        self._send(out, send, self.listings[0], self.source)

    def backward(self, out: Lines, send: Send) -> None:
        self._send(out, send, self.listings[1], self.target)

    @staticmethod
    def _send(out: Lines, send: Send, listing: Listing, sender: Grid) -> None:
        factor = "" if send.values is None else f" * f[{send.values} + i]"
        indent = out.indent
        with listing.loop(out, send.events, sender, send.links) as (receiver, _):
            out.add(f"f[{send.target} + {receiver}] += w[{send.table} + q]{factor}")
        out.indent = indent


class MaxKernel(ListKernel):
    """Synapses feed the sums of their windows; the largest goes on, and its synapses answer."""

    def __init__(self, geometry: Geometry, itemsize: int, delays: Sequence[NDArray[np.int64]]):
        assert geometry.windows is not None
        self.window, self.places = geometry.windows
        super().__init__(geometry, itemsize, delays)
        if len(delays) == 2:
            self.place = len(self.links[1])
            ordered = self.places[self.listings[1].order].astype(np.int32)
            self.links[1] = np.concatenate([self.links[1], ordered])

    def _receivers(self, post: NDArray[np.int64]) -> NDArray[np.int64]:
        return post * self.window + self.places

    def forward(self, out: Lines, send: Send) -> None:
        (sums, winners), size, window = send.pool, self.target.size, self.window
        out.add(f"for i in range({size * window}):", f"    f[{sums} + i] = ZERO_F")
        self._send(out, dataclasses.replace(send, target=sums), self.listings[0], self.source)
        out.add(
            f"for i in range({size}):",
            f"    at = {sums} + i * {window}",
            f"    for c in range({sums} + i * {window}, {sums} + (i + 1) * {window}):",
            "        at = c if f[c] > f[at] else at",
            f"    f[{send.target} + i] += f[at]",
            f"    n[{winners} + i] = at - {sums} - i * {window}",
        )

    def backward(self, out: Lines, send: Send) -> None:
        indent = out.indent
        value = "" if send.values is None else f" * f[{send.values} + i]"
        with self.listings[1].loop(out, send.events, self.target, send.links) as (receiver, _):
            out.add(
                f"if n[{send.pool[1]} + i] == links[{send.links + self.place} + q]:",
                f"    f[{send.target} + {receiver}] += w[{send.table} + q]{value}",
            )
        out.indent = indent


KERNELS: dict[type[Geometry], type[Any]] = {Dense: DenseKernel, Conv: ConvKernel}


def make_kernel(geometry: Geometry, itemsize: int, delays: Sequence[NDArray[np.int64]]) -> Kernel:
    """Return the kernel of a projection: that of its kind, or a list where delays differ.

    Parameters
    ----------
    delays : of each direction that there is, () or (synapse,) steps.
    """
    if geometry.windows is not None:
        return MaxKernel(geometry, itemsize, delays)
    kind = KERNELS.get(type(geometry))
    if kind is None or any(delay.ndim for delay in delays):
        return ListKernel(geometry, itemsize, delays)
    kernel: Kernel = kind(geometry, itemsize)
    return kernel


def list_values(out: Lines, grid: Grid, events: Events, variable: int) -> None:
    """Write the code that lists the neurons whose value is not 0."""
    out.add(
        f"e = {events.begin()}",
        f"for p in range({grid.places}):",
        f"    starts[{events.start()} + p] = e",
        f"    for c in range({grid.channels}):",
        f"        i = p * {grid.channels} + c",
        "        events[e] = i",
        f"        e += I(f[{variable} + i] != ZERO_F)",
        f"starts[{events.start()} + {grid.places}] = e",
    )
