"""The fused engine: a trial runs whole on one core, every step of every phase in compiled code."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.build.plan import Plan
from evsim.engines.base import NotFinite, Program
from evsim.engines.fused import gradients
from evsim.engines.fused.loaded import Loaded
from evsim.engines.fused.program import Compiled, Math, compile_plan
from evsim.engines.fused.projections import KERNELS, ListKernel
from evsim.engines.fused.render import FUNCTIONS
from evsim.engines.fused.simulation import FusedSimulation
from evsim.engines.traffic import is_static


def applies(plan: Plan) -> str | None:
    """Return why the fused engine cannot run a plan, or None."""
    for block in plan.code:
        for name, symbol in block.symbols.items():
            if symbol.role == "function" and name not in FUNCTIONS:
                return f"'{block.name}': the function '{name}' has no fused form"
    for rule in plan.rules.values():
        reason = gradients.applies(plan, rule)
        if reason is not None:
            return f"learning of '{rule.parameter}': {reason}"
    return None


class FusedProgram(Program):
    """A plan compiled to machine code, with its weights packed in the order they are met."""

    def __init__(self, plan: Plan, math: Math = "own"):
        self.plan = plan
        self.compiled = compile_plan(plan, math)
        self.loaded = Loaded(self.compiled)
        self._warm_up()

    def load(self, parameters: Mapping[str, NDArray[Any]]) -> None:
        """Pack new parameters; simulations see them at once."""
        self.loaded.load(parameters)

    def simulation(self) -> FusedSimulation:
        """Return a new simulation with state of its own."""
        return FusedSimulation(self.loaded)

    def gradients(self, total: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Return flat gradients by parameter."""
        return self.compiled.gradients.unpack(total)

    def explain(self) -> list[str]:
        """Return the path that every projection, rule and variable takes."""
        lines = []
        for name, projection in self.plan.projections.items():
            what = "sums once a trial" if is_static(self.plan, projection) else "event-driven"
            if self._is_listed(name):
                what += ", synapses in a list, as their delays differ"
            if projection.code is not None:
                what += ", code synapse by synapse"
            both = ", with its adjoint" if projection.feedback_variable else ""
            lines.append(f"projection {name}: {projection.geometry.kind}, {what}{both}")
        for name, reason in self.compiled.gradients.reasons.items():
            path = "correlation" if reason is None else f"synapse by synapse, because {reason}"
            lines.append(f"learning of {name}: {path}")
        for (population, variable), value in self.compiled.layout.uniform.items():
            lines.append(f"constant {population}.{variable} = {value}")
        return lines

    def _is_listed(self, name: str) -> bool:
        """Return whether a projection has a kernel of its kind that is not taken."""
        kernel = self.compiled.weights.kernels.get(name)
        kind = type(self.plan.projections[name].geometry)
        return isinstance(kernel, ListKernel) and kind in KERNELS

    def _warm_up(self) -> None:
        """Compile everything now, in one thread."""
        simulation = self.simulation()
        simulation.begin({})
        for phase in self.plan.phases.values():
            simulation.enter(phase.name)
            with suppress(NotFinite):  # The run will tell.
                simulation.advance(0, record=True)
            for every_step in (False, True):
                simulation.learn(phase.name, every_step)
            simulation.leave()


def compile(plan: Plan, math: Math = "own") -> FusedProgram:
    """Return the compiled program of a plan.

    Parameters
    ----------
    math : "own" exponentials and logarithms, the same everywhere, or "libm", the C library's.
    """
    return FusedProgram(plan, math)


__all__ = ["Compiled", "FusedProgram", "FusedSimulation", "applies", "compile"]
