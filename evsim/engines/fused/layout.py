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

from evsim.build.code import Variable
from evsim.build.plan import Pathway, Plan, Population, Projection

Buffer = Literal["f", "d", "n", "b"]
ALIGN = 16
"""Elements to which offsets are rounded up: a cache line of float32."""

TIMES = frozenset({"lastspike", "lastupdate"})
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
    """Lists of senders, one for each of the last `depth` steps.

    Memory indices from events[at], a place's from its start; the last of a list's places + 1
    starts is its end. Lists of steps follow each other as in a ring.

    Attributes
    ----------
    at, first : of the ring's first list in the buffers of events and of starts.
    room, places : elements of a list, and its starts but one.
    """

    at: int
    first: int
    room: int
    places: int
    depth: int = 1

    def begin(self) -> str:
        """Return the source of where the present step's list begins in the buffer of events."""
        return str(self.at) if self.depth == 1 else f"{self.at} + now % {self.depth} * {self.room}"

    def start(self, delay: int | str = 0) -> str:
        """Return the source of the place of the first start of the list of `delay` steps ago."""
        if self.depth == 1:
            return str(self.first)
        ring = "now" if delay == 0 else f"(now + {self.depth} - {delay})"
        return f"{self.first} + {ring} % {self.depth} * {self.places + 1}"


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
    sent : (population, variable) -> slot of the values that projections send; a copy of its own
        where the variable is no float of each neuron in `slots`.
    event_count, start_count : elements of the event lists and of their starts.
    arrays : name -> offset in the buffer of arrays over time.
    noise : (block, random variable) -> offset in the buffer of numbers that are drawn for all
        neurons of a population at once.
    noise_count : elements of that buffer.
    pools : projection -> offsets of the sums of its windows in the buffer of floats and of the
        windows' winners in that of integers.
    """

    slots: Mapping[tuple[str, str], Slot]
    uniform: Mapping[tuple[str, str], Any]
    sizes: Mapping[Buffer, int]
    grids: Mapping[str, Grid]
    events: Mapping[tuple[str, str], Events]
    guarded: Mapping[tuple[str, str], Slot]
    sent: Mapping[tuple[str, str], Slot]
    event_count: int
    start_count: int
    arrays: Mapping[str, int] = field(default_factory=dict)
    noise: Mapping[tuple[str, str], int] = field(default_factory=dict)
    noise_count: int = 0
    pools: Mapping[str, tuple[int, int]] = field(default_factory=dict)


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
    given = {*plan.inputs, *plan.kept, *learned, *plan.shared}
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
            _place(slots, sizes, (name, key), variable, grids[name].size)
    for projection in plan.projections.values():
        for key, variable in projection.variables.items():
            value = _one_value(projection, variable)
            if value is not None:
                uniform[projection.name, key] = value
            elif not projection.reads_weight(key):
                count = projection.geometry.synapse_count
                _place(slots, sizes, (projection.name, key), variable, count)
    guarded = {}
    for name, key in _receivers(plan):
        if plan.populations[name].variables[key].guard is not None:
            guarded[name, key] = Slot("f", sizes["f"], grids[name].size)
            sizes["f"] += _aligned(grids[name].size)
    sent = {key: _sent(slots, sizes, key, grids[key[0]].size) for key in _value_senders(plan)}
    pools = {}
    for projection in plan.projections.values():
        if (windows := projection.geometry.windows) is not None:
            size = grids[projection.target].size
            pools[projection.name] = (sizes["f"], sizes["n"])
            sizes["f"] += _aligned(size * windows.size)
            sizes["n"] += _aligned(size)
    events, event_count, start_count = {}, 0, 0
    for sender in _senders(plan):
        room, places = _aligned(grids[sender[0]].size), grids[sender[0]].places
        depth = _depth(plan, sender)
        events[sender] = Events(event_count, start_count, room, places, depth)
        event_count += depth * room
        start_count += depth * (places + 1)
    sizes_of_arrays = [array.values.size for array in plan.arrays.values()]
    offsets = np.cumsum([0, *sizes_of_arrays]).tolist()
    arrays = dict(zip(plan.arrays, offsets, strict=False))
    noise, noise_count = _noise(plan, grids)
    return Layout(
        slots=slots,
        uniform=uniform,
        sizes=sizes,
        grids=grids,
        events=events,
        guarded=guarded,
        sent=sent,
        event_count=event_count,
        start_count=start_count,
        arrays=arrays,
        noise=noise,
        noise_count=noise_count,
        pools=pools,
    )


def _noise(plan: Plan, grids: Mapping[str, Grid]) -> tuple[dict[tuple[str, str], int], int]:
    """Return the places of numbers that code draws for all neurons: not in resets, of few."""
    found, count = {}, 0
    for block in plan.blocks:
        if block.template != "reset" and block.owner in grids:
            for name, symbol in sorted(block.symbols.items()):
                if symbol.role == "random":
                    found[block.name, name] = count
                    count += _aligned(grids[block.owner].size)
    return found, count


def event_key(population: str, event: str) -> tuple[str, str]:
    """Return the key of the list of a population's events."""
    return (population, "" if event == "spike" else f"event {event}")


def sender_key(projection: Projection, pathway: Pathway) -> tuple[str, str]:
    """Return the key of the event list that a pathway follows."""
    population = projection.source if pathway.side == "pre" else projection.target
    return event_key(population, pathway.event)


def _place(
    slots: dict[tuple[str, str], Slot],
    sizes: dict[Buffer, int],
    key: tuple[str, str],
    variable: Variable,
    count: int,
) -> None:
    buffer = buffer_of(variable)
    size = 1 if variable.shared else count
    slots[key] = Slot(buffer, sizes[buffer], size)
    sizes[buffer] += _aligned(size)


def _sent(
    slots: Mapping[tuple[str, str], Slot],
    sizes: dict[Buffer, int],
    key: tuple[str, str],
    count: int,
) -> Slot:
    """Return the slot of values that are sent: the variable's own, or a new one for a copy."""
    own = slots.get(key)
    if own is not None and own.buffer == "f" and own.size == count:
        return own
    made = Slot("f", sizes["f"], count)
    sizes["f"] += _aligned(count)
    return made


def _one_value(projection: Projection, variable: Variable) -> Any:
    """Return the value of a synaptic variable that is the same everywhere and always, or None."""
    values = variable.initial.ravel()
    weight = projection.code is not None and projection.code.weight and variable.name == "w"
    if weight or not variable.constant or not values.size or (values != values[0]).any():
        return None
    return values[0].item()


def _depth(plan: Plan, sender: tuple[str, str]) -> int:
    """Return for how many steps a list of events is kept."""
    longest = [
        pathway.longest
        for projection in plan.projections.values()
        for pathway in projection.pathways
        if sender == sender_key(projection, pathway)
    ]
    return max(longest, default=0) + 1


def _senders(plan: Plan) -> list[tuple[str, str]]:
    spiking = [(name, "") for name, p in plan.populations.items() if p.spikes]
    spiking += [event_key(b.owner, b.event) for b in plan.blocks if b.template == "threshold"]
    return list(dict.fromkeys([*spiking, *_value_senders(plan)]))


def _value_senders(plan: Plan) -> list[tuple[str, str]]:
    """Return the variables whose values projections send."""
    values = []
    for p in plan.projections.values():
        if p.sends == "value":
            values.append((p.source, p.source_variable))
            if p.feedback_variable:
                values.append((p.target, p.source_variable))
    return list(dict.fromkeys(values))


def _receivers(plan: Plan) -> list[tuple[str, str]]:
    """Return what spikes add to."""
    found = []
    for p in plan.projections.values():
        for pathway in p.pathways:
            if pathway.block is None:
                found.append((p.target if pathway.side == "pre" else p.source, pathway.target))
    return list(dict.fromkeys(found))


def _is_uniform(population: Population, variable: Variable) -> bool:
    values = variable.initial.ravel()
    return variable.constant and population.neuron is not None and bool((values == values[0]).all())
