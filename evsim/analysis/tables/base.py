"""A table of figures with units, and what tables are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.recording.reader import Run

Value = str | int | float


@dataclass(frozen=True)
class Table:
    """Rows of values.

    Attributes
    ----------
    units : column -> unit, "" for plain numbers and words, in the order of the columns.
    rows : each with a value a column; NaN where there is none.
    """

    units: Mapping[str, str]
    rows: Sequence[tuple[Value, ...]]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self.units)

    def column(self, name: str) -> list[Value]:
        """Return the values of a column."""
        at = self.columns.index(name)
        return [row[at] for row in self.rows]

    def records(self) -> list[dict[str, Value | None]]:
        """Return the rows as JSON can hold them: None for values that are no numbers."""
        return [
            {name: _plain(value) for name, value in zip(self.columns, row, strict=True)}
            for row in self.rows
        ]


def _plain(value: Value) -> Value | None:
    return None if isinstance(value, float) and not np.isfinite(value) else value


def last_epoch(run: Run, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return those rows of `run.trials` that belong to the last epoch among them."""
    if not len(rows):
        return rows
    epochs = run.trials["epoch"][rows]
    found: NDArray[np.int64] = rows[epochs == epochs.max()]
    return found


def steps(run: Run, trial: int, phase: str) -> int:
    """Return how many steps of a phase a trial kept, 0 where none."""
    begin, end = run.phases(trial).get(phase, (0, 0))
    return end - begin


def mean(values: NDArray[Any]) -> float:
    """Return the mean of the values that are numbers, NaN where none is."""
    numbers = values[np.isfinite(values)]
    return float(numbers.mean()) if numbers.size else float("nan")
