"""Data that wait for their dataset."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

from evsim.recording.columns import Column

LIMIT = 1 << 20
"""Bytes that wait before they are written."""


class Buffer:
    """Rows at the end of a dataset, of which the last are not written yet.

    Attributes
    ----------
    written : rows in the dataset.
    end : rows in the dataset and waiting.
    """

    def __init__(self, dataset: h5py.Dataset, column: Column, written: int):
        self.written = self.end = written
        self._dataset, self._column = dataset, column
        self._waiting: list[NDArray[Any]] = []
        self._bytes = 0

    def append(self, rows: ArrayLike) -> None:
        """Add copies of `rows`, (row, ...) or one row; write when enough wait."""
        array = np.array(rows, self._column.dtype).reshape(-1, *self._column.tail)
        self._waiting.append(array)
        self.end += len(array)
        self._bytes += array.nbytes
        if self._bytes >= LIMIT:
            self.write()

    def write(self) -> None:
        """Hand all that waits to HDF5."""
        if self.end > self.written:
            self._dataset.resize(self.end, axis=0)
            self._dataset[self.written : self.end] = np.concatenate(self._waiting)
        self.written = self.end
        self._waiting.clear()
        self._bytes = 0
