"""Values of shared inputs at every step, evaluated in pieces as steps are reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim import expressions, syntax, units
from evsim.streams import generator

PIECE = 4096
"""Steps that are evaluated at a time."""

KEPT = 16
"""Pieces in memory: trials on several threads are at different steps."""

SECOND = units.parse("1*second").dimensions


@dataclass(frozen=True)
class SharedInputs:
    """A phase's table of (steps, columns) values, of which only a few pieces are in memory.

    Attributes
    ----------
    steps : of the phase.
    first : value of the step count before the phase's first step (k - 1).
    dt : seconds.
    constants : protocol constants -> expressions over `k`, `t`, `dt` and the constants above.
    columns : names of constants, expressions, or values in SI units.
    seed, trial : what random constants depend on.
    """

    steps: int
    first: int
    dt: float
    constants: Mapping[str, str]
    columns: tuple[str | float, ...]
    seed: int = 0
    trial: int = 0

    def piece(self, step: int) -> tuple[int, NDArray[np.float64]]:
        """Return the piece in which a step lies: its first step and (step, column) values."""
        number = step // PIECE
        return number * PIECE, self._pieces(number)

    def row(self, step: int) -> NDArray[np.float64]:
        """Return the (column,) values at a step."""
        begin, values = self.piece(step)
        return np.asarray(values[step - begin])

    def at(self, first: int, trial: int) -> SharedInputs:
        """Return the table as it is in a trial, where the phase may begin at another step count."""
        if self._random:
            return replace(self, first=first, trial=trial)
        if first == self.first:
            return self
        return self._moved.setdefault(first, replace(self, first=first))

    @cached_property
    def _random(self) -> bool:
        return any(syntax.is_random(text) for text in self.constants.values())

    @cached_property
    def _moved(self) -> dict[int, SharedInputs]:
        return {}

    @cached_property
    def _pieces(self) -> Callable[[int], NDArray[np.float64]]:
        return lru_cache(KEPT)(self._evaluate)

    def _evaluate(self, number: int) -> NDArray[np.float64]:
        begin = number * PIECE
        count = min(PIECE, self.steps - begin)
        place = self.first + begin, count
        values = constant_values(self.constants, self.dt, *place, self.seed, self.trial)
        table = np.empty((count, len(self.columns)))
        for at, column in enumerate(self.columns):
            if isinstance(column, str):
                table[:, at] = expressions.evaluate_quantity(column, values).value
            else:
                table[:, at] = column
        return table


def constant_values(
    constants: Mapping[str, str], dt: float, first: int, steps: int, seed: int, trial: int = 0
) -> dict[str, Any]:
    """Return `k`, `t`, `dt` and every protocol constant over steps, (step,) where they vary.

    What a constant draws depends on `seed`, its name and `trial`.
    """
    k = np.arange(first + 1, first + steps + 1, dtype=np.float64)
    values: dict[str, Any] = {
        "k": k,
        "t": units.Measure((k - 1) * dt, SECOND),
        "dt": units.Measure(dt, SECOND),
    }
    for name, text in constants.items():
        values[name] = constant_value(name, text, values, seed, trial)
    return values


def constant_value(
    name: str, text: str, values: Mapping[str, Any], seed: int, trial: int = 0
) -> units.Measure:
    """Return the value of one constant from those above it; see `constant_values`."""
    draw = generator(seed, "constants", name, trial) if syntax.is_random(text) else None
    return expressions.evaluate_quantity(text, values, generator=draw)
