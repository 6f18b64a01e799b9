"""What is kept while a phase runs: spikes, their number, means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.engines.base import Spikes
from evsim.engines.reference.neurons import Cells


class SpikeProbe:
    """Spikes of one population."""

    def __init__(self) -> None:
        self.total = 0
        self.steps: list[NDArray[np.uint32]] = []

    def observe(self, neurons: NDArray[np.uint32], record: bool) -> None:
        """Take one step's spikes."""
        self.total += len(neurons)
        if record:
            self.steps.append(neurons)

    def take(self) -> Spikes:
        """Return and clear the recorded steps."""
        steps, self.steps = self.steps, []
        count = np.array([len(neurons) for neurons in steps], np.uint32)
        return Spikes(count, np.concatenate([np.zeros(0, np.uint32), *steps]))

    def take_total(self) -> int:
        """Return and clear the number of spikes."""
        total, self.total = self.total, 0
        return total


class Means:
    """Means of variables over steps of a phase."""

    def __init__(self) -> None:
        self.sums: dict[tuple[str, str], NDArray[Any]] = {}
        self.steps = 0

    def observe(self, cells: Mapping[str, Cells], names: tuple[str, ...]) -> None:
        """Add the present values of every population's variables of these names."""
        self.steps += 1
        for population, found in cells.items():
            for name in names:
                variable = found.population.variables.get(name)
                if variable is not None and variable.kind == "float":
                    values = found.read(name)
                    self.sums[population, name] = self.sums.get((population, name), 0) + values

    def means(self) -> dict[tuple[str, str], NDArray[Any]]:
        """Return the means."""
        return {key: total / self.steps for key, total in self.sums.items()}
