"""What an engine is: it compiles a Plan and advances trials, one step after the other.

The order inside a step is Brian2's schedule: `start, groups, thresholds, synapses, resets, end`,
each with its `before_` and `after_` slots; inside a slot objects run by order, then by name. A
spike without delay reaches its receiver in the synapse slot of the step that sent it. Weighted
sums of values are formed before the groups slot.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evsim.build.code import Block
from evsim.build.plan import Pathway, Plan, Projection
from evsim.build.shared import SharedInputs
from evsim.spec.types import SCHEDULE
from evsim.streams import stream_key


@dataclass(frozen=True)
class Delivery:
    """Spikes on one side of a projection that have their effect."""

    projection: Projection
    pathway: Pathway


Item = Block | Delivery | Literal["values"]


def schedule(plan: Plan) -> list[Item]:
    """Return what a step runs, in order: blocks, weighted sums of values, deliveries of spikes."""
    items: list[tuple[tuple[int, int, str], Item]] = [
        ((SCHEDULE.index(b.when), b.order, b.name), b) for b in plan.blocks
    ]
    items.append(((SCHEDULE.index("groups"), -1, ""), "values"))
    for projection in plan.projections.values():
        for pathway in projection.pathways:
            place = (SCHEDULE.index("synapses"), pathway.order, pathway.rank)
            items.append((place, Delivery(projection, pathway)))
    return [item for _, item in sorted(items, key=lambda pair: pair[0])]


def stream_keys(plan: Plan) -> dict[tuple[str, str], int]:
    """Return the key of every random variable of the code: (block, variable) -> key."""
    return {
        (block, name): stream_key(plan.seed, "code", block, name) for block, name in plan.streams
    }


@dataclass(frozen=True)
class Spikes:
    """Spikes of one population over consecutive steps of one trial.

    Attributes
    ----------
    count : (step,), uint32, spikes in each step.
    neuron : (spike,), uint16 or uint32, C-order index in the population's shape, ascending
        inside a step.
    """

    count: NDArray[np.uint32]
    neuron: NDArray[np.uint16] | NDArray[np.uint32]


class Simulation(ABC):
    """The state of one trial at a time. Not shared between threads.

    Gradients build up over trials until `take_gradients`.

    Attributes
    ----------
    first : steps of the trial before the phase.
    done : steps of the phase so far.
    shared : the phase's shared inputs.
    """

    plan: Plan
    first: int
    done: int
    shared: SharedInputs
    _watched: dict[tuple[str, str], NDArray[Any]]

    @abstractmethod
    def begin(
        self,
        inputs: Mapping[tuple[str, str], NDArray[Any]],
        trial: int = 0,
        learns: bool = True,
    ) -> None:
        """Start a trial: start state, then `inputs` (population, variable) -> (neuron,) values.

        What a population that replays spikes sends, unless the plan says it, is the input
        (population, "spikes") -> (2, spike), see `evsim.replay`.

        Parameters
        ----------
        trial : what random numbers of the code depend on, from 0 to 2**64 - 1.
        learns : whether code runs by which synapses learn at spikes.
        """

    @abstractmethod
    def enter(self, phase: str, attempt: int = 0) -> None:
        """Start `phase`: restore its start state and clock, set its values, clear its averages.

        `attempt` counts from 0 how often the stretch that it belongs to has run in this trial.
        """

    @abstractmethod
    def advance(self, steps: int, record: bool = False) -> None:
        """Run `steps` further steps of the phase; keep spikes for `take_spikes` if `record`.

        Raises
        ------
        NotFinite : a state is NaN or infinite.
        """

    @abstractmethod
    def leave(self) -> None:
        """End the phase: keep its state for phases that start from it."""

    @abstractmethod
    def learn(self, phase: str, every_step: bool = False) -> None:
        """Run the phase's learning code once, adding to the gradients."""

    @abstractmethod
    def get(self, owner: str, variable: str) -> NDArray[Any]:
        """Return a copy of a variable of a population or of a projection's synapses.

        (neuron,) in C order, (synapse,) in the order of `Geometry.synapses`, or () where shared.
        """

    def look(self, owner: str, variable: str, step: int) -> NDArray[Any]:
        """Return `get`, or the values of a shared input or a population's derived variable.

        Parameters
        ----------
        step : of the phase, whose shared inputs it takes, from 0.
        """
        population, shared = self.plan.populations.get(owner), (owner, variable) in self.plan.shared
        if population is None or not (shared or variable in population.derived):
            return self.get(owner, variable)
        row = dict(zip(self.plan.shared, self.shared.row(step), strict=True))
        if shared:
            return np.asarray(row[owner, variable])

        def state(name: str) -> NDArray[Any]:
            return np.asarray(row[owner, name]) if (owner, name) in row else self.get(owner, name)

        return population.derived[variable].evaluate(
            state, lambda name: row["", name], self.first + step, self.plan.dt
        )

    def watch(self, variables: Collection[str]) -> None:
        """Begin to measure how far variables of these names move, in all populations."""
        self._watched = {
            (name, variable): self.get(name, variable)
            for name, population in self.plan.populations.items()
            for variable in variables
            if population.neuron is not None and variable in population.variables
        }

    def moved(self) -> float:
        """Return how far a watched variable moved at most since `watch` or the last call."""
        before = self._watched
        self._watched = {key: self.get(*key) for key in before}
        far = [np.max(np.abs(now - before[key])) for key, now in self._watched.items()]
        return float(max(far, default=np.nan))

    @abstractmethod
    def take_spikes(self) -> dict[str, Spikes]:
        """Return and clear the spikes that `advance(record=True)` kept, by population."""

    @abstractmethod
    def take_counts(self) -> dict[str, int]:
        """Return and clear the number of spikes each population sent."""

    @abstractmethod
    def take_operations(self) -> NDArray[np.int64]:
        """Return and clear the synaptic operations of each of `traffic.directions`."""

    @abstractmethod
    def take_gradients(
        self, out: NDArray[np.floating[Any]] | None = None
    ) -> NDArray[np.floating[Any]]:
        """Return and clear the sums of gradients, flat, in an order of the engine's own.

        Parameters
        ----------
        out : array that an earlier call returned, to be filled anew.
        """


class Program(ABC):
    """A compiled Plan: weights shared by any number of simulations."""

    plan: Plan

    @abstractmethod
    def load(self, parameters: Mapping[str, NDArray[Any]]) -> None:
        """Take new values of all parameters, shaped as in `Plan.parameters`."""

    @abstractmethod
    def simulation(self) -> Simulation:
        """Return a new simulation that uses the program's weights."""

    @abstractmethod
    def gradients(self, total: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Return what `take_gradients` gave, by parameter, in the parameter's shape."""

    def explain(self) -> list[str]:
        """Return one line for each path that was taken, with what kept it off a faster one."""
        return []


class NotFinite(Exception):
    """A state became NaN or infinite."""

    def __init__(self, population: str, variable: str, phase: str, step: int, value: float):
        self.population, self.variable = population, variable
        self.phase, self.step, self.value = phase, step, value
        super().__init__(f"{population}.{variable} is {value} in step {step} of phase '{phase}'")
