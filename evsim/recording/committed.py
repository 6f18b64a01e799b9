"""The datasets of a recording, as far as its last commit goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from evsim.recording import hdf5
from evsim.recording.columns import columns

_BLOCK = 1 << 20


class Committed:
    """Rows that a commit covers; `refresh` looks for a later one, `close` ends it.

    Attributes
    ----------
    path : of the HDF5 file.
    layout : what it holds.
    closed : False while a writer has it open, or was killed.
    lengths : dataset -> rows.
    """

    def __init__(self, path: Path):
        self.path = path
        self._file, self.layout, self.closed = hdf5.open_for_reading(path)
        self._open: dict[str, h5py.Dataset] = {}
        try:
            self.refresh()
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Close the file; nothing can be read afterwards."""
        self._file.close()

    def refresh(self) -> None:
        """Take note of the last commit.

        Raises
        ------
        RecordingError : the file is damaged.
        """
        every = columns(self.layout)
        self._open.clear()
        with hdf5.reading(self.path):
            _, self.lengths = hdf5.read_commit(self._file, every, live=not self.closed)

    def read(self, path: str, begin: int = 0, end: int | None = None) -> NDArray[Any]:
        """Return rows of a dataset; by default all.

        Raises
        ------
        RecordingError : the rows are not there, or damaged.
        """
        length = self.lengths[path]
        stop = length if end is None else int(end)
        with hdf5.reading(self.path):
            if not 0 <= int(begin) <= stop <= length:
                raise ValueError(f"'{path}' has {length} rows, not {stop}")
            return np.asarray(self._dataset(path)[int(begin) : stop])

    def text(self, name: str) -> str:
        """Return the text of a dataset.

        Raises
        ------
        RecordingError : it is damaged.
        """
        with hdf5.reading(self.path):
            return hdf5.read_text(self._file, name)

    def total(self, path: str) -> int:
        """Return the sum of a dataset, read in blocks."""
        length = self.lengths[path]
        starts = range(0, length, _BLOCK)
        blocks = (self.read(path, start, min(length, start + _BLOCK)) for start in starts)
        return sum(int(block.sum(dtype=int)) for block in blocks)

    def stored(self, path: str) -> int:
        """Return the bytes that the rows of a dataset take in the file."""
        with hdf5.reading(self.path):
            dataset = self._dataset(path)
            # The last block is allocated whole, however few rows it has.
            rows: int = self.lengths[path] * dataset.dtype.itemsize
            return min(int(dataset.id.get_storage_size()), rows)

    def _dataset(self, path: str) -> h5py.Dataset:
        """Return a dataset, which stays open: a closed one forgets the blocks it decompressed."""
        if path not in self._open:
            self._open[path] = self._file[path]
        return self._open[path]
