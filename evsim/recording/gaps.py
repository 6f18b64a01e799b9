"""Writes spikes as gaps between neurons, see `evsim.recording.encoding`, in compiled code.

Trials are encoded by the threads that run them. NumPy would take a dozen calls a phase, and threads
that hand the interpreter's lock to each other that often wait more than they work.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from evsim.cache import kept_njit
from evsim.recording.encoding import ESCAPE

DESCENDING, OUTSIDE = -1, -2

BLOCK = 64
"""Spikes that are encoded together where all gaps are narrow."""

FEW = 8
"""Spikes that are not worth it."""


def encode_gaps(
    neuron: NDArray[np.integer[Any]],
    count: NDArray[np.integer[Any]],
    size: int,
    out: NDArray[np.uint8],
) -> int:
    """Write gaps as bytes to the beginning of `out`; return how many.

    Parameters
    ----------
    neuron : (spike,), ascending inside a step.
    count : (step,), spikes in each step, as many as `neuron` has in all.
    size : neurons in the population.
    out : (byte,), with `room` for all.

    Raises
    ------
    ValueError : neurons do not ascend inside a step, or there is none of that index.
    """
    length = int(_encode(neuron, count, size, out))
    if length == DESCENDING:
        raise ValueError("neurons do not ascend inside a step")
    if length == OUTSIDE:
        raise ValueError(f"there are {size} neurons, none of index {neuron.max()}")
    return length


def room(spikes: int, steps: int, size: int) -> int:
    """Return the bytes that so many spikes take at most."""
    return spikes + steps * (size // ESCAPE)


@kept_njit()
def _encode(neuron: Any, count: Any, size: Any, code: Any) -> Any:
    """Write the code; return its length, or what is wrong."""
    at, end = np.int64(0), np.int64(0)
    for step in range(len(count)):
        begin, end = end, end + np.int64(count[step])
        last = np.int64(-1)
        while begin < end:
            block = neuron[begin : min(begin + BLOCK, end)]
            length = np.int64(len(block))
            if length < FEW or not _narrow(block, last, code[at:]):
                length = _wide(block, last, size, code[at:])
            if length < 0:
                return length
            at, begin, last = at + length, begin + len(block), np.int64(block[-1])
            if last >= size:
                return OUTSIDE
    return at


@njit(nogil=True)
def _narrow(neuron: Any, last: Any, code: Any) -> Any:
    """Write gaps if each takes one byte, many at a time; return whether that is so.

    A gap below 0 is a large one without sign.
    """
    gap = np.uint32(neuron[0] - last - 1)
    code[0] = gap
    wide = np.uint8(gap >= ESCAPE)
    for k in range(np.uint64(1), np.uint64(len(neuron))):
        gap = np.uint32(neuron[k]) - np.uint32(neuron[k - np.uint64(1)]) - np.uint32(1)
        code[k] = np.uint8(gap)
        wide |= np.uint8(np.uint32(gap) >= np.uint32(ESCAPE))
    return wide == 0


@njit(nogil=True)
def _wide(neuron: Any, last: Any, size: Any, code: Any) -> Any:
    """Write gaps of any width; return how many bytes they take, or what is wrong."""
    at = 0
    for now in neuron:
        gap = np.int64(now) - last - 1
        if gap < 0:
            return DESCENDING
        if now >= size:
            return OUTSIDE
        while gap >= ESCAPE:
            code[at] = ESCAPE
            at += 1
            gap -= ESCAPE
        code[at] = gap
        at += 1
        last = np.int64(now)
    return at
