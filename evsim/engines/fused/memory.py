"""Arrays on large pages: weights are read at random, and small pages cost a look-up a row."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

PAGE = 2 << 20
SMALLEST = 64 << 10
"""Bytes below which the processor's own table of small pages suffices."""


def zeros(count: int, dtype: DTypeLike) -> NDArray[Any]:
    """Return (count,) zeros, on large pages where the system has them."""
    kind = np.dtype(dtype)
    size = count * kind.itemsize
    advice = getattr(mmap, "MADV_HUGEPAGE", None)
    if size < SMALLEST or advice is None:
        return np.zeros(count, kind)
    area = mmap.mmap(-1, -(-size // PAGE) * PAGE + PAGE)
    try:
        area.madvise(advice)
    except OSError:
        return np.zeros(count, kind)
    whole = np.frombuffer(area, np.uint8)
    begin = -whole.ctypes.data % PAGE
    return whole[begin : begin + size].view(kind)
