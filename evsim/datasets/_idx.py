"""The idx file format of MNIST and its relatives."""

from __future__ import annotations

import gzip
import math
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from evsim.errors import DataError

_UNSIGNED_BYTE = 8


def parse_idx(content: bytes, name: str) -> NDArray[np.uint8]:
    """Return the array of a gzipped idx file of unsigned bytes.

    Parameters
    ----------
    content : the file's bytes.
    name : the file's name, for messages.

    Raises
    ------
    DataError : not gzip, not idx, of another element type, truncated or too long.
    """
    try:
        data = gzip.decompress(content)
    except (EOFError, zlib.error) as error:
        raise DataError(
            f"{name} is truncated or damaged after {len(content)} bytes; copy or download it again."
        ) from error
    except gzip.BadGzipFile as error:
        raise DataError(f"{name} is not a gzip file; expected the gzipped idx file.") from error
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] != _UNSIGNED_BYTE or data[3] == 0:
        raise DataError(
            f"{name} is not an idx file of unsigned bytes: expected it to begin with 00 00 08, "
            f"not '{data[:4].hex(' ')}'."
        )
    start = 4 + 4 * data[3]
    if len(data) < start:
        raise DataError(f"{name} ends inside its header; copy or download it again.")
    shape = struct.unpack(f">{data[3]}I", data[4:start])
    if len(data) - start != math.prod(shape):
        sizes = " x ".join(map(str, shape))
        raise DataError(
            f"{name} declares {sizes} = {math.prod(shape)} bytes but holds {len(data) - start}; "
            "copy or download it again."
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)
