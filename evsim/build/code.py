"""Captured code as data: variables, statements, what names stand for, and the text it came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["float", "integer", "boolean"]
DTYPES: Mapping[Kind, type] = {"float": np.float64, "integer": np.int64, "boolean": np.bool_}
"""How a plan keeps values of each kind; engines keep floats in the network's precision."""

CLOCK = frozenset({"t", "dt", "t_in_timesteps", "i"})
"""Names that every neuron's code knows without declaring them."""


@dataclass(frozen=True)
class Variable:
    """A state variable of a population.

    Attributes
    ----------
    name : as in the equations.
    kind : type of its values.
    shared : one value for the whole population (Brian2's `shared`).
    constant : no code of the neuron writes it.
    initial : (neuron,) or (), value at the start of a trial, SI units.
    unit : SI unit as text, for recordings.
    share : axis along which a learned variable has one value ("channel", "all"), or None.
    guard : boolean variable that must hold for a projection to add to this one (`unless
        refractory`), or None.
    """

    name: str
    kind: Kind
    shared: bool
    constant: bool
    initial: NDArray[Any]
    unit: str = ""
    share: str | None = None
    guard: str | None = None


@dataclass(frozen=True, eq=False)
class Derived:
    """A variable that follows from others, Brian2's subexpression, worked out when looked at.

    Attributes
    ----------
    kind : type of its values.
    shared : one value for the whole population.
    unit : SI unit as text.
    size : neurons of the population.
    text : NumPy expression over the names that follow.
    states : variables of the population.
    drives : protocol constants.
    namespace : functions and fixed values, SI units.
    """

    name: str
    kind: Kind
    shared: bool
    unit: str
    size: int
    text: str
    states: tuple[str, ...]
    drives: tuple[str, ...]
    namespace: Mapping[str, Any]

    @cached_property
    def _code(self) -> Any:
        return compile(self.text, f"<{self.name}>", "eval")

    def evaluate(
        self,
        state: Callable[[str], NDArray[Any]],
        drive: Callable[[str], float],
        step: int,
        dt: float,
    ) -> NDArray[Any]:
        """Return the values, (neuron,), or () where shared.

        Parameters
        ----------
        state, drive : give the values of a variable and of a protocol constant.
        step : of the trial, from 0.
        dt : seconds of a step.
        """
        names = {**self.namespace, "i": np.arange(self.size)}
        names |= {"t": step * dt, "dt": dt, "t_in_timesteps": step}
        names |= {name: state(name) for name in self.states}
        names |= {name: drive(name) for name in self.drives}
        with np.errstate(all="ignore"):
            values = eval(self._code, {"__builtins__": {}}, names)
        return np.broadcast_to(np.asarray(values), () if self.shared else (self.size,))


@dataclass(frozen=True)
class Statement:
    """One line of captured code: `var op expr`, with op `:=` where it declares a local name.

    Attributes
    ----------
    cases : where Brian2 splits an expression over boolean variables, the simplified expression for
        every combination, as ((variable, value), ...), expression.
    """

    var: str
    op: str
    expr: str
    kind: Kind
    shared: bool
    cases: tuple[tuple[tuple[tuple[str, bool], ...], str], ...] = ()

    def __str__(self) -> str:
        return f"{self.var} {self.op} {self.expr}"


@dataclass(frozen=True)
class Symbol:
    """What a name in a block stands for.

    Attributes
    ----------
    role : "state" (a population's variable), "local", "literal" (value known at compile time),
        "clock" (`t`, `dt`, `t_in_timesteps`), "index" (`i`), "random" (a fresh number for every
        step and neuron, see `draws`), "array" (values over time, called with a time), or
        "function".
    side : for "state" in synaptic code, "pre", "post" or "synapse"; else "".
    variable : name of the variable on that side.
    """

    role: Literal["state", "local", "literal", "clock", "index", "random", "array", "function"]
    variable: str = ""
    side: str = ""
    kind: Kind = "float"
    shared: bool = False
    value: float | int | bool | None = None


@dataclass(frozen=True)
class Block:
    """One captured Brian2 code object.

    Attributes
    ----------
    name, owner : the object's name and its population.
    when, order : Brian2's slot and order inside it.
    template : Brian2's template, which says what the code is for ("stateupdate", "threshold",
        "reset"); `refractory` is set where the threshold also starts a refractory period.
    code : abstract code, for people.
    scalar, vector : statements that run once, and once per neuron.
    sums : side and variable to which the sum over synapses of the local `_synaptic_var` is
        assigned, or None.
    guards : variable -> boolean variable that must hold for a write (Brian2's conditional write).
    event : what the code of a threshold finds, and a reset's code follows.
    part : first neuron and the one after the last that the code runs for; None for all.
    every : steps from one run of the code to the next, the first step of a trial being one.
    """

    name: str
    owner: str
    when: str
    order: int
    template: str
    code: str
    scalar: tuple[Statement, ...]
    vector: tuple[Statement, ...]
    symbols: Mapping[str, Symbol]
    guards: Mapping[str, str] = field(default_factory=dict)
    refractory: bool = False
    event: str = "spike"
    sums: tuple[str, str] | None = None
    part: tuple[int, int] | None = None
    every: int = 1

    @property
    def written(self) -> set[str]:
        """Names of the variables that the code changes, whichever side they are of."""
        statements = (*self.scalar, *self.vector)
        return {self.symbols[s.var].variable for s in statements if s.op != ":="}


@dataclass(frozen=True, eq=False)
class TimedValues:
    """Values over time that neuron code reads: Brian2's TimedArray.

    Attributes
    ----------
    values : (time,) or (time, column), SI units.
    dt : seconds between two times.
    dimensions : of the values.
    epsilon, finer : time t belongs to row int((t/epsilon + 0.5)/finer), limited to those there are.
    """

    name: str
    values: NDArray[np.float64]
    dt: float
    dimensions: tuple[float, ...]
    epsilon: float
    finer: int

    @property
    def columns(self) -> int:
        """Number of values at a time."""
        return self.values.shape[1] if self.values.ndim == 2 else 1


@dataclass(frozen=True)
class NeuronCode:
    """The text of a population's neuron, as Brian2 objects are made from it.

    `namespace` maps parameter names to (SI value, dimensions); `drives` the protocol constants that
    the code sees as shared variables to their dimensions.
    """

    equations: str
    threshold: str | None
    reset: str | None
    refractory: str | None
    method: str | None
    run: Mapping[str, str]
    namespace: Mapping[str, tuple[float, tuple[float, ...]]]
    drives: Mapping[str, tuple[float, ...]]
    events: Mapping[str, str] = field(default_factory=dict)
    on_event: Mapping[str, str] = field(default_factory=dict)
    arrays: Mapping[str, TimedValues] = field(default_factory=dict)


@dataclass(frozen=True)
class SynapseCode:
    """The text of a projection's synapses, as a Brian2 object is made from it.

    Attributes
    ----------
    equations : of the synapses, the weight among their variables.
    on_pre, on_post : code that runs for every synapse of a spiking neuron, or None.
    method : integrator of equations that are not event-driven.
    namespace, drives : as of `NeuronCode`.
    weight : name of the weight `w` in the equations and the code, where it has another there; ""
        where no variable is the projection's weight.
    transmits : whether the code passes spikes on; if not, every spike adds its weight besides.
    learns : whether the code runs in passes that learn only; in others a spike adds its weight.
    """

    equations: str
    on_pre: str | None
    on_post: str | None
    method: str | None
    namespace: Mapping[str, tuple[float, tuple[float, ...]]]
    drives: Mapping[str, tuple[float, ...]]
    weight: str = "w"
    transmits: bool = False
    learns: bool = True
    arrays: Mapping[str, TimedValues] = field(default_factory=dict)
