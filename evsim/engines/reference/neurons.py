"""Populations as NeuronGroups."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.build import brian2_compat as compat
from evsim.build.code import NeuronCode
from evsim.build.plan import Population
from evsim.engines.reference.replay import CODE


def code_of(population: Population) -> NeuronCode:
    """Return a population's neuron; one that only holds values has no code."""
    if population.neuron is not None:
        return population.neuron
    if population.replay is not None:
        return CODE
    lines = map(compat.declaration, population.variables.values())
    return NeuronCode("\n".join(lines), None, None, None, None, {}, {}, {})


class Cells:
    """One population.

    Attributes
    ----------
    group : its NeuronGroup.
    constants : names of the protocol constants that its code sees.
    """

    def __init__(self, population: Population, clock: Any):
        self.population = population
        code = code_of(population)
        self.constants = list(code.drives)
        self.group = compat.neuron_group(population.name, population.size, code, clock)

    def read(self, variable: str) -> NDArray[Any]:
        """Return a copy of a variable, (neuron,) or () where it is shared."""
        values = np.array(self.group.variables[variable].get_value())
        return values[0] if self.population.variables[variable].shared else values

    def each(self, variable: str) -> NDArray[Any]:
        """Return a variable's value for each neuron, (neuron,), shared ones too."""
        return np.broadcast_to(self.read(variable), self.population.size)

    def write(self, variable: str, values: Any) -> None:
        """Set a variable for all neurons."""
        self.group.variables[variable].set_value(values)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return a copy of every variable."""
        return {name: self.read(name) for name in self.population.variables}

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Set every variable to a copy that `state` returned."""
        for name, values in state.items():
            self.write(name, values)

    def spiking(self) -> NDArray[np.uint32]:
        """Return the neurons that spike in the present step, ascending."""
        return np.array(self.group.spikes, np.uint32)
