"""Correlations: gradients of weights as sums of products of a source and a target term.

Code reads the terms from `left` (source) and `right` (target), neurons in memory order, and adds
to the flat gradient `g`.
"""

from __future__ import annotations

from collections.abc import Callable

from evsim.engines.fused.layout import Grid
from evsim.engines.fused.projections import CACHE
from evsim.engines.fused.source import Lines
from evsim.engines.fused.vector import row_lanes
from evsim.projections.base import Geometry
from evsim.projections.conv import Conv


def correlate(
    out: Lines, geometry: Geometry, ends: tuple[Grid, Grid], offset: int, itemsize: int
) -> None:
    """Write the correlation of a convolution, else of all sources with all targets.

    Parameters
    ----------
    ends : source and target.
    offset : of the gradient in `g`: (source, target), or (kernel row, kernel column, source
        channel, target channel) of the kernel with pooling folded in.
    """
    if isinstance(geometry, Conv):
        _correlate_conv(out, geometry, *ends, offset, itemsize)
    else:
        _correlate_dense(out, *ends, offset, itemsize)


def _correlate_dense(out: Lines, source: Grid, target: Grid, offset: int, itemsize: int) -> None:
    out.add(f"for i in range({source.size}):", "    v = left[i]", "    if v != ZERO_F:")
    out.indent += 2
    row = f"g, {offset} + i * {target.size}"
    _add_row(
        out,
        target.size,
        itemsize,
        lambda at, width: f"add_scaled({row} + {at}, right, {at}, v, {width})",
    )
    out.indent -= 2


def _correlate_conv(
    out: Lines, geometry: Conv, source: Grid, target: Grid, offset: int, itemsize: int
) -> None:
    """Write the loops over rows of the kernel's gradient, places of the target inside them.

    A row stays in registers meanwhile, what it adds up in the first cache: rows of the target are
    taken a few at a time.
    """
    (kh, kw), (sh, sw) = geometry.folded_kernel, geometry.folded_stride
    ph, pw = geometry.padding
    c, features = source.channels, target.channels
    rows = max(1, CACHE // 2 // (target.columns * features * itemsize))
    below, above = f"ky - {ph}", f"{source.rows - 1 + ph} - ky"
    before, behind = f"kx - {pw}", f"{source.columns - 1 + pw} - kx"
    out.add(
        f"for begin in range(0, {target.rows}, {rows}):",
        f"    for ky in range({kh}):",
        f"        top = max(begin, -(({below}) // {sh}))",
        f"        bottom = min(begin + {rows}, {target.rows}, ({above}) // {sh} + 1)",
        f"        for kx in range({kw}):",
        f"            first = max(0, -(({before}) // {sw}))",
        f"            last = min({target.columns}, ({behind}) // {sw} + 1)",
        f"            for c in range({c}):",
        "                count = 0",
        "                for oy in range(top, bottom):",
        f"                    place = (oy * {sh} + {below}) * {source.columns} + {before}",
        "                    for ox in range(first, last):",
        f"                        v = left[(place + ox * {sw}) * {c} + c]",
        f"                        active[count] = oy * {target.columns} + ox",
        "                        factors[count] = v",
        "                        count += I(v != ZERO_F)",
        f"                at = {offset} + ((ky * {kw} + kx) * {c} + c) * {features}",
    )
    out.indent += 4
    _add_row(
        out,
        features,
        itemsize,
        lambda at, width: (
            f"add_products(g, at + {at}, right, {at}, active, factors, count, {width}, {features})"
        ),
    )
    out.indent -= 4


def _add_row(out: Lines, width: int, itemsize: int, call: Callable[[str, int], str]) -> None:
    """Write `call(begin, lanes)` for all parts of a row that fit into registers."""
    lanes = row_lanes(itemsize)
    full, rest = divmod(width, lanes)
    if full:
        out.add(f"for q in range({full}):", "    " + call(f"q * {lanes}", lanes))
    if rest:
        out.add(call(str(full * lanes), rest))
