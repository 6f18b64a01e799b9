"""Learning code as Brian2 runs it: on synapses, one for each connection, or on neurons.

The code's groups only hold the values that it reads: states, or their means. It runs with `g` at
0; what it leaves there is a connection's change. A weight's gradient is the sum over its
connections, each times its coefficient. The code runs once a trial: NumPy is fast enough for it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import brian2
import numpy as np
from numpy.typing import NDArray

from evsim.build import brian2_compat as compat
from evsim.build.plan import Plan, Population, Rule
from evsim.build.weights import gather

Read = Callable[[str, str], NDArray[Any]]
"""Value of (population, variable)."""


class Learning(ABC):
    """One rule.

    Attributes
    ----------
    group : the Brian2 group that declares `g` and the protocol constants that the code reads.
    sides : side of the code ("pre", "post", "") -> population and the group that holds its values.
    """

    group: Any
    sides: dict[str, tuple[Population, Any]]

    def __init__(self, plan: Plan, rule: Rule, clock: Any):
        self.rule, self.clock = rule, clock
        self.blocks = {(False, phase): block for phase, block in rule.at_end.items()}
        self.blocks |= {(True, phase): block for phase, block in rule.every_step.items()}
        states = [s for b in self.blocks.values() for s in b.symbols.values() if s.role == "state"]
        self.constants = sorted({s.variable for s in states if ("", s.variable) in plan.shared})
        self.read_names = {
            side: sorted({s.variable for s in states if s.side == side} - {*self.constants})
            for side in ("pre", "post", "")
        }
        self.lines = [
            f"{name} : {compat.unit_text(plan.constants[name])} (shared)" for name in self.constants
        ]
        self.runners: dict[tuple[bool, str], Any] = {}

    def _values(self, population: Population, side: str, lines: tuple[str, ...] = ()) -> Any:
        """Return a group with the variables that the code reads of one side."""
        names = [n for n in self.read_names[side] if n in population.variables and n != "g"]
        variables = [population.variables[n] for n in names]
        name = f"learn_{self.rule.parameter}_{side}".replace(".", "_")
        model = "\n".join([*map(compat.declaration, variables), *lines])
        return brian2.NeuronGroup(population.size, model, clock=self.clock, name=name, namespace={})

    def _add_code(self) -> None:
        for (every_step, phase), block in self.blocks.items():
            name = f"{self.group.name}_{'every_step' if every_step else 'at_end'}_{phase}"
            self.runners[every_step, phase] = self.group.run_regularly(
                block.code, clock=self.clock, name=name
            )

    def set_constant(self, name: str, value: float) -> None:
        """Set a protocol constant if the code reads it."""
        if name in self.constants:
            self.group.variables[name].set_value(value)

    def gradient(self, phase: str, every_step: bool, read: Read) -> NDArray[np.float64] | None:
        """Return what the phase's code adds to the parameter, flat, or None without code."""
        runner = self.runners.get((every_step, phase))
        if runner is None:
            return None
        for population, group in self.sides.values():
            for name, variable in group.variables.items():
                if name in population.variables:
                    variable.set_value(read(population.name, name))
        self.group.variables["g"].set_value(0)
        runner.run()
        return self._collect(np.array(self.group.variables["g"].get_value()))

    def load(self, values: NDArray[Any]) -> None:
        """Take new values of the parameter."""
        return None

    @abstractmethod
    def _collect(self, changes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the parameter's gradient, flat, from the values of `g`."""


class SynapticLearning(Learning):
    """Learning of a projection's weights."""

    def __init__(self, plan: Plan, rule: Rule, clock: Any):
        super().__init__(plan, rule, clock)
        projection = plan.projections[rule.parameter]
        pre, post, self.weight, self.coefficient = projection.geometry.synapses()
        self.count = int(np.prod(projection.geometry.weight_shape))
        ends = {"pre": projection.source, "post": projection.target}
        self.sides = {
            side: (plan.populations[name], self._values(plan.populations[name], side))
            for side, name in ends.items()
        }
        self.group = brian2.Synapses(
            self.sides["pre"][1],
            self.sides["post"][1],
            "\n".join(["w : 1", "g : 1", *self.lines]),
            clock=clock,
            name=f"learn_{rule.parameter}",
            namespace={},
        )
        compat.connect(self.group, pre, post)
        self._add_code()

    def load(self, values: NDArray[Any]) -> None:
        self.group.variables["w"].set_value(np.asarray(values).ravel()[self.weight])

    def _collect(self, changes: NDArray[np.float64]) -> NDArray[np.float64]:
        terms = changes * self.coefficient
        return np.bincount(self.weight, terms, self.count).astype(np.float64)


class NeuralLearning(Learning):
    """Learning of a population's variable."""

    def __init__(self, plan: Plan, rule: Rule, clock: Any):
        super().__init__(plan, rule, clock)
        population = plan.populations[rule.population]
        assert rule.variable is not None
        self.share, self.shape = population.variables[rule.variable].share, population.shape
        self.group = self._values(population, "", ("g : 1", *self.lines))
        self.sides = {"": (population, self.group)}
        self._add_code()

    def _collect(self, changes: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.atleast_1d(gather(changes, self.shape, self.share)).ravel()


def learning(plan: Plan, rule: Rule, clock: Any) -> Learning:
    """Return the Brian2 objects of a rule."""
    kind = NeuralLearning if rule.projection is None else SynapticLearning
    return kind(plan, rule, clock)
