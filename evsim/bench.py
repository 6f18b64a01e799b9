"""Time a network's first phase on evsim's engines and as dense PyTorch code, in one run."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.build.plan import Plan
from evsim.engines import load
from evsim.engines.base import Program, Simulation
from evsim.orchestrator.samples import Samples

BATCHES = (64, 256)
DENSE_STEPS = 10


@dataclass
class Contestant:
    """Something that runs trials.

    Attributes
    ----------
    threads : cores that it uses.
    turn : runs once; returns the number of steps times trials that it did.
    times : microseconds per step and trial of every round.
    """

    name: str
    threads: int
    turn: Callable[[], int]
    times: list[float] = field(default_factory=list)

    @property
    def best(self) -> float:
        """Fastest round, microseconds per step and trial."""
        return min(self.times)

    @property
    def median(self) -> float:
        """Median round, microseconds per step and trial."""
        return float(np.median(self.times))


@dataclass(frozen=True)
class Bench:
    """Figures of one run: contestants in the order they were added, and at which activity.

    `activity` is spikes per neuron and step by population, on the fused engine.
    """

    contestants: list[Contestant]
    activity: dict[str, float]


class Contest:
    """Contestants for one network's first phase on real samples.

    Parameters
    ----------
    parameters : weights to run with; see `Plan.parameters`.
    trials : samples that evsim runs in each round.
    """

    def __init__(
        self, plan: Plan, samples: Samples, parameters: Mapping[str, NDArray[Any]], trials: int
    ):
        self.plan, self.parameters = plan, parameters
        self.phase = next(iter(plan.phases.values()))
        self.split = "test" if samples.size("test") else "train"
        self.inputs = [
            samples.inputs(self.split, n) for n in range(min(trials, samples.size(self.split)))
        ]
        self.contestants: list[Contestant] = []
        self.activity: dict[str, float] = {}

    def add_fused(self, threads: int) -> None:
        """Add the fused engine, trials spread over threads."""
        program: Program = load("fused").compile(self.plan)
        program.load(self.parameters)
        simulations = [program.simulation() for _ in range(threads)]

        def turn() -> int:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(self._share, simulations, range(threads), [threads] * threads))
            return len(self.inputs) * self.phase.steps

        turn()
        if not self.activity:
            self._count(simulations[0])
        self.contestants.append(Contestant(f"evsim, {_threads(threads)}", threads, turn))

    def _share(self, simulation: Simulation, first: int, step: int) -> None:
        for inputs in self.inputs[first::step]:
            self._run(simulation, inputs)

    def _run(self, simulation: Simulation, inputs: Mapping[tuple[str, str], NDArray[Any]]) -> None:
        simulation.begin(inputs)
        simulation.enter(self.phase.name)
        simulation.advance(self.phase.steps)

    def _count(self, simulation: Simulation) -> None:
        simulation.take_counts()
        self._share(simulation, 0, 1)
        steps = len(self.inputs) * self.phase.steps
        for name, count in simulation.take_counts().items():
            self.activity[name] = count / (steps * self.plan.populations[name].size)

    def add_brian2(self) -> None:
        """Add Brian2 with compiled (Cython) code and one synapse a pair of neurons."""
        program: Program = load("reference").compile(self.plan, "cython")
        program.load(self.parameters)
        simulation = program.simulation()
        samples = itertools.cycle(self.inputs)

        def turn() -> int:
            # The whole phase, as evsim runs it: its first steps have few spikes.
            self._run(simulation, next(samples))
            return self.phase.steps

        turn()
        self.contestants.append(Contestant("Brian2, Cython", 1, turn))

    def add_torch(self, threads: int, batch: int, folded: bool) -> None:
        """Add dense PyTorch code."""
        import torch

        from evsim.testing.torch_twin import TorchTwin

        twin = TorchTwin(self.plan, self.parameters, batch, folded)
        keys = self.inputs[0].keys()
        chosen = [self.inputs[n % len(self.inputs)] for n in range(batch)]
        inputs = {key: np.stack([i[key] for i in chosen]) for key in keys}
        steps = min(DENSE_STEPS, self.phase.steps)

        def turn() -> int:
            torch.set_num_threads(threads)
            twin.advance(self.phase.name, steps)
            return steps * batch

        twin.begin(inputs)
        turn()
        kind = "pooling folded" if folded else "as written"
        name = f"PyTorch {kind}, batch {batch}, {_threads(threads)}"
        self.contestants.append(Contestant(name, threads, turn))

    def run(self, rounds: int) -> Bench:
        """Time all contestants, one turn each a round."""
        for _ in range(rounds):
            for contestant in self.contestants:
                begun = time.perf_counter()
                done = contestant.turn()
                contestant.times.append(1e6 * (time.perf_counter() - begun) / done)
        return Bench(self.contestants, self.activity)


def _threads(number: int) -> str:
    return "1 thread" if number == 1 else f"{number} threads"
