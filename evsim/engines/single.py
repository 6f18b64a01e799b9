"""Exponentials in single precision: eight at a time where double precision has four.

Straight-line code as in `transcendental`, in float32 throughout, within 2 ulp.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

inline = njit(nogil=True, error_model="numpy", forceinline=True)

F = np.float32
LOG2_E = F(1.44269504)
LN2_HIGH, LN2_LOW = F(0.693359375), F(-2.12194440e-4)
LARGEST, SMALLEST, LOWEST = F(88.72283), F(-87.33654), F(-20)
ROUNDER = F(12582912.0)
ZERO, HALF, ONE = F(0), F(0.5), F(1)
INFINITE = F(np.inf)
# As in `transcendental`: the polynomial of degree 5 with the least relative error, 2.4e-10.
E2, E3, E4 = F(0.5), F(0.16666667), F(0.041666355)
E5, E6, E7 = F(0.008333273), F(0.0013941008), F(0.00019914171)


def _scaling(typingctx, value, rounded):  # type: ignore[no-untyped-def]
    """Return value * 2**k, where the last digits of `rounded` are k."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        bits = [builder.bitcast(arg, ir.IntType(32)) for arg in args]
        shift = builder.shl(bits[1], ir.Constant(ir.IntType(32), 23))
        return builder.bitcast(builder.add(bits[0], shift), ir.FloatType())

    return types.float32(types.float32, types.float32), codegen


def _inverting(typingctx, rounded):  # type: ignore[no-untyped-def]
    """Return 2**(1 - k), where the last digits of `rounded` are k."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        bits = builder.bitcast(args[0], ir.IntType(32))
        shift = builder.shl(bits, ir.Constant(ir.IntType(32), 23))
        two = ir.Constant(ir.IntType(32), 0x40000000)
        return builder.bitcast(builder.sub(two, shift), ir.FloatType())

    return types.float32(types.float32), codegen


_scale: Any = intrinsic(_scaling)
_inverse: Any = intrinsic(_inverting)


@inline
def _tail(r: Any) -> Any:
    """Return exp(r) - 1 - r for |r| <= ln(2)/2."""
    r2 = r * r
    return r2 * ((E2 + E3 * r) + ((E4 + E5 * r) + (E6 + E7 * r) * r2) * r2)


@inline
def exp(v: Any) -> Any:
    """Return e**v."""
    clear = LARGEST if v > LARGEST else (SMALLEST if v < SMALLEST else v)
    rounded = clear * LOG2_E + ROUNDER
    k = rounded - ROUNDER
    r = (clear - k * LN2_HIGH) - k * LN2_LOW
    result = _scale(ONE + (r + _tail(r)), rounded)
    result = INFINITE if v > LARGEST else (ZERO if v < SMALLEST else result)
    return result if v == v else v


@inline
def exp_product(v: Any, c: Any) -> Any:
    """Return e**(v*c), with what rounding the product leaves."""
    product = np.float64(v) * np.float64(c)
    rounded = F(product)
    whole = exp(rounded)
    return whole + whole * F(product - rounded) if abs(rounded) < -SMALLEST else whole


@inline
def expm1(v: Any) -> Any:
    """Return e**v - 1, exact to rounding near 0 too."""
    clear = LARGEST if v > LARGEST else (LOWEST if v < LOWEST else v)
    rounded = clear * LOG2_E + ROUNDER
    k = rounded - ROUNDER
    high, low = clear - k * LN2_HIGH, k * LN2_LOW
    r = high - low
    reduced = r + (_tail(r) + ((high - r) - low))
    result = _scale(reduced + (ONE - HALF * _inverse(rounded)), rounded)
    result = INFINITE if v > LARGEST else result
    result = v if v == ZERO else result
    return result if v == v else v
