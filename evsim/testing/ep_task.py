"""What a comparison of gradients runs: trials, the phases up to the readout, those that learn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim import syntax
from evsim.build.plan import Plan
from evsim.engines.base import Program
from evsim.errors import Fault, InputError
from evsim.orchestrator.samples import Samples
from evsim.orchestrator.trial import Readout
from evsim.spec import schema

Inputs = Mapping[tuple[str, str], NDArray[Any]]
Arrays = dict[str, NDArray[np.float64]]


class Task:
    """Trials, the phases up to the readout, and the phases that learn after it.

    Attributes
    ----------
    free : phases up to the one after which the prediction is read, in order.
    nudged : phases with learning code, which continue from there.
    contrasts : whether the last free phase has learning code, too.
    inputs : (population, variable) -> (trial, neuron).
    labels : (trial,), classes.

    Raises
    ------
    InputError : the network has no such readout or phases.
    """

    def __init__(self, network: schema.Network, plan: Plan, samples: Samples, trials: int):
        repeating = [name for name, phase in plan.phases.items() if phase.repeat is not None]
        if repeating:
            raise InputError(f"Phase '{repeating[0]}' repeats: how many steps it has is not known.")
        for name, text in network.protocol.constants.items():
            if syntax.is_random(text):
                raise InputError(
                    Fault(
                        f"Constant '{name}' is drawn in each trial.",
                        hint=f"give it a value: `--set protocol.constants.{name}=...`",
                    )
                )
        if plan.kept:
            raise InputError("Trials depend on each other: `protocol.keep` names variables.")
        if network.weights.mismatch:
            raise InputError(
                Fault(
                    "Weights act otherwise than they are stored: `weights.mismatch` is not 0.",
                    hint="leave it out: `--set weights.mismatch=0`",
                )
            )
        self.readout = _readout(network)
        self.free = _free(plan, self.readout.after)
        self.nudged = _nudged(plan, self.readout.after)
        ending = [name for name in (*self.free, *self.nudged) if plan.phases[name].window]
        if ending:
            raise InputError(
                Fault(
                    f"Phase '{ending[0]}' may end early: how many steps it has is not known.",
                    hint="let it run whole: `--set protocol.settle.early=[]`",
                )
            )
        rules = plan.rules.values()
        self.contrasts = any(self.readout.after in rule.at_end for rule in rules)
        count = min(trials, samples.size("train"))
        if not count:
            raise InputError("There are no training samples.")
        each = [samples.inputs("train", n) for n in range(count)]
        self.inputs = {key: np.stack([i[key] for i in each]) for key in plan.inputs}
        self.labels = np.array([samples.label("train", n) for n in range(count)])

    @property
    def trials(self) -> int:
        """Number of trials."""
        return len(self.labels)

    @property
    def samples(self) -> list[Inputs]:
        """Inputs trial by trial."""
        return [
            {key: values[trial] for key, values in self.inputs.items()}
            for trial in range(self.trials)
        ]

    def part(self, begin: int, end: int) -> Inputs:
        """Return the inputs of some of the trials."""
        return {key: values[begin:end] for key, values in self.inputs.items()}


def _readout(network: schema.Network) -> Readout:
    found = Readout.of(network.readout) if network.readout else None
    if found is None or not found.variable:
        raise InputError(
            Fault(
                "There is no error to take the gradient of: no variable is read out.",
                hint="write `readout: {predict: argmax(population.variable), ...}`",
            )
        )
    return found


def _free(plan: Plan, after: str) -> list[str]:
    phases: list[str] = []
    name: str | None = after
    while name is not None:
        phases.insert(0, name)
        name = plan.phases[name].start
    return phases


def _nudged(plan: Plan, after: str) -> list[str]:
    learning = {phase for rule in plan.rules.values() for phase in rule.at_end}
    nudged = [n for n, p in plan.phases.items() if n in learning and p.start == after]
    if not nudged or not learning <= {after, *nudged}:
        fitting = {after, *nudged} if nudged else set()
        others = ", ".join(f"'{n}'" for n in sorted(learning - fitting)) or "no phase"
        raise InputError(
            Fault(
                f"This is no equilibrium propagation: learning code runs at the end of {others}.",
                hint=f"it must run at the end of nudged phases, which start `from: {after}`",
            )
        )
    return nudged


def propagated(program: Program, trials: Sequence[Inputs], phases: Iterable[str]) -> Arrays:
    """Return the mean of `g` over trials as the engine runs the network, by parameter.

    Parameters
    ----------
    trials : what each sets, see `Simulation.begin`.
    phases : in their order.
    """
    simulation, order = program.simulation(), tuple(phases)
    for number, inputs in enumerate(trials):
        simulation.begin(inputs, number)
        for phase in order:
            simulation.enter(phase)
            simulation.advance(program.plan.phases[phase].steps)
            simulation.learn(phase)
            simulation.leave()
    total = np.asarray(simulation.take_gradients(), np.float64)
    return program.gradients(total / len(trials))
