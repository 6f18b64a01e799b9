"""Vector operations of constant length, as LLVM instructions inside Numba functions.

LLVM guards short loops over arrays against aliasing and does not keep their sums in registers.
These intrinsics say directly what is meant: a row of at most `LANES` bytes lives in registers
while the rows that belong to a list of events are added to it. No operation is reassociated or
contracted.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

ROW_BYTES = 256
"""Bytes of the widest row: eight 256-bit registers, which leaves as many for operands."""

_I64 = ir.IntType(64)


def row_lanes(itemsize: int) -> int:
    """Return how many values of `itemsize` bytes a row holds at most."""
    return ROW_BYTES // itemsize


def pieces(width: int) -> list[tuple[int, int]]:
    """Split a row into vectors whose lengths are powers of two, as (start, length).

    Examples
    --------
    >>> pieces(37)
    [(0, 32), (32, 4), (36, 1)]
    """
    found, start = [], 0
    while start < width:
        length = 1 << ((width - start).bit_length() - 1)
        found.append((start, length))
        start += length
    return found


class _Array:
    """Typed loads and stores at element offsets of a Numba array."""

    def __init__(self, context: Any, builder: Any, kind: Any, value: Any):
        self.builder = builder
        self.data = context.make_array(kind)(context, builder, value).data
        self.element = context.get_value_type(kind.dtype)
        self.align = max(1, kind.dtype.bitwidth // 8)

    def _pointer(self, at: Any, length: int) -> Any:
        vector = ir.VectorType(self.element, length)
        return self.builder.bitcast(self.builder.gep(self.data, [at]), vector.as_pointer())

    def load(self, at: Any, start: int = 0, length: int = 1) -> Any:
        """Load `length` elements from `at + start` as a vector."""
        at = self.builder.add(at, ir.Constant(_I64, start)) if start else at
        value = self.builder.load(self._pointer(at, length))
        value.align = self.align
        return value

    def store(self, value: Any, at: Any, start: int = 0) -> None:
        """Store a vector at `at + start`."""
        at = self.builder.add(at, ir.Constant(_I64, start)) if start else at
        self.builder.store(value, self._pointer(at, value.type.count)).align = self.align

    def scalar(self, at: Any) -> Any:
        """Load one element; integers are widened to 64 bits."""
        value = self.builder.load(self.builder.gep(self.data, [at]))
        if isinstance(self.element, ir.IntType) and self.element.width < 64:
            return self.builder.sext(value, _I64)
        return value


def _broadcast(builder: Any, value: Any, length: int) -> Any:
    vector = ir.VectorType(value.type, length)
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(_I64, 0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), length), [0] * length)
    return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), mask)


def _gather(context: Any, builder: Any, signature: Any, args: Any, scaled: bool) -> Any:
    """Emit `dst[at:at+width] += sum of rows`, the sums in registers; see `gather_rows`."""
    kinds = signature.args
    width = kinds[-1].literal_value
    target = _Array(context, builder, kinds[0], args[0])
    table = _Array(context, builder, kinds[2], args[2])
    events = _Array(context, builder, kinds[5], args[5])
    starts = _Array(context, builder, kinds[6], args[6])
    at, base, base_step, first, span, step, slices = (args[n] for n in (1, 3, 4, 7, 8, 9, 10))
    values = _Array(context, builder, kinds[11], args[11]) if scaled else None
    parts = pieces(width)
    one = ir.Constant(_I64, 1)

    row = [target.load(at, start, length) for start, length in parts]
    entry = builder.block
    outer, inner, latch, done = (
        builder.append_basic_block(f"gather.{name}") for name in ("slice", "event", "next", "done")
    )
    builder.cbranch(builder.icmp_signed(">", slices, ir.Constant(_I64, 0)), outer, done)

    builder.position_at_end(outer)
    j, place, origin = (builder.phi(_I64) for _ in range(3))
    sums = [builder.phi(r.type) for r in row]
    begin, end = starts.scalar(place), starts.scalar(builder.add(place, span))
    builder.cbranch(builder.icmp_signed("<", begin, end), inner, latch)

    builder.position_at_end(inner)
    i = builder.phi(_I64)
    running = [builder.phi(r.type) for r in row]
    event = events.scalar(i)
    offset = builder.add(origin, builder.mul(event, ir.Constant(_I64, width)))
    factor = values.scalar(builder.add(args[12], event)) if values else None
    added = []
    for total, (start, length) in zip(running, parts, strict=True):
        weights = table.load(offset, start, length)
        if factor is not None:
            weights = builder.fmul(weights, _broadcast(builder, factor, length))
        added.append(builder.fadd(total, weights))
    following = builder.add(i, one)
    i.add_incoming(begin, outer)
    i.add_incoming(following, inner)
    for total, before, after in zip(running, sums, added, strict=True):
        total.add_incoming(before, outer)
        total.add_incoming(after, inner)
    builder.cbranch(builder.icmp_signed("<", following, end), inner, latch)

    builder.position_at_end(latch)
    kept = [builder.phi(r.type) for r in row]
    for phi, before, after in zip(kept, sums, added, strict=True):
        phi.add_incoming(before, outer)
        phi.add_incoming(after, inner)
    for phi, initial, change in ((j, None, one), (place, first, step), (origin, base, base_step)):
        phi.add_incoming(initial if initial is not None else ir.Constant(_I64, 0), entry)
        phi.add_incoming(builder.add(phi, change), latch)
    for phi, initial, after in zip(sums, row, kept, strict=True):
        phi.add_incoming(initial, entry)
        phi.add_incoming(after, latch)
    more = builder.icmp_signed("<", builder.add(j, one), slices)
    builder.cbranch(more, outer, done)

    builder.position_at_end(done)
    results = [builder.phi(r.type) for r in row]
    for result, initial, after, (start, _) in zip(results, row, kept, parts, strict=True):
        result.add_incoming(initial, entry)
        result.add_incoming(after, latch)
        target.store(result, at, start)
    return context.get_dummy_value()


@intrinsic
def gather_rows(  # type: ignore[no-untyped-def]
    typingctx, dst, at, table, base, base_step, events, starts, first, span, step, slices, width
):
    """Add to a row of `dst` the rows of `table` that belong to events.

    dst[at : at+width] += table[o_j + e*width : + width], for slices j = 0 .. slices-1 and, in
        each, for
    every event e in events[starts[p_j] : starts[p_j + span]], with p_j = first + j*step and
    o_j = base + j*base_step. `width` is a literal. Sums run in the order of slices, then events.
    """
    if not isinstance(width, types.IntegerLiteral):
        return None

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return _gather(context, builder, signature, args, scaled=False)

    n = types.intp
    return types.void(dst, n, table, n, n, events, starts, n, n, n, n, width), codegen


@intrinsic
def gather_scaled(  # type: ignore[no-untyped-def]
    typingctx,
    dst,
    at,
    table,
    base,
    base_step,
    events,
    starts,
    first,
    span,
    step,
    slices,
    values,
    values_at,
    width,
):
    """Like `gather_rows`, each row times `values[values_at + event]`."""
    if not isinstance(width, types.IntegerLiteral):
        return None

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return _gather(context, builder, signature, args, scaled=True)

    n = types.intp
    signature = types.void(dst, n, table, n, n, events, starts, n, n, n, n, values, n, width)
    return signature, codegen


@intrinsic
def add_scaled(typingctx, dst, at, src, src_at, factor, width):  # type: ignore[no-untyped-def]
    """dst[at : at+width] += factor * src[src_at : src_at+width] for a literal width."""
    if not isinstance(width, types.IntegerLiteral):
        return None

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        target = _Array(context, builder, signature.args[0], args[0])
        source = _Array(context, builder, signature.args[2], args[2])
        for start, length in pieces(width.literal_value):
            change = builder.fmul(
                source.load(args[3], start, length), _broadcast(builder, args[4], length)
            )
            target.store(builder.fadd(target.load(args[1], start, length), change), args[1], start)
        return context.get_dummy_value()

    return types.void(dst, types.intp, src, types.intp, dst.dtype, width), codegen


@intrinsic
def mask_of(typingctx, flags, at, length):  # type: ignore[no-untyped-def]
    """Return the bits of flags[at : at+length] != 0, the first in bit 0; a literal length <= 64.

    Reads up to the next power of two: flags need as many elements behind the last.
    """
    if not isinstance(length, types.IntegerLiteral) or length.literal_value > 64:
        return None
    n = length.literal_value
    lanes = 1 << max(n - 1, 7).bit_length()

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        data = _Array(context, builder, signature.args[0], args[0])
        loaded = data.load(args[1], 0, lanes)
        set_ = builder.icmp_unsigned("!=", loaded, ir.Constant(loaded.type, [0] * lanes))
        bits = builder.bitcast(set_, ir.IntType(lanes))
        bits = builder.zext(bits, _I64) if lanes < 64 else bits
        return builder.and_(bits, ir.Constant(_I64, (1 << n) - 1)) if n < lanes else bits

    return types.uint64(flags, types.intp, length), codegen


@intrinsic
def lowest_bit(typingctx, mask):  # type: ignore[no-untyped-def]
    """Return the index of the lowest set bit of a mask that is not 0."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), codegen
