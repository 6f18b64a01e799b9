"""Functions that generated programs call: Brian2's meaning, without branches where that helps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

LARGEST, COUNTABLE = 2.0**62, 1 << 50

inline = njit(nogil=True, error_model="numpy", inline="never")


@inline
def clip(x: Any, low: Any, high: Any) -> Any:
    """Limit x to [low, high]; NaN stays."""
    return low if x < low else (high if x > high else x)


@inline
def sign(x: Any) -> Any:
    """Return -1, 0 or 1 in the type of x."""
    zero, one = x - x, type(x)(1)
    return one if x > zero else (-one if x < zero else zero)


@inline
def timestep(t: Any, dt: Any) -> Any:
    """Return the number of the step that contains t, safe against rounding (Brian2's rule).

    What is too large for an integer, as an infinite time, stays larger than any other step.
    """
    step: Any = (t + 1e-3 * dt) / dt
    return np.int64(min(max(step, -LARGEST), LARGEST))


@inline
def first_time(step: Any, dt: Any) -> Any:
    """Return the earliest time of which `timestep` gives at least `step`, for dt > 0.

    Steps that floating-point numbers cannot count, as of an infinite time, are before or after all.
    """
    if step > COUNTABLE or step < -COUNTABLE:
        return np.inf if step > 0 else -np.inf
    t: Any = (step - (1 if step < 1 else 0) - 1e-3) * dt
    while timestep(t, dt) >= step:
        t = np.nextafter(t, -np.inf)
    while timestep(t, dt) < step:
        t = np.nextafter(t, np.inf)
    return t


@inline
def value_at(
    values: Any, first: Any, rows: Any, columns: Any, epsilon: Any, finer: Any, t: Any, column: Any
) -> Any:
    """Return an array's value at time t, or NaN where it has no such column; see `TimedValues`."""
    if column < 0 or column >= columns:
        return np.nan
    row: Any = np.int64((t / epsilon + 0.5) / finer)
    row = max(min(row, rows - 1), 0)
    return values[first + row * columns + column]


@inline
def modulo(x: Any, y: Any) -> Any:
    """Return x modulo y with the sign of y, rounded as in Brian2's compiled code."""
    return (x % y + y) % y
