"""What a simulation looks for in its state between steps; the same for every network."""

from __future__ import annotations

from typing import Any

import numpy as np

from evsim.cache import kept_njit

compiled = kept_njit(error_model="numpy")


@compiled
def finite(values: Any) -> Any:
    """Return whether no value is NaN or infinite."""
    limit = values.dtype.type(np.inf)
    good = np.int32(0)
    for i in range(values.size):
        good += np.int32(abs(values[i]) < limit)
    return good == values.size


@compiled
def moved(values: Any, before: Any) -> Any:
    """Return the largest change since `before`, which becomes `values`."""
    far = 0.0
    for i in range(values.size):
        far = max(far, abs(values[i] - before[i]))
        before[i] = values[i]
    return far
