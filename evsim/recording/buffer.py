"""Data that wait for their dataset."""

from __future__ import annotations

import math
from typing import Any

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

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
        self.capacity = max(1, LIMIT // max(1, row))
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
        # A trial has a dozen of these, and training waits for them.
        if isinstance(values, int | float):
            if self._waiting == self.capacity:
                self.write()
            self._rows[self._waiting] = values
            self._waiting += 1
            return
        rows = np.asarray(values)
        if rows.shape == self._rows.shape[1:]:
            rows = rows[None]
        elif rows.ndim != self._rows.ndim:
            rows = rows.reshape(-1, *self._rows.shape[1:])
        end = self._waiting + len(rows)
        if end <= self.capacity:
            self._rows[self._waiting : end] = rows
            self._waiting = end
            return
        self.write()
        for begin in range(0, len(rows), self.capacity):
            part = rows[begin : begin + self.capacity]
            if len(part) == self.capacity:
                self._put(part)
            else:
                self._rows[: len(part)] = part
                self._waiting = len(part)

    def write(self) -> None:
        """Hand all that waits to HDF5."""
        if self._waiting:
            self._put(self._rows[: self._waiting])
            self._waiting = 0

    def _put(self, rows: NDArray[Any]) -> None:
        end = self.written + len(rows)
        self._dataset.resize(end, axis=0)
        self._dataset[self.written : end] = rows.astype(self._rows.dtype, copy=False)
        self.written = end
