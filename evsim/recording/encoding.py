"""Spikes as bytes.

`plain` keeps the neuron of each spike. `compact` keeps the gap to the previous spike of the same
step: 0 for the next neuron, counted from -1 at the start of a step. A gap takes one byte, and one
more byte of 255 for each 255 in it: 3 is `3`, 255 is `255 0`, 600 is `255 255 90`.
"""

from __future__ import annotations

import zlib
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.recording.layout import Encoding

ESCAPE = 255


def encode_gaps(
    neuron: NDArray[np.integer[Any]],
    count: NDArray[np.integer[Any]],
    size: int,
    marks: NDArray[np.int64],
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return gaps as bytes.

    Parameters
    ----------
    neuron : (spike,), ascending inside a step.
    count : (step,), spikes in each step.
    size : neurons in the population.
    marks : positions in `neuron`, 0 to its length.

    Returns
    -------
    code : (byte,)
    marks : the same positions in `code`.

    Raises
    ------
    ValueError : neurons do not ascend inside a step.
    """
    if not len(neuron):
        return np.empty(0, np.uint8), marks
    gap = np.empty(len(neuron), np.uint32)
    np.subtract(neuron[1:], neuron[:-1], out=gap[1:], casting="unsafe")
    gap -= 1
    first = (np.cumsum(count) - count)[count > 0]
    gap[first] = neuron[first]
    widest = int(gap.max())
    if widest >= size:
        raise ValueError("neurons do not ascend inside a step")
    if widest < ESCAPE:
        return gap.astype(np.uint8), marks
    wide = np.flatnonzero(gap >= ESCAPE)
    escapes = gap[wide] // ESCAPE
    gap[wide] %= ESCAPE
    code = np.insert(gap.astype(np.uint8), np.repeat(wide, escapes), ESCAPE)
    before = np.concatenate(([0], np.cumsum(escapes, dtype=np.int64)))
    return code, marks + before[np.searchsorted(wide, marks)]


def sums(data: NDArray[Any], offsets: NDArray[np.int64]) -> NDArray[np.uint32]:
    """Return the CRC-32 of the bytes of consecutive parts, (part,).

    Parameters
    ----------
    offsets : (part + 1,), where each begins in `data` and the last ends.
    """
    parts = [zlib.crc32(data[begin:end].tobytes()) for begin, end in pairwise(offsets.tolist())]
    return np.array(parts, np.uint32)


def check(data: NDArray[Any], lengths: NDArray[np.int64], expected: NDArray[np.uint32]) -> None:
    """Compare the checksums of consecutive parts.

    Parameters
    ----------
    lengths, expected : (part,)

    Raises
    ------
    ValueError : one differs.
    """
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    if offsets[-1] != len(data) or (sums(data, offsets) != expected).any():
        raise ValueError("spikes have another checksum")


def decode(
    data: NDArray[Any], count: NDArray[np.int64], size: int, encoding: Encoding
) -> NDArray[np.uint32]:
    """Return neurons, (spike,), from what a recording holds of some steps.

    Parameters
    ----------
    data : (spike,) neurons, or (byte,) gaps.
    count : (step,), spikes in each step.
    size : neurons in the population.

    Raises
    ------
    ValueError : there are not as many spikes as `count` says, or a neuron is not in the population.
    """
    neuron = _decode_gaps(data, count) if encoding == "compact" else data.astype(np.uint32)
    if len(neuron) != count.sum():
        raise ValueError("the number of spikes is not the sum of the counts")
    if len(neuron) and neuron.max() >= size:
        raise ValueError(f"a neuron is not below {size}")
    return neuron.astype(np.uint32, copy=False)


def _decode_gaps(code: NDArray[np.uint8], count: NDArray[np.int64]) -> NDArray[np.uint32]:
    spike = code != ESCAPE
    if np.count_nonzero(spike) != count.sum() or not spike[-1:].all():
        raise ValueError("the number of spikes is not the sum of the counts")
    # A spike is one neuron further than its gap. Sums that overflow do no harm to differences.
    reached = np.cumsum(code + spike, dtype=np.uint32)[spike]
    before = np.concatenate((np.zeros(1, np.uint32), reached))[np.cumsum(count) - count]
    neuron: NDArray[np.uint32] = reached - np.repeat(before, count) - np.uint32(1)
    return neuron
