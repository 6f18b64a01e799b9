"""Poisson and binomial numbers as functions of one uniform number and the distribution.

Small means are inverted by a search from 0. Others come from transformed rejection, whose cost does
not grow with the mean; its candidates are drawn from the bits of the uniform number, so that this
number and the arguments decide the result. Every step uses evsim's own logarithms and exponentials.

References
----------
W. Hörmann, The transformed rejection method for generating Poisson random variables, Insurance:
Mathematics and Economics 12, 1993; The generation of binomial random variates, Journal of
Statistical Computation and Simulation 46, 1993. C. Loader, Fast and accurate computation of
binomial probabilities, 2000 (logarithms of probabilities without cancellation).
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
from numba import njit

from evsim.engines.random import philox
from evsim.engines.transcendental import exp, log

inline = njit(nogil=True, error_model="numpy")

SEARCHED = 10.0
"""Mean from which candidates are drawn and rejected."""

SMALLEST = 2.0**-56
"""The search ends beyond the mean where numbers are less likely: sums are rounded to 2**-53."""

LARGEST = 2.0**52
"""Means and numbers of trials count as this where they are larger."""

TWO_PI = 6.283185307179586
TWO_53, UNIT = 2.0**53, 2.0**-53
CANDIDATES, BITS_11 = np.uint64(0x9216D5D98979FB1B), np.uint64(11)
# The error of Stirling's formula for log(n!), n from 0 to 15; the series is used beyond.
STIRLING = (
    0.0, 0.08106146679532726, 0.0413406959554093, 0.02767792568499834, 0.020790672103765093,
    0.016644691189821193, 0.013876128823070748, 0.01189670994589177, 0.010411265261972096,
    0.009255462182712733, 0.00833056343336287, 0.00757367548795184, 0.006942840107209530,
    0.006408994188004207, 0.00595137011275885, 0.005554733551962801,
)  # fmt: skip


@inline
def poisson(chance: Any, mean: Any) -> Any:
    """Return a Poisson number.

    Parameters
    ----------
    chance : in [0, 1), a multiple of 2**-53.
    mean : 0 or less (and what is no number) gives 0.
    """
    if not mean > 0.0:
        return np.int64(0)
    mean = min(float(mean), LARGEST)
    if mean >= SEARCHED:
        return _reject_poisson(chance, mean)
    left, weight = float(chance), exp(-mean)
    number = 0
    while left >= weight and (weight > SMALLEST or number < mean):
        left -= weight
        number += 1
        weight *= mean / number
    return np.int64(number)


@inline
def binomial(chance: Any, trials: Any, probability: Any) -> Any:
    """Return the number of successes in `trials` trials.

    Parameters
    ----------
    chance : in [0, 1), a multiple of 2**-53.
    trials : cut to a whole number; 0 or less (and what is no number) gives 0.
    probability : of a success; counts as 0 or 1 where it lies outside.
    """
    if not (trials >= 1.0 and probability > 0.0):
        return np.int64(0)
    n, p = np.floor(min(float(trials), LARGEST)), min(float(probability), 1.0)
    failures = p > 0.5
    p = 1.0 - p if failures else p
    if n * p >= SEARCHED:
        number = _reject_binomial(chance, n, p)
    else:
        number = _search_binomial(chance, n, p)
    return np.int64(n) - number if failures else number


@inline
def _search_binomial(chance: Any, n: Any, p: Any) -> Any:
    odds = p / (1.0 - p)
    left, weight = float(chance), exp(_log_binomial(0.0, n, p))
    number = 0
    while left >= weight and number < n and (weight > SMALLEST or number < n * p):
        left -= weight
        weight *= odds * (n - number) / (number + 1.0)
        number += 1
    return np.int64(number)


@inline
def _candidate(chance: Any, attempt: Any) -> Any:
    """Return two numbers in (0, 1) of an attempt, the first less 1/2."""
    bits = np.uint64(chance * TWO_53)
    first, second = philox(CANDIDATES, bits, np.uint64(attempt))
    u = (np.float64(first >> BITS_11) + 0.5) * UNIT
    return u - 0.5, (np.float64(second >> BITS_11) + 0.5) * UNIT


@inline
def _reject_poisson(chance: Any, mean: Any) -> Any:
    b = 0.931 + 2.53 * sqrt(mean)
    a = -0.059 + 0.02483 * b
    scale, sure = 1.1239 + 1.1328 / (b - 3.4), 0.9277 - 3.6224 / (b - 2.0)
    attempt = 0
    while True:
        u, v = _candidate(chance, attempt)
        attempt += 1
        us = 0.5 - abs(u)
        number = np.floor((2.0 * a / us + b) * u + mean + 0.43)
        if us >= 0.07 and v <= sure:
            return np.int64(number)
        if number < 0.0 or (us < 0.013 and v > us):
            continue
        if log(v * scale / (a / (us * us) + b)) <= _log_poisson(number, mean):
            return np.int64(number)


@inline
def _reject_binomial(chance: Any, n: Any, p: Any) -> Any:
    deviation = sqrt(n * p * (1.0 - p))
    b = 1.15 + 2.53 * deviation
    a = -0.0873 + 0.0248 * b + 0.01 * p
    scale, sure = (2.83 + 5.1 / b) * deviation, 0.92 - 4.2 / b
    top = _log_binomial(np.floor((n + 1.0) * p), n, p)
    attempt = 0
    while True:
        u, v = _candidate(chance, attempt)
        attempt += 1
        us = 0.5 - abs(u)
        number = np.floor((2.0 * a / us + b) * u + n * p + 0.5)
        if us >= 0.07 and v <= sure:
            return np.int64(number)
        if number < 0.0 or number > n:
            continue
        if log(v * scale / (a / (us * us) + b)) <= _log_binomial(number, n, p) - top:
            return np.int64(number)


@inline
def _log_poisson(k: Any, mean: Any) -> Any:
    """Return the logarithm of the probability of k."""
    if k == 0.0:
        return -mean
    return -_stirling(k) - _deviance(k, mean) - 0.5 * log(TWO_PI * k)


@inline
def _log_binomial(k: Any, n: Any, p: Any) -> Any:
    """Return the logarithm of the probability of k out of n."""
    q = 1.0 - p
    if k == 0.0:
        return -_deviance(n, n * q) - n * p
    if k == n:
        return -_deviance(n, n * p) - n * q
    rest = n - k
    errors = _stirling(n) - _stirling(k) - _stirling(rest)
    deviances = _deviance(k, n * p) + _deviance(rest, n * q)
    return errors - deviances + 0.5 * log(n / (TWO_PI * k) / rest)


@inline
def _stirling(n: Any) -> Any:
    if n <= 15.0:
        return STIRLING[int(n)]
    nn = n * n
    inner = 1 / 1260 - (1 / 1680 - (1 / 1188) / nn) / nn
    return (1 / 12 - (1 / 360 - inner / nn) / nn) / n


@inline
def _deviance(x: Any, mean: Any) -> Any:
    """Return x*log(x/mean) + mean - x, by a series where the terms would cancel."""
    if abs(x - mean) >= 0.1 * (x + mean):
        return x * log(x / mean) + mean - x
    v = (x - mean) / (x + mean)
    total, term = (x - mean) * v, 2.0 * x * v
    v *= v
    for j in range(1, 30):
        term *= v
        total += term / (2 * j + 1)
    return total
