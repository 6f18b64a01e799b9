"""Arrays of random numbers: those of `evsim.engines.random`, many at a time.

Philox has no branches and no memory: eight counters fill vector registers side by side. LLVM does
not see that its 64-bit products are of 32-bit numbers unless the vectors are written out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from evsim.engines import random
from evsim.engines.random import HALF, central_quantile, normal, uniform

LANES = 8
NUMBERS = 2 * LANES
"""Numbers that `_store_uniform` makes: a counter gives two."""

inline = njit(nogil=True, error_model="numpy")
_I32, _I64 = ir.IntType(32), ir.IntType(64)
_WIDE, _NARROW = ir.VectorType(_I64, LANES), ir.VectorType(_I32, LANES)
_REAL = ir.VectorType(ir.DoubleType(), LANES)


def _all(value: int) -> Any:
    return ir.Constant(_WIDE, [value] * LANES)


def _spread(builder: Any, value: Any) -> Any:
    first = builder.insert_element(ir.Constant(_WIDE, ir.Undefined), value, ir.Constant(_I64, 0))
    mask = ir.Constant(ir.VectorType(_I32, LANES), [0] * LANES)
    return builder.shuffle_vector(first, ir.Constant(_WIDE, ir.Undefined), mask)


def _philox(builder: Any, key: Any, high: Any, low: Any) -> tuple[Any, Any, Any, Any]:
    """Emit `random.philox` of the counters low, low + 1, ...; return their words as vectors."""
    word, low_word = _all(0xFFFFFFFF), ir.Constant(_I64, 0xFFFFFFFF)
    counter = builder.add(_spread(builder, low), ir.Constant(_WIDE, list(range(LANES))))
    trial = _spread(builder, high)
    x0, x1 = builder.and_(counter, word), builder.lshr(counter, _all(32))
    x2, x3 = builder.and_(trial, word), builder.lshr(trial, _all(32))
    k0, k1 = builder.and_(key, low_word), builder.lshr(key, ir.Constant(_I64, 32))
    for _ in range(random.ROUNDS):
        p0 = builder.mul(x0, _all(int(random.M0)))
        p1 = builder.mul(x2, _all(int(random.M1)))
        first = builder.xor(builder.lshr(p1, _all(32)), x1)
        third = builder.xor(builder.lshr(p0, _all(32)), x3)
        x0, x1 = builder.xor(first, _spread(builder, k0)), builder.and_(p1, word)
        x2, x3 = builder.xor(third, _spread(builder, k1)), builder.and_(p0, word)
        k0 = builder.and_(builder.add(k0, ir.Constant(_I64, int(random.W0))), low_word)
        k1 = builder.and_(builder.add(k1, ir.Constant(_I64, int(random.W1))), low_word)
    return x0, x1, x2, x3


def _unit(builder: Any, high: Any, low: Any) -> Any:
    """Emit the number in [0, 1) of two words each: 27 bits of one, 26 of the other."""
    parts = [
        builder.sitofp(builder.trunc(builder.lshr(value, _all(cut)), _NARROW), _REAL)
        for value, cut in ((high, 5), (low, 6))
    ]
    shifted = builder.fmul(parts[0], ir.Constant(_REAL, [2.0**26] * LANES))
    bits = builder.fadd(shifted, parts[1])
    return builder.fmul(bits, ir.Constant(_REAL, [random.UNIT] * LANES))


@intrinsic
def _store_uniform(typingctx, out, at, key, high, low):  # type: ignore[no-untyped-def]
    """Set out[at : at + NUMBERS] from the counters (high, low), (high, low + 1), ..."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        x0, x1, x2, x3 = _philox(builder, args[2], args[3], args[4])
        even, odd = _unit(builder, x0, x1), _unit(builder, x2, x3)
        order = [i // 2 + i % 2 * LANES for i in range(NUMBERS)]
        mask = ir.Constant(ir.VectorType(_I32, NUMBERS), order)
        both = builder.shuffle_vector(even, odd, mask)
        place = builder.bitcast(builder.gep(data, [args[1]]), both.type.as_pointer())
        builder.store(both, place).align = 8
        return context.get_dummy_value()

    n = types.uint64
    return types.void(out, types.intp, n, n, n), codegen


@inline
def fill_uniform(out: Any, at: Any, count: Any, key: Any, trial: Any, step: Any) -> None:
    """Set out[at + neuron] for `count` neurons; see `random.uniform`."""
    base = np.uint64(step) << HALF
    whole = count // NUMBERS
    for block in range(whole):
        low = base | np.uint64(LANES * block)
        _store_uniform(out, at + NUMBERS * block, np.uint64(key), np.uint64(trial), low)  # type: ignore[call-arg]
    for neuron in range(NUMBERS * whole, count):
        out[at + neuron] = uniform(key, trial, step, neuron)


@inline
def fill_normal(out: Any, at: Any, count: Any, key: Any, trial: Any, step: Any) -> None:
    """Set out[at + neuron] for `count` neurons; see `random.normal`."""
    fill_uniform(out, at, count, key, trial, step)
    for place in range(at, at + count):
        out[place] = central_quantile(out[place] + 0.5 * random.UNIT)
    for neuron in range(count):
        # The tails need logarithms: one number in seven is made again.
        if out[at + neuron] != out[at + neuron]:
            out[at + neuron] = normal(key, trial, step, neuron)
