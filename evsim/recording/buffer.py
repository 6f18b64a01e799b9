"""Data that wait for their dataset."""

from __future__ import annotations

import math

import h5py
import numpy as np
from numpy.typing import ArrayLike

from evsim.recording.columns import Column

LIMIT = 1 << 20
"""Bytes that wait before they are written, unless one row has more."""


class Buffer:
    """Rows at the end of a dataset, of which the last are not written yet.

    Attributes
    ----------
    capacity : rows that wait at most.
    written : rows in the dataset.
    """

    def __init__(self, dataset: h5py.Dataset, column: Column, written: int):
        row = math.prod(column.tail) * column.dtype.itemsize
        self.capacity = max(1, LIMIT // row)
        self.written = written
        self._dataset = dataset
        self._rows = np.empty((self.capacity, *column.tail), column.dtype)
        self._waiting = 0

    @property
    def end(self) -> int:
        """Rows in the dataset and waiting."""
        return self.written + self._waiting

    def append(self, values: ArrayLike) -> None:
        """Add copies of `values`, (row, ...) or one row; write when enough wait."""
        rows = np.asarray(values).reshape(-1, *self._rows.shape[1:])
        for begin in range(0, len(rows), self.capacity):
            part = rows[begin : begin + self.capacity]
            if self._waiting + len(part) > self.capacity:
                self.write()
            self._rows[self._waiting : self._waiting + len(part)] = part
            self._waiting += len(part)

    def write(self) -> None:
        """Hand all that waits to HDF5."""
        if self._waiting:
            self._dataset.resize(self.end, axis=0)
            self._dataset[self.written : self.end] = self._rows[: self._waiting]
            self.written, self._waiting = self.end, 0
