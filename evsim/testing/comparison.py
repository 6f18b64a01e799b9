"""Equilibrium propagation with spikes and with values against one gradient, by parameter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from evsim.analysis.gradients import Agreement, Curves
from evsim.build.plan import Plan
from evsim.engines import load
from evsim.engines.base import NotFinite, Program
from evsim.errors import InputError, RunError
from evsim.orchestrator.samples import Samples
from evsim.spec import schema
from evsim.testing.ep_task import Task, propagated
from evsim.testing.gradient_curves import curves
from evsim.testing.gradients import Gradients
from evsim.testing.real_twin import Meaning


@dataclass(frozen=True)
class Row:
    """One parameter.

    Attributes
    ----------
    spiking, real : how what the network, and its real-valued twin, would learn agrees with minus
        the twin's gradient.
    differences : how far central differences of the twin's loss are from its gradient, relatively.
    """

    spiking: Agreement
    real: Agreement
    differences: float


@dataclass(frozen=True)
class Comparison:
    """What `compare` found.

    Attributes
    ----------
    trials : samples.
    meanings : population -> what its spikes stand for in the twin.
    rows : by parameter.
    curves : by parameter, step by step; empty unless asked for.
    """

    trials: int
    meanings: Mapping[str, Meaning]
    rows: Mapping[str, Row]
    curves: Mapping[str, Curves]


def compare(
    network: schema.Network,
    plan: Plan,
    real: Plan,
    samples: Samples,
    parameters: Mapping[str, NDArray[Any]],
    trials: int,
    value: str | None = None,
    step_by_step: bool = False,
) -> Comparison:
    """Compare what a network learns with the gradient of its real-valued twin.

    Parameters
    ----------
    real : plan of the twin, which may differ in fields that matter to spikes only.
    parameters : as in `Plan.parameters`.
    trials : training samples, the first ones.
    value : variable that spikes stand for; by default the neuron's reset says it.

    Raises
    ------
    EngineError : the network has no real-valued twin, or the fused engine cannot run it.
    InputError : nothing is read out, no nudged phase learns, or the twin is another network.
    RunError : a state is not finite.
    """
    if not _alike(plan, real):
        raise InputError("The twin must have the network's phases, and parameters of its shapes.")
    task = Task(network, plan, samples, trials)
    gradients = Gradients(real, parameters, task, value)
    engine = load("fused")
    reason = engine.applies(plan)
    if reason is not None:
        raise InputError(f"The fused engine cannot run this network: {reason}.")
    program: Program = engine.compile(plan)
    program.load(parameters)
    try:
        found = curves(gradients, program) if step_by_step else {}
        spiking = propagated(program, task.samples, (*task.free, *task.nudged))
    except NotFinite as error:
        raise RunError(f"The network cannot be compared: {error}.") from None
    twins = gradients.propagated()
    slopes, errors = gradients.backpropagated(task.trials), gradients.difference_errors()
    rows = {
        name: Row(
            Agreement.of(spiking[name], slopes[name]),
            Agreement.of(twins[name], slopes[name]),
            errors[name],
        )
        for name in plan.rules
    }
    return Comparison(task.trials, gradients.twin.meanings, rows, found)


def _alike(plan: Plan, real: Plan) -> bool:
    shapes = [{name: p.shape for name, p in one.parameters.items()} for one in (plan, real)]
    return shapes[0] == shapes[1] and plan.phases.keys() == real.phases.keys()
