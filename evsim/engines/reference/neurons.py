"""Populations as NeuronGroups."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.build import brian2_compat as compat
from evsim.build.plan import Block, NeuronCode, Plan, Population


def code_of(population: Population) -> NeuronCode:
    """Return a population's neuron; one that only holds values has no code."""
    if population.neuron is not None:
        return population.neuron
    lines = [f"{v.name} : {v.unit}" for v in population.variables.values()]
    return NeuronCode("\n".join(lines), None, None, None, None, {}, {}, {})


def constant_lines(plan: Plan, blocks: Iterable[Block], known: Iterable[str]) -> list[str]:
    """Return equations for the protocol constants that learning code reads, besides `known` ones."""
    names = {
        symbol.variable
        for block in blocks
        for symbol in block.symbols.values()
        if symbol.role == "state" and ("", symbol.variable) in plan.shared
    }
    return [
        f"{name} : {compat.unit_text(plan.constants[name])} (shared)"
        for name in sorted(names - set(known))
    ]


class Cells:
    """One population.

    Attributes
    ----------
    group : its NeuronGroup, which also declares `g` where it learns a variable.
    """

    def __init__(self, plan: Plan, name: str, clock: Any):
        self.population = plan.populations[name]
        self.code = code_of(self.population)
        self.learned = [
            r for r in plan.rules.values() if r.variable is not None and r.population == name
        ]
        blocks = [b for r in self.learned for b in (*r.at_end.values(), *r.every_step.values())]
        extra = constant_lines(plan, blocks, (*self.code.drives, *self.population.variables))
        if self.learned:
            extra.append("g : 1")
        self.group = compat.neuron_group(name, self.population.size, self.code, clock, extra)
        self.constants = [n for at, n in plan.shared if not at and self._declares(n)]

    def _declares(self, constant: str) -> bool:
        variable = self.group.variables.get(constant)
        return variable is not None and constant not in self.population.variables

    def read(self, variable: str) -> NDArray[Any]:
        """Return a copy of a variable, (neuron,) or () where it is shared."""
        values = np.array(self.group.variables[variable].get_value())
        return values[0] if self.population.variables[variable].shared else values

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
