"""What equilibrium propagation learns in a real-valued twin, and the gradient of its error.

The error is the readout's loss, a mean over trials; it is backpropagated through all steps up to
the readout. What is returned points where learning code moves parameters: minus the gradient.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from evsim.build.plan import Plan
from evsim.errors import EngineError
from evsim.testing import torch_rules
from evsim.testing.ep_task import Arrays, Task
from evsim.testing.real_twin import RealTwin
from evsim.testing.torch_network import Key

Tensors = dict[str, torch.Tensor]

TOGETHER = 8
"""Trials of the twin at a time, which bounds memory."""

COMPARED = 4
"""Trials over which finite differences are taken."""

DIRECTIONS = 2
STEP = 1e-6


class Gradients:
    """The twin's learning and its gradient over the trials of a task.

    Parameters
    ----------
    plan : of the twin.
    parameters : as in `Plan.parameters`.
    value : see `real_twin.meanings`.

    Raises
    ------
    EngineError : the plan has no real-valued twin; the text says why.
    """

    def __init__(
        self, plan: Plan, parameters: Mapping[str, NDArray[Any]], task: Task, value: str | None
    ):
        reason = torch_rules.applies(plan)
        if reason is not None:
            raise EngineError(reason)
        self.plan, self.task, self.twin = plan, task, RealTwin(plan, value)
        self.settled: Mapping[Key, torch.Tensor] = {}
        self.parameters = {
            name: torch.from_numpy(np.array(values, np.float64))
            for name, values in parameters.items()
        }

    def propagated(self) -> Arrays:
        """Return the mean over trials of what learning code adds in the twin, by parameter."""
        total = self.zeros()
        with torch.no_grad():
            for begin, end in self.parts(self.task.trials):
                self.run_free(begin, end, self.parameters)
                add(total, self.free_contributions())
                for phase in self.task.nudged:
                    values = self.twin.run(phase)
                    add(total, self.contributions(phase, values))
        return {name: (found / self.task.trials).numpy() for name, found in total.items()}

    def backpropagated(self, trials: int) -> Arrays:
        """Return minus the gradient of the error through all free steps, by parameter."""
        total = self.zeros()
        for begin, end in self.parts(trials):
            leaves = self.leaves()
            self.run_free(begin, end, {**self.parameters, **leaves})
            add(total, slopes(self.error(begin, end), leaves))
        return {name: (-found / trials).numpy() for name, found in total.items()}

    def difference_errors(self) -> dict[str, float]:
        """Return, by parameter, how far finite differences are from the gradient, relatively.

        Along random directions of each parameter, by the norm of what they say of all directions.
        """
        trials = min(COMPARED, self.task.trials)
        gradients, random = self.backpropagated(trials), np.random.default_rng(0)
        found = {}
        for name, slope in gradients.items():
            drawn = [random.standard_normal(slope.shape) for _ in range(DIRECTIONS)]
            directions = [np.asarray(one / np.linalg.norm(one)) for one in drawn]
            said = np.array([-np.vdot(slope, direction) for direction in directions])
            seen = np.array([self._difference(name, way, trials) for way in directions])
            size = np.linalg.norm(said)
            found[name] = float(np.linalg.norm(seen - said) / size) if size else float("nan")
        return found

    def leaves(self) -> Tensors:
        """Return copies of the parameters that learn, which gradients are taken by."""
        return {name: self.parameters[name].clone().requires_grad_() for name in self.plan.rules}

    def run_free(self, begin: int, end: int, parameters: Tensors) -> None:
        """Run some of the trials up to the readout."""
        self.twin.load(parameters)
        self.twin.begin(self.task.part(begin, end), end - begin)
        for phase in self.task.free:
            self.settled = self.twin.run(phase)

    def error(self, begin: int, end: int) -> torch.Tensor:
        """Return the error of some of the trials as `run_free` left them, summed."""
        return readout_error(self.twin, self.task, begin, end)

    def contributions(self, phase: str, values: Mapping[Key, torch.Tensor]) -> Tensors:
        """Return what a phase's learning code adds for these values, summed over their trials."""
        row = self.twin.shared(phase, self.plan.phases[phase].steps - 1)
        return torch_rules.contributions(self.plan, self.twin.layers, phase, values, row)

    def free_contributions(self) -> Tensors:
        """Return `contributions` of the last free phase as `run_free` left it."""
        return self.contributions(self.task.free[-1], self.settled) if self.task.contrasts else {}

    def zeros(self, *steps: int) -> Tensors:
        """Return zeros in the shape of every parameter that learns, (*steps, *parameter)."""
        return {
            name: self.parameters[name].new_zeros((*steps, *self.parameters[name].shape))
            for name in self.plan.rules
        }

    @staticmethod
    def parts(trials: int) -> Iterator[tuple[int, int]]:
        """Return the first trial, and the one after the last, of what runs together."""
        for begin in range(0, trials, TOGETHER):
            yield begin, min(begin + TOGETHER, trials)

    def _difference(self, name: str, direction: NDArray[np.float64], trials: int) -> float:
        """Return the central difference of the mean error along a direction of a parameter."""
        errors = []
        with torch.no_grad():
            for step in (STEP, -STEP):
                moved = self.parameters[name] + step * torch.from_numpy(direction)
                self.run_free(0, trials, {**self.parameters, name: moved})
                errors.append(float(self.error(0, trials)))
        return (errors[0] - errors[1]) / (2 * STEP * trials)


def readout_error(twin: RealTwin, task: Task, begin: int, end: int) -> torch.Tensor:
    """Return the sum over trials of the readout's loss, see `evsim.spec.schema.Readout`."""
    found = twin.state[task.readout.population, task.readout.variable].flatten(1)
    labels = torch.from_numpy(task.labels[begin:end])
    if task.readout.loss == "cross_entropy":
        return torch.nn.functional.nll_loss(torch.log(found), labels, reduction="sum")
    return 0.5 * ((found - torch.nn.functional.one_hot(labels, found.shape[1])) ** 2).sum()


def add(total: Tensors, found: Mapping[str, torch.Tensor], step: int | None = None) -> None:
    """Add to sums, by parameter; to those of one step where it is given."""
    for name, values in found.items():
        if step is None:
            total[name] += values
        else:
            total[name][step] += values


def slopes(error: torch.Tensor, leaves: Mapping[Any, torch.Tensor]) -> dict[Any, torch.Tensor]:
    """Return the gradient of an error by every leaf, 0 where it does not depend on it."""
    if not error.requires_grad:
        return {key: torch.zeros_like(leaf) for key, leaf in leaves.items()}
    found = torch.autograd.grad(error, list(leaves.values()), materialize_grads=True)
    return dict(zip(leaves, found, strict=True))
