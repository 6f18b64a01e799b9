"""Learning code as Brian2 runs it: on synapses, one for each connection, or on neurons.

Code runs with `g` at 0; what it leaves there is the connection's change. A weight's gradient is the sum
over its connections, each times its coefficient.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import brian2
import numpy as np
from numpy.typing import NDArray

from evsim.build import brian2_compat as compat
from evsim.build.plan import Plan, Projection, Rule
from evsim.build.weights import gather
from evsim.engines.reference.neurons import Cells, constant_lines


class Learning(ABC):
    """One rule.

    Attributes
    ----------
    group : the Brian2 group that declares `g`.
    constants : names of the protocol constants that it declares.
    """

    group: Any
    constants: list[str]

    def __init__(self, rule: Rule, clock: Any):
        self.rule, self.clock = rule, clock
        self.runners: dict[tuple[bool, str], Any] = {}

    def add_code(self) -> None:
        """Make the objects that run the rule's code; they are not part of a step."""
        for every_step, blocks in ((False, self.rule.at_end), (True, self.rule.every_step)):
            for phase, block in blocks.items():
                name = f"{self.rule.parameter}_{'every_step' if every_step else 'at_end'}_{phase}"
                self.runners[every_step, phase] = self.group.run_regularly(
                    block.code, clock=self.clock, name="learn_" + name.replace(".", "_")
                )

    def gradient(self, phase: str, every_step: bool) -> NDArray[np.float64] | None:
        """Return what the phase's code adds to the parameter, flat, or None without code."""
        runner = self.runners.get((every_step, phase))
        if runner is None:
            return None
        self.group.variables["g"].set_value(0)
        runner.run()
        return self._collect(np.array(self.group.variables["g"].get_value()))

    def load(self, values: NDArray[Any]) -> None:
        """Take new values of the parameter."""
        return None

    @abstractmethod
    def _collect(self, changes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the parameter's gradient from the values of `g`."""


class SynapticLearning(Learning):
    """Learning of a projection's weights."""

    def __init__(
        self,
        plan: Plan,
        rule: Rule,
        projection: Projection,
        cells: Mapping[str, Cells],
        clock: Any,
    ):
        super().__init__(rule, clock)
        pre, post, self.weight, self.coefficient = projection.geometry.synapses()
        self.count = int(np.prod(projection.geometry.weight_shape))
        lines = constant_lines(plan, [*rule.at_end.values(), *rule.every_step.values()], ())
        self.constants = [line.partition(" ")[0] for line in lines]
        self.group = brian2.Synapses(
            cells[projection.source].group,
            cells[projection.target].group,
            "\n".join(["w : 1", "g : 1", *lines]),
            clock=clock,
            name=f"learn_{rule.parameter}",
            namespace={},
        )
        compat.connect(self.group, pre, post)
        self.add_code()

    def load(self, values: NDArray[Any]) -> None:
        self.group.variables["w"].set_value(np.asarray(values).ravel()[self.weight])

    def _collect(self, changes: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(self.weight, changes * self.coefficient, minlength=self.count)


class NeuralLearning(Learning):
    """Learning of a population's variable."""

    def __init__(self, rule: Rule, cells: Cells, clock: Any):
        super().__init__(rule, clock)
        self.group, self.constants = cells.group, []
        assert rule.variable is not None
        self.share = cells.population.variables[rule.variable].share
        self.shape = cells.population.shape
        self.add_code()

    def _collect(self, changes: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.atleast_1d(gather(changes, self.shape, self.share)).ravel()
