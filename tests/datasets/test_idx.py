from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.testing import assert_array_equal

from evsim.datasets._idx import parse_idx
from evsim.errors import DataError

ARRAYS = arrays(np.uint8, array_shapes(max_dims=3, max_side=6))


def idx(values: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    return header + values.tobytes()


@given(ARRAYS)
def test_arrays_come_back(values: np.ndarray) -> None:
    assert_array_equal(parse_idx(gzip.compress(idx(values)), "x.gz"), values)


@given(ARRAYS, st.data())
def test_every_cut_is_noticed(values: np.ndarray, data: st.DataObject) -> None:
    whole = gzip.compress(idx(values))
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises(DataError, match=r"^folder/x\.gz "):
        parse_idx(cut, "folder/x.gz")
    body = idx(values)
    short = body[: data.draw(st.integers(0, len(body) - 1))]
    with pytest.raises(DataError, match=r"^folder/x\.gz "):
        parse_idx(gzip.compress(short), "folder/x.gz")


def test_foreign_files_are_refused_by_name() -> None:
    with pytest.raises(DataError, match="x.gz is not a gzip file"):
        parse_idx(b"PK\x03\x04 an archive", "x.gz")
    with pytest.raises(DataError, match="x.gz is not an idx file .* 00 00 08, not '89 50 4e 47'"):
        parse_idx(gzip.compress(b"\x89PNG and so on"), "x.gz")


def test_declared_size_is_compared_before_use() -> None:
    header = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**31, 2**31, 2**31)
    with pytest.raises(DataError, match="but holds 4"):
        parse_idx(gzip.compress(header + b"abcd"), "x.gz")
