"""Vector operations of constant length, as LLVM instructions inside Numba functions.

LLVM guards short loops over arrays against aliasing and does not keep their sums in registers.
These intrinsics say directly what is meant: a row of at most `LANES` bytes lives in registers
while the rows that belong to a list of events are added to it. No operation is reassociated or
contracted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

ROW_BYTES = 256
"""Bytes of the widest row: eight 256-bit registers, which leaves as many for operands."""

COPY = 16
"""Events that are copied at a time."""

VECTOR_BYTES = 32

_I64 = ir.IntType(64)


def row_lanes(itemsize: int) -> int:
    """Return how many values of `itemsize` bytes a row holds at most."""
    return ROW_BYTES // itemsize


def row_stride(width: int, itemsize: int) -> int:
    """Return the distance of rows in a table: whole vectors, so that odd widths cost no more.

    Examples
    --------
    >>> row_stride(37, 4), row_stride(3, 4)
    (40, 4)
    """
    lanes = VECTOR_BYTES // itemsize
    return -(-width // lanes) * lanes if 2 * width > lanes else 1 << (width - 1).bit_length()


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


def _loop(builder: Any, name: str, count: Any, step: int, carried: list[Any], body: Any) -> Any:
    """Emit `for i in range(0, count, step)` that runs at least once; return what it carried.

    `body(i, values)` emits one turn and returns the carried values after it.
    """
    entry = builder.block
    loop = builder.append_basic_block(f"{name}.loop")
    after = builder.append_basic_block(f"{name}.done")
    builder.branch(loop)
    builder.position_at_end(loop)
    index = builder.phi(_I64)
    values = [builder.phi(value.type) for value in carried]
    changed = body(index, values)
    following = builder.add(index, ir.Constant(_I64, step))
    index.add_incoming(ir.Constant(_I64, 0), entry)
    index.add_incoming(following, builder.block)
    for phi, initial, final in zip(values, carried, changed, strict=True):
        phi.add_incoming(initial, entry)
        phi.add_incoming(final, builder.block)
    builder.cbranch(builder.icmp_signed("<", following, count), loop, after)
    builder.position_at_end(after)
    return changed


def _queue_rows(
    builder: Any, arrays: tuple[_Array, _Array, _Array], slices: Any, senders: Any
) -> Any:
    """Emit the code that puts the rows of all slices into one queue; return its length.

    Copies whole vectors, what is too much being overwritten by the next: so a slice costs no
    unpredictable branch unless it is long. `senders`, where given, is a place in the queue behind
    the rows that gets the events themselves.
    """
    events, starts, queue = arrays
    first, span, step, number, row, row_step = slices
    narrow = ir.IntType(32)

    def one_slice(_: Any, carried: list[Any]) -> list[Any]:
        place, origin, length = carried
        begin, end = starts.scalar(place), starts.scalar(builder.add(place, span))
        count = builder.sub(end, begin)
        shift = _broadcast(builder, builder.trunc(origin, narrow), COPY)

        def copy(at: Any, _: list[Any]) -> list[Any]:
            found = events.load(builder.add(begin, at), 0, COPY)
            queue.store(builder.add(found, shift), builder.add(length, at))
            if senders is not None:
                queue.store(found, builder.add(senders, builder.add(length, at)))
            return []

        _loop(builder, "copy", count, COPY, [], copy)
        return [
            builder.add(place, step),
            builder.add(origin, row_step),
            builder.add(length, count),
        ]

    zero = ir.Constant(_I64, 0)
    *_, length = _loop(builder, "slice", number, 1, [first, row, zero], one_slice)
    return length


def _add_rows(
    builder: Any,
    target: tuple[_Array, Any],
    table: _Array,
    parts: list[tuple[int, int]],
    count: Any,
    row: Callable[[Any], tuple[Any, Any]],
) -> None:
    """Emit `target[at:] += sum of count rows`, the sums in registers.

    `row(i)` emits the offset of the i-th row in the table, and its factor or None.
    """
    array, at = target

    def add_row(i: Any, sums: list[Any]) -> list[Any]:
        offset, factor = row(i)
        added = []
        for total, (start, length) in zip(sums, parts, strict=True):
            weights = table.load(offset, start, length)
            if factor is not None:
                weights = builder.fmul(weights, _broadcast(builder, factor, length))
            added.append(builder.fadd(total, weights))
        return added

    with builder.if_then(builder.icmp_signed(">", count, ir.Constant(_I64, 0))):
        sums = [array.load(at, start, length) for start, length in parts]
        sums = _loop(builder, "sum", count, 1, sums, add_row)
        for total, (start, _) in zip(sums, parts, strict=True):
            array.store(total, at, start)


def _gather(context: Any, builder: Any, signature: Any, args: Any, scaled: bool) -> Any:
    """Emit `dst[at:at+width] += sum of rows` of several slices; see `gather_rows`."""
    kinds = signature.args
    width, stride = kinds[-2].literal_value, kinds[-1].literal_value
    at, base, first_row, row_step = (args[n] for n in (1, 3, 4, 5))
    target, table, events, starts, queue = (
        _Array(context, builder, kinds[n], args[n]) for n in (0, 2, 6, 7, 12)
    )
    values = _Array(context, builder, kinds[13], args[13]) if scaled else None
    # What stands behind a row in memory gets -0.0 added, which leaves every number as it is.
    parts = pieces(width if scaled else stride)

    def row(i: Any) -> tuple[Any, Any]:
        place = builder.mul(queue.scalar(i), ir.Constant(_I64, stride))
        factor = None
        if values is not None:
            sender = queue.scalar(builder.add(args[15], i))
            factor = values.scalar(builder.add(args[14], sender))
        return builder.add(base, place), factor

    with builder.if_then(builder.icmp_signed(">", args[11], ir.Constant(_I64, 0))):
        slices = (*args[8:12], first_row, row_step)
        senders = args[15] if scaled else None
        count = _queue_rows(builder, (events, starts, queue), slices, senders)
        _add_rows(builder, (target, at), table, parts, count, row)
    return context.get_dummy_value()


@intrinsic
def gather_rows(  # type: ignore[no-untyped-def]
    typingctx,
    dst,
    at,
    table,
    base,
    row,
    row_step,
    events,
    starts,
    first,
    span,
    step,
    slices,
    queue,
    width,
    stride,
):
    """Add to a row of `dst` the rows of `table` that belong to events.

    dst[at : at+width] += table[base + (r_j + e)*stride : + width], for slices j = 0 .. slices-1 and
    in each for every event e in events[starts[p_j] : starts[p_j + span]], with p_j = first + j*step
    and r_j = row + j*row_step. `width` and `stride` are literals; a table holds -0.0 behind a row.
    Sums run in the order of slices, then events. `queue` is room for all events, and COPY more.
    """
    if not isinstance(stride, types.IntegerLiteral):
        return None

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return _gather(context, builder, signature, args, scaled=False)

    n = types.intp
    signature = types.void(dst, n, table, n, n, n, events, starts, n, n, n, n, queue, width, stride)
    return signature, codegen


@intrinsic
def gather_scaled(  # type: ignore[no-untyped-def]
    typingctx,
    dst,
    at,
    table,
    base,
    row,
    row_step,
    events,
    starts,
    first,
    span,
    step,
    slices,
    queue,
    values,
    values_at,
    senders,
    width,
    stride,
):
    """Like `gather_rows`, each row times `values[values_at + event]`.

    `senders` is a place in the queue with as much room again.
    """
    if not isinstance(stride, types.IntegerLiteral):
        return None

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return _gather(context, builder, signature, args, scaled=True)

    n = types.intp
    signature = types.void(
        dst, n, table, n, n, n, events, starts, n, n, n, n, queue, values, n, n, width, stride
    )
    return signature, codegen


@intrinsic
def gather_slice(  # type: ignore[no-untyped-def]
    typingctx, dst, at, table, base, row, events, begin, end, width, stride
):
    """Like `gather_rows` for the one slice events[begin:end], without a queue."""
    if not isinstance(stride, types.IntegerLiteral):
        return None

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        kinds = signature.args
        at, base, first_row, begin, end = (args[n] for n in (1, 3, 4, 6, 7))
        target, table, events = (_Array(context, builder, kinds[n], args[n]) for n in (0, 2, 5))
        step = ir.Constant(_I64, kinds[-1].literal_value)
        base = builder.add(base, builder.mul(first_row, step))

        def row(i: Any) -> tuple[Any, Any]:
            event = events.scalar(builder.add(begin, i))
            return builder.add(base, builder.mul(event, step)), None

        count = builder.sub(end, begin)
        _add_rows(builder, (target, at), table, pieces(kinds[-1].literal_value), count, row)
        return context.get_dummy_value()

    n = types.intp
    return types.void(dst, n, table, n, n, events, n, n, width, stride), codegen


@intrinsic
def add_products(  # type: ignore[no-untyped-def]
    typingctx, dst, at, table, base, rows, factors, count, width, stride
):
    """Add to a row of `dst` rows of `table`, each times its factor.

    dst[at : at+width] += factors[i] * table[base + rows[i]*stride : + width] for i < count, in this
    order. `width` and `stride` are literals.
    """
    if not isinstance(stride, types.IntegerLiteral):
        return None

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        kinds = signature.args
        target, source, numbers, scales = (
            _Array(context, builder, kinds[n], args[n]) for n in (0, 2, 4, 5)
        )
        step = ir.Constant(_I64, kinds[-1].literal_value)

        def row(i: Any) -> tuple[Any, Any]:
            return builder.add(args[3], builder.mul(numbers.scalar(i), step)), scales.scalar(i)

        parts = pieces(kinds[-2].literal_value)
        _add_rows(builder, (target, args[1]), source, parts, args[6], row)
        return context.get_dummy_value()

    n = types.intp
    return types.void(dst, n, table, n, rows, factors, n, width, stride), codegen


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
