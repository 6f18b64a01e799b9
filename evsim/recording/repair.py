"""Copies the beginning of a recording: how one that a killed run left is mended."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import h5py

from evsim.recording import hdf5
from evsim.recording.columns import columns
from evsim.recording.layout import Layout

_BYTES = 1 << 22


def copy_until(source: h5py.File, path: Path, layout: Layout, position: Mapping[str, int]) -> Path:
    """Copy what stands before `position` into a new file beside `path`; return its path.

    Raises
    ------
    RecordingError : `source`, the file at `path`, is damaged.
    RunError : the new file cannot be written.
    """
    fresh = hdf5.beside(path)
    every = columns(layout)
    with hdf5.writing(path):
        with hdf5.reading(path):
            provenance = source["provenance"].asstr()[()]
        hdf5.create(fresh, layout, provenance)
        with h5py.File(fresh, "r+", libver="latest") as target:
            for column in every:
                _copy(source[column.path], target[column.path], position[column.path], path)
            hdf5.write_commit(target, 2, {column.path: position[column.path] for column in every})
    return fresh


def _copy(source: h5py.Dataset, target: h5py.Dataset, rows: int, path: Path) -> None:
    target.resize(rows, axis=0)
    row = source.dtype.itemsize * math.prod(source.shape[1:])
    step = max(source.chunks[0], _BYTES // max(row, 1))
    for begin in range(0, rows, step):
        end = min(rows, begin + step)
        with hdf5.reading(path):
            data = source[begin:end]
        target[begin:end] = data
