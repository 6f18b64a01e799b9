"""Random numbers that depend on what they are for and on nothing else.

A number is a function of its stream's key (seed and name), the trial, the step and the neuron:
Philox4x32-10 turns these into bits. So results do not depend on threads, on batches or on what else
is drawn, and every engine draws the same.

References
----------
J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, Parallel random numbers: as easy as 1, 2, 3, SC
2011. M. J. Wichura, Algorithm AS 241: the percentage points of the normal distribution, Applied
Statistics 1988.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
from numba import njit

from evsim.engines.transcendental import log

inline = njit(nogil=True, error_model="numpy")

M0, M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
W0, W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
LOW, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
ROUNDS = 10
ONE, FIVE, SIX, BITS_26 = np.uint64(1), np.uint64(5), np.uint64(6), np.uint64(26)
UNIT, TWO_24 = 2.0**-53, 2.0**24

CENTRE, EDGE, SHIFT, TAIL = 0.425, 0.180625, 1.6, 5.0
# Numerators and denominators of the three rational functions, from the constant on.
A = (
    3.3871328727963666080, 133.14166789178437745, 1971.5909503065514427, 13731.693765509461125,
    45921.953931549871457, 67265.770927008700853, 33430.575583588128105, 2509.0809287301226727,
)  # fmt: skip
B = (
    1.0, 42.313330701600911252, 687.18700749205790830, 5394.1960214247511077,
    21213.794301586595867, 39307.895800092710610, 28729.085735721942674, 5226.4952788528545610,
)  # fmt: skip
C = (
    1.42343711074968357734, 4.63033784615654529590, 5.76949722146069140550,
    3.64784832476320460504, 1.27045825245236838258, 0.241780725177450611770,
    0.0227238449892691845833, 7.74545014278341407640e-4,
)  # fmt: skip
D = (
    1.0, 2.05319162663775882187, 1.67638483018380384940, 0.689767334985100004550,
    0.148103976427480074590, 0.0151986665636164571966, 5.47593808499534494600e-4,
    1.05075007164441684324e-9,
)  # fmt: skip
E = (
    6.65790464350110377720, 5.46378491116411436990, 1.78482653991729133580,
    0.296560571828504891230, 0.0265321895265761230930, 1.24266094738807843860e-3,
    2.71155556874348757815e-5, 2.01033439929228813265e-7,
)  # fmt: skip
F = (
    1.0, 0.599832206555887937690, 0.136929880922735805310, 0.0148753612908506148525,
    7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7,
    2.04426310338993978564e-15,
)  # fmt: skip


@inline
def philox(key: Any, high: Any, low: Any) -> Any:
    """Return 128 bits as two numbers: Philox4x32-10 of a 128-bit counter (high, low).

    The counter's words are low & LOW, low >> 32, high & LOW, high >> 32; so are the key's and the
    result's.
    """
    k0, k1 = key & LOW, key >> HALF
    x0, x1, x2, x3 = low & LOW, low >> HALF, high & LOW, high >> HALF
    for _ in range(ROUNDS):
        p0, p1 = M0 * x0, M1 * x2
        x0, x1, x2, x3 = (p1 >> HALF) ^ x1 ^ k0, p1 & LOW, (p0 >> HALF) ^ x3 ^ k1, p0 & LOW
        k0, k1 = (k0 + W0) & LOW, (k1 + W1) & LOW
    return x0 | (x1 << HALF), x2 | (x3 << HALF)


@inline
def _bits(key: Any, trial: Any, step: Any, neuron: Any) -> Any:
    """Return 53 random bits: a counter serves two neurons."""
    low = (np.uint64(step) << HALF) | (np.uint64(neuron) >> ONE)
    first, second = philox(key, trial, low)
    words = second if np.uint64(neuron) & ONE else first
    return np.float64(((words & LOW) >> FIVE) << BITS_26 | (words >> HALF) >> SIX)


@inline
def uniform(key: Any, trial: Any, step: Any, neuron: Any) -> Any:
    """Return a number in [0, 1), a multiple of 2**-53."""
    return _bits(key, trial, step, neuron) * UNIT


@inline
def same(number: Any) -> Any:
    """Return a number as it is."""
    return number


@inline
def single(number: Any) -> Any:
    """Return a number in [0, 1) cut to 24 bits, so that it stays below 1 in single precision."""
    return np.floor(number * TWO_24) / TWO_24


@inline
def uniform_single(key: Any, trial: Any, step: Any, neuron: Any) -> Any:
    """Return `uniform` cut to 24 bits."""
    return single(uniform(key, trial, step, neuron))


@inline
def normal(key: Any, trial: Any, step: Any, neuron: Any) -> Any:
    """Return a number of the standard normal distribution."""
    # The last of all would be rounded to 1.
    return normal_quantile(min((_bits(key, trial, step, neuron) + 0.5) * UNIT, 1.0 - UNIT))


@inline
def _polynomial(r: Any, c: Any) -> Any:
    return c[0] + r * (
        c[1] + r * (c[2] + r * (c[3] + r * (c[4] + r * (c[5] + r * (c[6] + r * c[7])))))
    )


@inline
def central_quantile(p: Any) -> Any:
    """Return `normal_quantile` of the middle 85 %, without a branch; NaN of the tails."""
    q = p - 0.5
    r = EDGE - q * q
    size = q * _polynomial(r, A) / _polynomial(r, B)
    return size if abs(q) <= CENTRE else np.nan


@inline
def normal_quantile(p: Any) -> Any:
    """Return the point below which a standard normal number lies with probability 0 < p < 1."""
    q = p - 0.5
    if abs(q) <= CENTRE:
        return central_quantile(p)
    r = sqrt(-log(p if q < 0.0 else 1.0 - p))
    if r <= TAIL:
        size = _polynomial(r - SHIFT, C) / _polynomial(r - SHIFT, D)
    else:
        size = _polynomial(r - TAIL, E) / _polynomial(r - TAIL, F)
    return -size if q < 0.0 else size
