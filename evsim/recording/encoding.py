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


def check(data: NDArray[Any], lengths: NDArray[np.int64], expected: NDArray[np.uint32]) -> None:
    """Compare the checksums of consecutive parts.

    Parameters
    ----------
    lengths, expected : (part,)

    Raises
    ------
    ValueError : one differs.
    """
    offsets = [0, *np.cumsum(lengths).tolist()]
    found = [zlib.crc32(data[begin:end].data) for begin, end in pairwise(offsets)]
    if offsets[-1] != len(data) or found != expected.tolist():
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
