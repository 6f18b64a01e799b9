"""What a recording will hold: populations, states, parameters and phases, before any data."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from evsim.errors import InputError

if TYPE_CHECKING:
    from evsim.build.plan import Plan
    from evsim.spec.schema import Names, Network, Trials

Encoding = Literal["plain", "compact"]

_TYPES = {"integer": "int32", "boolean": "uint8"}


@dataclass(frozen=True)
class Population:
    """A population: its name and declared shape."""

    name: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of neurons."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Variable:
    """A recorded state variable.

    Attributes
    ----------
    unit : SI unit as text.
    dtype : NumPy type of its values.
    width : values a sample: the chosen neurons, or 1 where the population shares one value.
    """

    name: str
    unit: str
    dtype: str
    width: int


@dataclass(frozen=True)
class States:
    """One entry of `record.states`.

    Attributes
    ----------
    neurons : C-order indices of the sampled neurons, or None for all.
    every : steps between two samples.
    when : whether a sample shows the start or the end of its step.
    """

    population: str
    variables: tuple[Variable, ...]
    neurons: tuple[int, ...] | None
    every: int
    when: str


@dataclass(frozen=True)
class Parameter:
    """A learned parameter and the shape of its values."""

    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Phase:
    """A phase and its number of steps."""

    name: str
    steps: int


@dataclass(frozen=True)
class Layout:
    """What will be written.

    Attributes
    ----------
    dt : time step, s.
    precision : NumPy type of weights and states.
    populations : all populations of the network.
    spikes : names of those whose spikes are kept.
    encoding : how spikes are kept; see `evsim.recording.encoding`.
    states : entries of `record.states`, in their order.
    parameters : parameters whose values are kept.
    phases : all phases in the order they run.
    sums : whether compact spikes have checksums; recordings of format 1 have none.
    """

    dt: float
    precision: str
    populations: tuple[Population, ...]
    spikes: tuple[str, ...]
    encoding: Encoding
    states: tuple[States, ...]
    parameters: tuple[Parameter, ...]
    phases: tuple[Phase, ...]
    sums: bool = True

    @property
    def summed(self) -> tuple[str, ...]:
        """Populations whose spikes have checksums of evsim's own."""
        return self.spikes if self.sums and self.encoding == "compact" else ()

    @classmethod
    def from_plan(
        cls, plan: Plan, network: Network, parameters: Mapping[str, tuple[int, ...]]
    ) -> Layout:
        """Return what the network's `record` section asks for.

        Parameters
        ----------
        parameters : learned parameter -> shape.
        """
        record = network.record
        spiking = tuple(name for name, value in plan.populations.items() if value.spikes)
        return cls(
            dt=plan.dt,
            precision=plan.precision,
            populations=tuple(Population(p.name, p.shape) for p in plan.populations.values()),
            spikes=_chosen(record.spikes.populations, spiking) if record.spikes else (),
            encoding=record.spikes.encoding if record.spikes else "plain",
            states=tuple(_states(network, plan, at) for at in range(len(record.states))),
            parameters=tuple(
                Parameter(name, tuple(plan.parameters[name].shape))
                for name in _chosen(record.weights.parameters, tuple(parameters))
            )
            if record.weights
            else (),
            phases=tuple(Phase(p.name, p.steps) for p in plan.phases.values()),
        )

    @classmethod
    def from_json(cls, text: str) -> Layout:
        """Return the layout that `to_json` wrote.

        Raises
        ------
        ValueError, TypeError, KeyError : the text is not a layout.
        """
        data = json.loads(text)
        return cls(
            dt=float(data["dt"]),
            precision=str(data["precision"]),
            populations=tuple(_with_shape(Population, item) for item in data["populations"]),
            spikes=tuple(data["spikes"]),
            encoding=data["encoding"],
            states=tuple(_states_from(item) for item in data["states"]),
            parameters=tuple(_with_shape(Parameter, item) for item in data["parameters"]),
            phases=tuple(Phase(**item) for item in data["phases"]),
            sums=bool(data.get("sums", False)),
        )

    def to_json(self) -> str:
        """Return the layout as JSON text."""
        return json.dumps(asdict(self))

    def population(self, name: str) -> Population:
        """Return the population of that name."""
        return next(population for population in self.populations if population.name == name)


def neuron_type(size: int) -> np.dtype[Any]:
    """Return the type of neuron indices in a population of `size` neurons."""
    return np.dtype("uint16" if size <= 1 << 16 else "uint32")


def count_type(size: int) -> np.dtype[Any]:
    """Return the smallest type that counts the spikes of `size` neurons in one step."""
    return np.min_scalar_type(size)


def _chosen(names: Names, known: tuple[str, ...]) -> tuple[str, ...]:
    return known if names == "all" else tuple(names)


def _states(network: Network, plan: Plan, at: int) -> States:
    entry = network.record.states[at]
    neurons = _neurons(entry.neurons)
    if neurons and max(neurons) >= plan.size(entry.population):
        size = plan.size(entry.population)
        message = (
            f"'{entry.population}' has {size} to record, from 0, none of number {max(neurons)}."
        )
        with network.source.placing("record", "states", at, "neurons"):
            raise InputError(message)
    width = plan.size(entry.population) if neurons is None else len(neurons)

    def recorded(name: str) -> Variable:
        variable = plan.recorded(entry.population, name)
        dtype = _TYPES.get(variable.kind, plan.precision)
        return Variable(variable.name, variable.unit, dtype, 1 if variable.shared else width)

    variables = tuple(recorded(name) for name in entry.variables)
    return States(entry.population, variables, neurons, entry.every.step, entry.when)


def _neurons(chosen: Trials) -> tuple[int, ...] | None:
    if chosen == "all":
        return None
    return tuple(range(chosen)) if isinstance(chosen, int) else tuple(chosen)


def _with_shape(kind: Any, item: Mapping[str, Any]) -> Any:
    return kind(str(item["name"]), tuple(int(length) for length in item["shape"]))


def _states_from(item: Mapping[str, Any]) -> States:
    neurons = item["neurons"]
    return States(
        population=str(item["population"]),
        variables=tuple(Variable(**variable) for variable in item["variables"]),
        neurons=None if neurons is None else tuple(int(neuron) for neuron in neurons),
        every=int(item["every"]),
        when=str(item["when"]),
    )
