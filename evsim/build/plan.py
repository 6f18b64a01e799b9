"""The Plan: everything an engine needs, with nothing left to decide.

A Plan is made by `evsim.build.build` from a Network. It holds captured Brian2 statements, shapes,
initial values, the values of shared inputs at every step of every phase, and learning rules. Arrays
are in C order of the declared shapes and are not written to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evsim.build.code import Block, Derived, NeuronCode, SynapseCode, TimedValues, Variable
from evsim.build.shared import SharedInputs
from evsim.build.storage import Storage
from evsim.projections.base import Geometry

FloatArray = NDArray[np.floating[Any]]
When = Literal["always", "learning", "frozen"]


@dataclass(frozen=True)
class Replay:
    """Spikes that a population sends whatever happens.

    Attributes
    ----------
    spikes : (2, spike), steps of a trial (k - 1) and neurons, see `evsim.replay`; None where every
        trial brings its own as the input (population, "spikes").
    period : steps after which they are sent again; 0 for never.
    """

    spikes: NDArray[np.int64] | None
    period: int


@dataclass(frozen=True)
class Population:
    """A population with its variables; `neuron` is None where it only holds values or `replay`.

    `derived` are the variables that follow from others, as far as they are recorded.
    """

    name: str
    shape: tuple[int, ...]
    variables: Mapping[str, Variable]
    neuron: NeuronCode | None
    spikes: bool
    replay: Replay | None = None
    derived: Mapping[str, Derived] = field(default_factory=dict)

    @cached_property
    def size(self) -> int:
        """Number of neurons."""
        return int(np.prod(self.shape))


@dataclass(frozen=True)
class Pathway:
    """What spikes, or other events, on one side of a projection do.

    Attributes
    ----------
    name : of the pathway: "forward", "feedback", "pre" or "post".
    side : whose spikes they are.
    order : in the synapse slot, see `rank`.
    delay : (synapse,) or (), whole steps from a spike to its effect.
    target : variable on the other side to which every spike adds its weight, where `block` is None.
    block : code that runs for every synapse of a spiking neuron, or None.
    when : passes in which it runs: those that learn, those that do not ("frozen"), or all.
    event : of the neurons on that side that it follows.
    rank : orders pathways of one order, and code in their slot, before the order of projections.
    """

    name: str
    side: Literal["pre", "post"]
    order: int
    delay: NDArray[np.int64]
    target: str = ""
    block: Block | None = None
    when: When = "always"
    event: str = "spike"
    rank: str = ""

    @property
    def longest(self) -> int:
        """Steps of the longest delay."""
        return int(self.delay.max(initial=0))


@dataclass(frozen=True)
class Projection:
    """Weighted connections, laid out by `geometry`.

    Attributes
    ----------
    sends : "spikes" (each spike adds its weight to `target_variable`) or "value" (the weighted sum
        of `source_variable` is assigned to it).
    feedback_variable : variable of the source that the exact adjoint feeds, or None.
    pathways : what spikes do; none where values are sent.
    code : of the synapses, None where they have only a weight.
    normalise : what a target's weights add up to when a trial that learns begins, or None.
    variables : of the synapses, (synapse,) in the order of `Geometry.synapses`, or ().
    """

    name: str
    geometry: Geometry
    source: str
    source_variable: str
    target: str
    target_variable: str
    sends: Literal["spikes", "value"]
    feedback_variable: str | None
    pathways: tuple[Pathway, ...] = ()
    code: SynapseCode | None = None
    normalise: float | None = None
    variables: Mapping[str, Variable] = field(default_factory=dict)

    @property
    def changes_weights(self) -> bool:
        """Whether code changes the weights during a trial."""
        return self.code is not None and bool(self.code.weight) and not self.variables["w"].constant

    @property
    def shares_weights(self) -> bool:
        """Whether several synapses have one weight."""
        return int(np.prod(self.geometry.weight_shape)) != self.geometry.synapse_count

    def reads_weight(self, variable: str) -> bool:
        """Whether a variable of the synapses is the weight, and no code changes it."""
        weight = self.code is not None and bool(self.code.weight) and variable == "w"
        return weight and not self.changes_weights


@dataclass(frozen=True)
class Rule:
    """Learning of one parameter: a projection's weights or a population's variable.

    Attributes
    ----------
    parameter : `projection` or `population.variable`.
    at_end, every_step : phase -> captured code that adds to `g`.
    at_spikes : whether code that runs at spikes adds to `g`.
    optimiser : "sgd" or "adam"; `momentum` is the former's.
    clip : largest norm of the gradient, infinite where it is not clipped.
    decay : share of the rate by which an update shrinks the parameter.
    rates : (epoch,), learning rate in each epoch.
    """

    parameter: str
    projection: str | None
    population: str
    variable: str | None
    at_end: Mapping[str, Block]
    every_step: Mapping[str, Block]
    optimiser: str
    momentum: float
    clip: float
    decay: float
    rates: NDArray[np.float64]
    at_spikes: bool = False


@dataclass(frozen=True)
class Repeat:
    """A stretch of phases that runs until a condition holds.

    Attributes
    ----------
    back_to : first phase of the stretch.
    until : condition over `spikes(population)`, what the stretch's last attempt sent.
    at_most : attempts.
    """

    back_to: str
    until: str
    at_most: int


@dataclass(frozen=True)
class Phase:
    """A stretch of a trial.

    Attributes
    ----------
    start : None for the trial's start state, or the phase whose end state it continues from.
    first : value of the step count before the phase's first step (k - 1), where phases before it
        do not end early.
    shared : values of the shared inputs at every step, in the order of `Plan.shared`.
    sets : `population.variable` -> value set at the phase's start, for per-neuron variables.
    average : names of averaged variables, over the last `average_last` steps.
    window : steps after which the phase may end, counted back from its last; 0 where it may not.
    repeat : when the stretch of phases that this one ends runs again, or None.
    variants : (whether the pass learns, attempt) -> what differs from this phase then.
    """

    name: str
    steps: int
    start: str | None
    first: int
    shared: SharedInputs
    sets: Mapping[tuple[str, str], float]
    average: tuple[str, ...] = ()
    average_last: int = 0
    window: int = 0
    repeat: Repeat | None = None
    variants: Mapping[tuple[bool, int], Phase] = field(default_factory=dict)

    @property
    def ends(self) -> range:
        """The numbers of steps after which the phase may end, ascending."""
        window = self.window or self.steps
        return range(window + self.steps % window, self.steps + 1, window)

    def averaged(self, done: int) -> tuple[int, int]:
        """Return the next stretch of averaged steps that ends after `done` steps: begin and end."""
        end = next((end for end in self.ends if end > done), self.steps)
        return max(end - self.average_last, 0), end

    def variant(self, learns: bool, attempt: int) -> Phase:
        """Return the phase as it runs in passes that learn or not, the attempt being from 0."""
        return self.variants.get((learns, attempt), self)


@dataclass(frozen=True)
class Plan:
    """A network ready for an engine.

    Attributes
    ----------
    shared : the shared inputs in the order of `Phase.shared`'s columns: (population, variable);
        population "" stands for the protocol constant that every block sees under that name.
    blocks : captured code of neurons, and of synapses in every step, in the order of Brian2's
        schedule.
    inputs : the (population, variable) pairs that a trial's sample sets; (population, "spikes")
        where it brings the spikes of one that replays them.
    constants : protocol constants -> dimensions.
    kept : (population or projection, variable) pairs that carry over from trial to trial.
    parameters : initial values of everything that is learned or weighs: projections by name in
        their
        geometry's `weight_shape`, learned variables by `population.variable`, with one value a
        channel or one in all where shared.
    storage : parameter -> what storing it does to its values.
    fingerprint : hash of everything that decides the numbers, but for the data of `inputs`.
    """

    name: str
    dt: float
    seed: int
    precision: Literal["float32", "float64"]
    populations: Mapping[str, Population]
    projections: Mapping[str, Projection]
    blocks: tuple[Block, ...]
    rules: Mapping[str, Rule]
    phases: Mapping[str, Phase]
    shared: tuple[tuple[str, str], ...]
    inputs: tuple[tuple[str, str], ...]
    parameters: Mapping[str, FloatArray]
    storage: Mapping[str, Storage]
    fingerprint: str
    constants: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    kept: tuple[tuple[str, str], ...] = ()

    def size(self, owner: str) -> int:
        """Return the number of neurons of a population or of synapses of a projection."""
        if owner in self.populations:
            return self.populations[owner].size
        return self.projections[owner].geometry.synapse_count

    def variables(self, owner: str) -> Mapping[str, Variable]:
        """Return the variables of a population or of a projection's synapses."""
        if owner in self.populations:
            return self.populations[owner].variables
        return self.projections[owner].variables

    def recorded(self, owner: str, variable: str) -> Variable | Derived:
        """Return what a recording shows under a name of a population or of synapses."""
        if owner in self.populations and variable in self.populations[owner].derived:
            return self.populations[owner].derived[variable]
        return self.variables(owner)[variable]

    @property
    def learns(self) -> bool:
        """Whether anything learns: by gradients, or at spikes."""
        pathways = (p for projection in self.projections.values() for p in projection.pathways)
        return bool(self.rules) or any(pathway.when == "learning" for pathway in pathways)

    @cached_property
    def snapshots(self) -> frozenset[str]:
        """Phases whose end state another phase, or another attempt, starts from."""
        every = [v for p in self.phases.values() for v in (p, *p.variants.values())]
        return frozenset(phase.start for phase in every if phase.start is not None)

    @cached_property
    def length(self) -> int:
        """Steps of the longest way through a trial, with all attempts of repeated phases."""
        every = [v for p in self.phases.values() for v in (p, *p.variants.values())]
        return max(phase.first + phase.steps for phase in every)

    @property
    def code(self) -> tuple[Block, ...]:
        """All code that runs in steps: of neurons, and of synapses at spikes."""
        pathways = [p for projection in self.projections.values() for p in projection.pathways]
        return (*self.blocks, *(p.block for p in pathways if p.block is not None))

    @property
    def arrays(self) -> dict[str, TimedValues]:
        """The arrays that code reads, by name."""
        found = [p.neuron.arrays for p in self.populations.values() if p.neuron is not None]
        found += [p.code.arrays for p in self.projections.values() if p.code is not None]
        return {name: array for arrays in found for name, array in arrays.items()}

    @property
    def streams(self) -> tuple[tuple[str, str], ...]:
        """The random variables of the code: (block, variable)."""
        return tuple(
            (block.name, name)
            for block in self.code
            for name, symbol in sorted(block.symbols.items())
            if symbol.role == "random"
        )

    @property
    def dtype(self) -> np.dtype[Any]:
        """Floating-point type of states and weights."""
        return np.dtype(self.precision)
