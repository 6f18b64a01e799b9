"""Exponentials and logarithms of evsim's own: the same bits on every machine, and vectorisable.

The C library picks its code by the processor, and Numba another library where it finds one. These
are straight-line code without fused multiply-add, within 2 ulp (tanh 3). Exponentials below the
smallest normal number are 0. Those of float32 numbers are in `single`, other functions compute them
in float64.

References
----------
W. J. Cody, W. Waite, Software Manual for the Elementary Functions, Prentice-Hall 1980 (reduction of
arguments); G. Estrin, Organization of computer systems, WJCC 1960 (order of operations); the series
of log((1 + s)/(1 - s)) is the odd one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, overload

from evsim.engines import single

OPTIONS: Any = {"error_model": "numpy", "forceinline": True}
inline = njit(nogil=True, error_model="numpy", forceinline=True)

LOG2_E = 1.4426950408889634
LN2_HIGH, LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10
LARGEST, SMALLEST = 709.782712893384, -708.3964185322641
SQRT_HALF = 0.7071067811865476
MANTISSA, HALF_EXPONENT = 0x000FFFFFFFFFFFFF, 0x3FE0000000000000
NORMAL = 2.2250738585072014e-308
TWO_54 = 18014398509481984.0
SPLITTER = 134217729.0
ROUNDER = 6755399441055744.0
TWO_BITS = 0x4000000000000000


def _bitcast(source: Any, target: Any) -> Any:
    """Return a Numba function that reads the bits of one 64-bit type as another."""

    @intrinsic
    def cast(typingctx, value):  # type: ignore[no-untyped-def]
        def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
            kind = ir.DoubleType() if target == types.float64 else ir.IntType(64)
            return builder.bitcast(args[0], kind)

        return target(source), codegen

    return cast


to_bits = _bitcast(types.float64, types.int64)
from_bits = _bitcast(types.int64, types.float64)

# The polynomial p of degree 9 with the least error of r + r*r*p(r) relative to exp(r) - 1, 1.8e-17,
# over |r| <= ln(2)/2, by Remez' exchange.
E2, E3, E4 = 0.5000000000000006, 0.16666666666666685, 0.04166666666657362
E5, E6, E7 = 0.0083333333333146, 0.0013888888932379576, 0.00019841269903012103
E8, E9 = 2.4801504445080598e-05, 2.755722797052169e-06
E10, E11 = 2.7626326854164174e-07, 2.511446787914047e-08
L3, L5, L7, L9, L11, L13, L15, L17, L19, L21 = (2.0 / n for n in range(3, 22, 2))


@inline
def _tail(r: Any) -> Any:
    """Return exp(r) - 1 - r for |r| <= ln(2)/2; terms are paired, so that few wait for others."""
    r2 = r * r
    r4 = r2 * r2
    low = ((E2 + E3 * r) + (E4 + E5 * r) * r2) + ((E6 + E7 * r) + (E8 + E9 * r) * r2) * r4
    return r2 * (low + (E10 + E11 * r) * (r4 * r4))


@inline
def _reduce(x: Any) -> Any:
    """Return (shift, r, rest) with x = k*ln(2) + r + rest, |r| <= ln(2)/2 and shift = k << 52.

    Adding 1.5*2**52 leaves k in the last digits: AVX2 cannot turn vectors of floats into integers.
    """
    rounded = x * LOG2_E + ROUNDER
    k = rounded - ROUNDER
    high, low = x - k * LN2_HIGH, k * LN2_LOW
    r = high - low
    return to_bits(rounded) << 52, r, (high - r) - low


@inline
def _double_exp(v: Any) -> Any:
    clear = LARGEST if v > LARGEST else (SMALLEST if v < SMALLEST else v)
    shift, r, _ = _reduce(clear)
    result = from_bits(to_bits(1.0 + (r + _tail(r))) + shift)
    result = np.inf if v > LARGEST else (0.0 if v < SMALLEST else result)
    return result if v == v else v


@inline
def _double_expm1(v: Any) -> Any:
    clear = LARGEST if v > LARGEST else (-50.0 if v < -50.0 else v)
    shift, r, rest = _reduce(clear)
    # 2**-k as half of 2**(1 - k), which is 0 for the largest k.
    inverse = 0.5 * from_bits(TWO_BITS - shift)
    reduced = r + (_tail(r) + rest)
    result = from_bits(to_bits(reduced + (1.0 - inverse)) + shift)
    result = np.inf if v > LARGEST else result
    result = v if v == 0.0 else result
    return result if v == v else v


def _exp(x: Any) -> Any:
    raise NotImplementedError("compiled code only")


def _expm1(x: Any) -> Any:
    raise NotImplementedError("compiled code only")


@overload(_exp, jit_options=OPTIONS, strict=False)
def _choose_exp(x: Any) -> Any:
    if x == types.float32:
        return lambda x: single.exp(x)
    return lambda x: _double_exp(np.float64(x))


@overload(_expm1, jit_options=OPTIONS, strict=False)
def _choose_expm1(x: Any) -> Any:
    if x == types.float32:
        return lambda x: single.expm1(x)
    return lambda x: _double_expm1(np.float64(x))


@inline
def exp(x: Any) -> Any:
    """Return e**x."""
    return _exp(x)


@inline
def expm1(x: Any) -> Any:
    """Return e**x - 1, exact to rounding near 0 too."""
    return _expm1(x)


@inline
def _split(x: Any) -> Any:
    """Return the upper half of a number's digits."""
    wide = x * SPLITTER
    return wide - (wide - x)


@inline
def _double_exp_product(v: Any, c: Any) -> Any:
    product = v * c
    v_high, c_high = _split(v), _split(c)
    v_low, c_low = v - v_high, c - c_high
    lost = v_low * c_low - (((product - v_high * c_high) - v_low * c_high) - v_high * c_low)
    whole = _double_exp(product)
    return whole + whole * lost if abs(product) < -SMALLEST else whole


def _exp_product(x: Any, factor: Any) -> Any:
    raise NotImplementedError("compiled code only")


@overload(_exp_product, jit_options=OPTIONS, strict=False)
def _choose_exp_product(x: Any, factor: Any) -> Any:
    if x == types.float32 and factor == types.float32:
        return lambda x, factor: single.exp_product(x, factor)
    return lambda x, factor: _double_exp_product(np.float64(x), np.float64(factor))


@inline
def exp_product(x: Any, factor: Any) -> Any:
    """Return e**(x*factor), what code means by exp(x)**factor, as exact as `exp`.

    The product's rounding error is found by halving the digits (T. J. Dekker, A floating-point
    technique for extending the available precision, Numerische Mathematik 1971).
    """
    return _exp_product(x, factor)


@inline
def log(x: Any) -> Any:
    """Return the natural logarithm."""
    v = np.float64(x)
    scaled = v * TWO_54 if v < NORMAL else v
    bits = to_bits(scaled)
    k = ((bits >> 52) & 0x7FF) - 1022
    m = from_bits((bits & MANTISSA) | HALF_EXPONENT)
    low = m < SQRT_HALF
    m = m + m if low else m
    k = k - 1 if low else k
    k = k - 54 if v < NORMAL else k
    f = m - 1.0
    s = f / (2.0 + f)
    z = s * s
    high = L13 + z * (L15 + z * (L17 + z * (L19 + z * L21)))
    series = z * (L3 + z * (L5 + z * (L7 + z * (L9 + z * (L11 + z * high)))))
    half = 0.5 * f * f
    result = k * LN2_HIGH - ((half - (s * (half + series) + k * LN2_LOW)) - f)
    result = result if v > 0.0 else (-np.inf if v == 0.0 else np.nan)
    return type(x)(v if v == np.inf else result)


@inline
def tanh(x: Any) -> Any:
    """Return the hyperbolic tangent."""
    v = np.float64(x)
    size = abs(v)
    t = expm1(2.0 * (size if size < 22.0 else 22.0))
    result = 1.0 - 2.0 / (t + 2.0) if size > 0.5 else t / (t + 2.0)
    result = result if v > 0.0 else -result
    return type(x)(v if v == 0.0 or v != v else result)
