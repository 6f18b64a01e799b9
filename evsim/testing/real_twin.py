"""A spiking network with the values that its spikes stand for in their place, for autograd.

A neuron whose threshold looks at a variable, from which its reset subtracts an amount, sends that
variable in whole amounts and keeps the rest. Its real-valued twin sends all of it in every step and
keeps nothing: what spikes tend to as they become small and many, of either sign. A sigma-delta
neuron's spikes stand for what its encoder makes of its activation, so that receivers decode the
weighted sum of activations without any error.

Reference: P. O'Connor, E. Gavves, M. Welling, Training a spiking neural network with equilibrium
propagation, AISTATS 2019 (the quantiser).
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from evsim.build.code import Block
from evsim.build.plan import Plan
from evsim.errors import EngineError
from evsim.testing.torch_code import evaluate
from evsim.testing.torch_network import DenseNetwork, Key


@dataclass(frozen=True)
class Meaning:
    """What spikes of a population stand for.

    Attributes
    ----------
    variable : of the neuron.
    amount : of it that one spike takes away; None where the variable is sent as it is and stays.
    """

    variable: str
    amount: float | None


def meanings(plan: Plan, value: str | None = None) -> dict[str, Meaning]:
    """Return what the spikes of every population that sends some stand for.

    Parameters
    ----------
    value : variable that spikes stand for; by default the neuron's code says it.

    Raises
    ------
    EngineError : no value can be said to be sent; names the population.
    """
    found: dict[str, Meaning] = {}
    for block in plan.blocks:
        if block.template == "threshold":
            if block.refractory:
                raise EngineError(f"'{block.owner}' is refractory, which values are not")
            if value is None:
                found[block.owner] = _meaning(plan, block)
            elif value in plan.populations[block.owner].variables:
                found[block.owner] = Meaning(value, None)
            else:
                raise EngineError(f"'{block.owner}' spikes and has no variable '{value}'")
    return found


def _meaning(plan: Plan, threshold: Block) -> Meaning:
    owner = threshold.owner
    resets = [b for b in plan.blocks if b.owner == owner and b.template == "reset"]
    variable = _compared(threshold)
    for reset in resets:
        for statement in (*reset.scalar, *reset.vector):
            amount = _literal(reset, statement.expr)
            if (statement.var, statement.op) == (variable, "-=") and amount and amount > 0:
                if len((*reset.scalar, *reset.vector)) == 1:
                    return Meaning(variable, amount)
    code = "; ".join(reset.code.strip() for reset in resets) or "nothing"
    raise EngineError(
        f"spikes of '{owner}' stand for no value: its reset, `{code}`, does not just subtract a "
        "number from the variable of its threshold"
    )


def _compared(block: Block) -> str:
    """Return the variable that a threshold `variable > number` looks at, else ""."""
    if not block.scalar and len(block.vector) == 1:
        match ast.parse(block.vector[0].expr, mode="eval").body:
            case ast.Compare(left=ast.Name(id=name), ops=[ast.Gt() | ast.GtE()]):
                return name if block.symbols[name].role == "state" else ""
    return ""


def _literal(block: Block, expression: str) -> float | None:
    names = {name: s.value for name, s in block.symbols.items() if s.role == "literal"}
    try:
        return float(evaluate(expression, names))
    except EngineError:
        return None


class RealTwin(DenseNetwork):
    """A plan's network with values for spikes.

    Parameters
    ----------
    value : see `meanings`.
    dtype : of states; parameters that are loaded must have it too.

    Raises
    ------
    EngineError : the plan has no such twin; the text says why.
    """

    def __init__(self, plan: Plan, value: str | None = None, dtype: torch.dtype = torch.float64):
        super().__init__(plan, folded=True, dtype=dtype)
        self.meanings = meanings(plan, value)

    def _run(self, block: Block, row: Mapping[Key, float], clock: Mapping[str, Any]) -> None:
        meaning = self.meanings.get(block.owner)
        if meaning is None or block.template not in ("threshold", "reset"):
            super()._run(block, row, clock)
            return
        key = (block.owner, meaning.variable)
        if block.template == "threshold":
            self.spikes[block.owner] = self.state[key] / (meaning.amount or 1.0)
        elif meaning.amount is not None:
            self.state[key] = torch.zeros_like(self.state[key])
