"""Counter-based random streams: what is drawn depends on the seed and the stream's name only."""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, *stream: str | int) -> np.random.Generator:
    """Return the Philox generator of a named stream.

    Parameters
    ----------
    seed : of the network.
    stream : names and numbers that tell the stream from others, as ("weights", "k1").

    References
    ----------
    Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC 2011.
    """
    text = "\x1f".join([str(seed), *map(str, stream)])
    key = hashlib.sha256(text.encode()).digest()[:16]
    return np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))


def stream_key(seed: int, *stream: str | int) -> int:
    """Return the 64-bit key of a named stream, for numbers that are drawn one by one."""
    text = "\x1f".join([str(seed), *map(str, stream)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
