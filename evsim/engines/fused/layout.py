"""Where everything lies in memory.

All floating-point state of a trial is one flat array with constant offsets, so that LLVM can tell
the variables apart without checks at run time; integers, booleans and times have arrays of their
own. Populations of shape (channel, row, column) are stored channel last: a place's channels are
neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evsim.build.plan import Block, Plan, Population, Variable

Buffer = Literal["f", "d", "n", "b"]
ALIGN = 16
"""Elements to which offsets are rounded up: a cache line of float32."""

TIMES = frozenset({"lastspike"})
"""Variables that hold times: float64 whatever the precision, since steps are told apart by them."""


@dataclass(frozen=True)
class Slot:
    """Place of a variable: elements [offset, offset + size) of a buffer."""

    buffer: Buffer
    offset: int
    size: int


@dataclass(frozen=True)
class Grid:
    """Order of a population's neurons in memory.

    Attributes
    ----------
    places, channels : memory index = place * channels + channel.
    rows, columns : of the places.
    """

    places: int
    channels: int
    rows: int = 1
    columns: int = 1

    @classmethod
    def of(cls, shape: tuple[int, ...]) -> Grid:
        """Return the order for a declared shape."""
        if len(shape) == 3:
            return cls(shape[1] * shape[2], shape[0], shape[1], shape[2])
        return cls(1, int(np.prod(shape)))

    @property
    def size(self) -> int:
        """Number of neurons."""
        return self.places * self.channels

    @property
    def permuted(self) -> bool:
        """Whether memory order differs from C order of the declared shape."""
        return self.places > 1 and self.channels > 1

    @cached_property
    def to_memory(self) -> NDArray[np.int64]:
        """(neuron,) C-order index of the neuron at each memory index."""
        return np.ascontiguousarray(
            np.arange(self.size).reshape(self.channels, self.places).T
        ).ravel()

    @cached_property
    def to_declared(self) -> NDArray[np.int64]:
        """(neuron,) memory index of the neuron at each C-order index."""
        return np.argsort(self.to_memory)


@dataclass(frozen=True)
class Events:
    """A list of senders in a step: memory indices from events[at], a place's from its start.

    The last of its places + 1 starts is the end of the list.
    """

    at: int
    first: int


@dataclass(frozen=True)
class Layout:
    """Offsets of every variable and event list of a plan.

    Attributes
    ----------
    slots : (population, variable) -> slot of state.
    uniform : (population, variable) -> value of variables that nothing writes and that are equal
        for all neurons: they become literals.
    sizes : elements of each buffer.
    grids : population -> order in memory.
    events : (population, "") -> its spikes; (population, variable) -> its values that are not 0;
        `event_key` -> events that a neuron defines.
    guarded : (population, variable) -> slot for a copy of a variable that projections may only
        add to where its guard holds.
    event_count, start_count : elements of the event lists and of their starts.
    arrays : name -> offset in the buffer of arrays over time.
    """

    slots: Mapping[tuple[str, str], Slot]
    uniform: Mapping[tuple[str, str], Any]
    sizes: Mapping[Buffer, int]
    grids: Mapping[str, Grid]
    events: Mapping[tuple[str, str], Events]
    guarded: Mapping[tuple[str, str], Slot]
    event_count: int
    start_count: int
    arrays: Mapping[str, int] = field(default_factory=dict)


def buffer_of(variable: Variable) -> Buffer:
    """Return the buffer that holds a variable."""
    if variable.name in TIMES:
        return "d"
    return {"float": "f", "integer": "n", "boolean": "b"}[variable.kind]  # type: ignore[return-value]


def _aligned(count: int) -> int:
    return -(-count // ALIGN) * ALIGN


def make_layout(plan: Plan) -> Layout:
    """Return the layout of a plan."""
    grids = {name: Grid.of(p.shape) for name, p in plan.populations.items()}
    learned = {(r.population, r.variable) for r in plan.rules.values() if r.variable}
    given = {*plan.inputs, *learned, *plan.shared}
    given |= {key for phase in plan.phases.values() for key in phase.sets}
    given |= set(_senders(plan))
    slots: dict[tuple[str, str], Slot] = {}
    uniform: dict[tuple[str, str], Any] = {}
    sizes: dict[Buffer, int] = {"f": 0, "d": 0, "n": 0, "b": 0}
    for name, population in plan.populations.items():
        for key, variable in population.variables.items():
            if (name, key) in learned or (name, key) in plan.shared:
                continue
            if (name, key) not in given and _is_uniform(population, variable):
                uniform[name, key] = variable.initial.ravel()[0].item()
                continue
            buffer = buffer_of(variable)
            size = 1 if variable.shared else grids[name].size
            slots[name, key] = Slot(buffer, sizes[buffer], size)
            sizes[buffer] += _aligned(size)
    guarded = {}
    for name, key in _receivers(plan):
        if plan.populations[name].variables[key].guard is not None:
            guarded[name, key] = Slot("f", sizes["f"], grids[name].size)
            sizes["f"] += _aligned(grids[name].size)
    events, event_count, start_count = {}, 0, 0
    for sender in _senders(plan):
        events[sender] = Events(event_count, start_count)
        event_count += _aligned(grids[sender[0]].size)
        start_count += grids[sender[0]].places + 1
    sizes_of_arrays = [array.values.size for array in plan.arrays.values()]
    offsets = np.cumsum([0, *sizes_of_arrays]).tolist()
    arrays = dict(zip(plan.arrays, offsets, strict=False))
    return Layout(slots, uniform, sizes, grids, events, guarded, event_count, start_count, arrays)


def event_key(block: Block) -> tuple[str, str]:
    """Return the key of the event list that a threshold fills or a reset follows."""
    return (block.owner, "" if block.event == "spike" else f"event {block.event}")


def _senders(plan: Plan) -> list[tuple[str, str]]:
    spiking = [(name, "") for name, p in plan.populations.items() if p.spikes]
    spiking += [event_key(block) for block in plan.blocks if block.template == "threshold"]
    values = []
    for p in plan.projections.values():
        if p.sends == "value":
            values.append((p.source, p.source_variable))
            if p.feedback_variable:
                values.append((p.target, p.source_variable))
    return list(dict.fromkeys([*spiking, *values]))


def _receivers(plan: Plan) -> list[tuple[str, str]]:
    """Return what spikes add to."""
    found = []
    for p in plan.projections.values():
        if p.sends == "spikes":
            found.append((p.target, p.target_variable))
            if p.feedback_variable:
                found.append((p.source, p.feedback_variable))
    return list(dict.fromkeys(found))


def _is_uniform(population: Population, variable: Variable) -> bool:
    values = variable.initial.ravel()
    return variable.constant and population.neuron is not None and bool((values == values[0]).all())
