"""Step by step: updates of equilibrium propagation, and gradients truncated to as many steps.

Reference: M. Ernoult, J. Grollier, D. Querlioz, Y. Bengio, B. Scellier, Updates of equilibrium prop
match gradients of backprop through time in an RNN with static input, NeurIPS 2019. There the n-th
step of the nudged phase adds what the n-th step before the readout has in the gradient, in networks
that remember nothing but the activations.
"""

from __future__ import annotations

import numpy as np
import torch

from evsim.analysis.gradients import Curves
from evsim.engines.base import Program, Simulation
from evsim.errors import Fault, InputError
from evsim.testing import torch_rules
from evsim.testing.ep_task import Arrays
from evsim.testing.gradients import Gradients, Tensors, add, slopes
from evsim.testing.torch_network import Key


def curves(gradients: Gradients, program: Program) -> dict[str, Curves]:
    """Return, by parameter, how updates build up and what the gradient is through as many steps.

    Parameters
    ----------
    program : of the network with spikes, whose learning is shown beside that of the twin. It is
        left out where sums compete, because what won in a step is not known outside the engine.

    Raises
    ------
    InputError : the twin remembers more than the activations.
    """
    memory = _memory(gradients)
    if memory is not None:
        raise InputError(
            Fault(
                f"Single steps cannot be compared: in the twin, '{memory}' remembers steps before.",
                hint="take its memory away in the twin, such as `--twin protocol.constants.lam=1`",
            )
        )
    plan, task = gradients.plan, gradients.task
    phases = (task.free[-1], *task.nudged)
    steps = min(plan.phases[name].steps for name in phases)
    gradient, real = _gradient(gradients, steps), _real(gradients, steps)
    competing = any(p.geometry.windows is not None for p in plan.projections.values())
    spiking = {} if competing else _spiking(gradients, program, steps)
    return {name: Curves(gradient[name], real[name], spiking.get(name)) for name in plan.rules}


def _gradient(gradients: Gradients, steps: int) -> Arrays:
    """Return minus the gradient through the last 1, 2, ... free steps, (step, *parameter).

    Every step has parameters of its own, so that one pass backwards gives the gradient by each.
    """
    twin, task, phase = gradients.twin, gradients.task, gradients.task.free[-1]
    first = gradients.plan.phases[phase].steps - steps
    total = gradients.zeros(steps)
    for begin, end in gradients.parts(task.trials):
        twin.load(gradients.parameters)
        twin.begin(task.part(begin, end), end - begin)
        for name in task.free[:-1]:
            twin.run(name)
        twin.enter(phase)
        twin.advance(phase, first)
        leaves: dict[tuple[str, int], torch.Tensor] = {}
        for step in range(steps):
            own = gradients.leaves()
            leaves |= {(name, step): leaf for name, leaf in own.items()}
            twin.load({**gradients.parameters, **own})
            twin.advance(phase, 1, first + step)
        for (name, step), slope in slopes(gradients.error(begin, end), leaves).items():
            total[name][steps - 1 - step] -= slope
    return _finished({name: found.cumsum(0) for name, found in total.items()}, task.trials)


def _real(gradients: Gradients, steps: int) -> Arrays:
    """Return what learning code would add after 1, 2, ... nudged steps of the twin."""
    twin, task, total = gradients.twin, gradients.task, gradients.zeros(steps)
    for begin, end in gradients.parts(task.trials):
        gradients.run_free(begin, end, gradients.parameters)
        add(total, gradients.free_contributions())
        for phase in task.nudged:
            twin.enter(phase)
            for step in range(steps):
                twin.advance(phase, 1, step)
                add(total, gradients.contributions(phase, twin.state), step)
    return _finished(total, task.trials)


def _spiking(gradients: Gradients, program: Program, steps: int) -> Arrays:
    """Return what learning code would add after 1, 2, ... nudged steps of the spiking network."""
    task, total, simulation = gradients.task, gradients.zeros(steps), program.simulation()
    for trial, inputs in enumerate(task.samples):
        simulation.begin(inputs, trial)
        for phase in task.free:
            simulation.enter(phase)
            simulation.advance(program.plan.phases[phase].steps)
            simulation.leave()
        if task.contrasts:
            add(total, gradients.contributions(phase, _states(gradients, simulation)))
        for phase in task.nudged:
            simulation.enter(phase)
            for step in range(steps):
                simulation.advance(1)
                add(total, gradients.contributions(phase, _states(gradients, simulation)), step)
    return _finished(total, task.trials)


def _states(gradients: Gradients, simulation: Simulation) -> dict[Key, torch.Tensor]:
    """Return what learning code reads, (1, *shape)."""
    populations = gradients.plan.populations
    return {
        (name, variable): torch.from_numpy(
            np.asarray(simulation.get(name, variable), np.float64)
        ).reshape(1, *populations[name].shape)
        for name, variable in torch_rules.variables(gradients.plan)
    }


def _finished(total: Tensors, trials: int) -> Arrays:
    return {name: found.numpy() / trials for name, found in total.items()}


def _memory(gradients: Gradients) -> str | None:
    """Return a variable through which a step depends on earlier ones' parameters, or None.

    What learning code reads may do so; any other variable must not.
    """
    twin, phase = gradients.twin, gradients.task.free[-1]
    read = set(torch_rules.variables(gradients.plan))
    last = gradients.plan.phases[phase].steps - 1
    gradients.run_free(0, 1, gradients.parameters)
    twin.load({**gradients.parameters, **gradients.leaves()})
    twin.advance(phase, 1, last)
    moved = {key: state.detach() for key, state in twin.state.items() if state.requires_grad}
    twin.state |= moved
    twin.load(gradients.parameters)
    # What loading replaced follows from parameters; anything else is left from the step before.
    others = {
        key: state.requires_grad_()
        for key, state in moved.items()
        if key not in read and twin.state[key] is state
    }
    twin.advance(phase, 1, last)
    seen = [twin.state[key].sum() for key in read if twin.state[key].requires_grad]
    if others and seen:
        for key, slope in slopes(torch.stack(seen).sum(), others).items():
            if bool(slope.any()):
                return ".".join(key)
    return None
