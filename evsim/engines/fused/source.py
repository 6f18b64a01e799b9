"""Lines of generated source, and where a name in captured code finds its value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from evsim.build.code import Block
from evsim.build.draws import kind_of
from evsim.build.plan import Plan
from evsim.engines.fused.layout import Layout
from evsim.engines.fused.render import Renderer, Term, Type, literal

TYPES: dict[str, Type] = {"float": "f", "integer": "i", "boolean": "b"}
BUFFER_TYPES: dict[str, Type] = {"f": "f", "d": "d", "n": "i", "b": "b"}
CLOCK = {
    "t": Term("t", "d", uniform=True),
    "dt": Term("DT", "d", uniform=True),
    "t_in_timesteps": Term("now", "i", uniform=True),
}
"""Names of the clock; code that does not run in every step has its group's clock, as in Brian2."""


@dataclass
class Lines:
    """Source under construction; `indent` is the current depth."""

    text: list[str] = field(default_factory=list)
    indent: int = 0

    def add(self, *lines: str) -> None:
        """Append lines at the current depth."""
        self.text += ["    " * self.indent + line for line in lines]

    def __str__(self) -> str:
        return "\n".join(self.text)


@dataclass(frozen=True)
class Parameters:
    """Places in the weight buffer of what is not packed.

    Attributes
    ----------
    places : learned (population, variable) -> offset, share.
    synaptic : (projection, weight) that code reads -> offset, source of a synapse's weight number.
    """

    places: dict[tuple[str, str], tuple[int, str | None]] = field(default_factory=dict)
    synaptic: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)


class Scope:
    """Names of one population's blocks while a loop over its neurons is written.

    `element` maps a per-neuron variable to the source of its element at neuron `i`.
    """

    def __init__(self, plan: Plan, layout: Layout, parameters: Parameters, population: str):
        self.plan, self.layout, self.parameters = plan, layout, parameters
        self.population = population
        self.locals: dict[tuple[str, str], Term] = {}
        self.loaded: dict[str, Term] = {}
        self.calls: dict[str, str] = {}
        self.pending: list[str] = []
        self.hoisted: dict[str, str] = {}
        self.looping = False
        self.named = 0
        self.uses_channel = False

    def declare(self, block: Block, name: str, kind: Type, uniform: bool) -> str:
        """Make a local name of a block and return its source name."""
        unique = f"{block.name}_{name}"
        self.locals[block.name, name] = Term(unique, kind, uniform=uniform)
        return unique

    def place(self, variable: str) -> Term:
        """Return the source of a variable's element: `f[128 + i]`, a literal, a shared value."""
        key = (self.population, variable)
        layout = self.layout
        if key in layout.uniform:
            value = literal(layout.uniform[key])
            declared = self.plan.populations[self.population].variables[variable]
            return Term(value.to(TYPES[declared.kind]), TYPES[declared.kind])
        if key in self.parameters.places:
            offset, share = self.parameters.places[key]
            if share == "channel":
                self.uses_channel = True
                return Term(f"w[{offset} + c]", "f")
            return Term(f"w[{offset}]" if share == "all" else f"w[{offset} + i]", "f")
        if key in layout.slots:
            slot = layout.slots[key]
            shared = self.plan.populations[self.population].variables[variable].shared
            at = f"{slot.offset}" if shared else f"{slot.offset} + i"
            return Term(f"{slot.buffer}[{at}]", BUFFER_TYPES[slot.buffer])
        return self.shared(variable)

    def shared(self, variable: str) -> Term:
        """Return the source of a shared input at the current step."""
        columns = self.plan.shared
        key = (self.population, variable)
        at = columns.index(key if key in columns else ("", variable))
        return Term(f"s{at}", "f")

    def neuron(self) -> Term:
        """Return the source of a neuron's index in the declared shape."""
        grid = self.layout.grids[self.population]
        self.uses_channel = self.uses_channel or grid.permuted
        return Term(f"(c * {grid.places} + p)" if grid.permuted else "i", "i")

    def is_neural(self, variable: str) -> bool:
        """Whether a variable has an element a neuron that must be loaded in the loop."""
        key = (self.population, variable)
        if key in self.parameters.places:
            return True
        declared = self.plan.populations[self.population].variables.get(variable)
        return key in self.layout.slots and declared is not None and not declared.shared

    def random(self, block: Block, name: str) -> Term:
        """Return the source of a neuron's random number, drawn before the loop or here."""
        kind, place = kind_of(name), self.layout.noise.get((block.name, name))
        if place is None:
            stream = self.plan.streams.index((block.name, name))
            text = f"{kind}(draw[{stream + 1}], draw[0], now, {self.neuron().text})"
        elif kind == "uniform":
            text = f"rounded(noise[{place} + {self.neuron().text}])"
        else:
            text = f"noise[{place} + {self.neuron().text}]"
        return Term(text, "d") if kind == "chance" else Term(f"F({text})", "f")

    def renderer(self, block: Block) -> Renderer:
        """Return a renderer for the names of a block."""

        def resolve(name: str) -> Term:
            if (block.name, name) in self.locals:
                return self.locals[block.name, name]
            symbol = block.symbols[name]
            if symbol.role == "literal":
                assert symbol.value is not None
                return literal(symbol.value)
            if symbol.role == "clock":
                return CLOCK[symbol.variable]
            if symbol.role == "index":
                return self.neuron()
            if symbol.role == "random":
                return self.random(block, name)
            return self.loaded.get(symbol.variable) or self.place(symbol.variable)

        reader = array_reader(self.plan, self.layout, block)
        return Renderer(resolve, reader, self.share, self.hoist if self.looping else None)

    def share(self, call: str) -> str:
        """Return a name for the value of a call, which `take_pending` defines where it is new.

        Brian2 writes a subexpression out wherever it is used; LLVM does not see that two long
        functions of the same number are equal.
        """
        if call not in self.calls:
            self.calls[call] = f"call_{self.named}"
            self.named += 1
            self.pending.append(f"{self.calls[call]} = {call}")
        return self.calls[call]

    def hoist(self, call: str) -> str:
        """Return a name for the value of a call, which is to be defined before the loop."""
        if call not in self.hoisted:
            self.hoisted[call] = f"before_{self.population}_{self.named}"
            self.named += 1
        return self.hoisted[call]

    @property
    def before(self) -> list[str]:
        """Definitions of the names that `hoist` has given."""
        return [f"{name} = {call}" for call, name in self.hoisted.items()]

    def take_pending(self) -> list[str]:
        """Return and clear the definitions of names that `share` has given since."""
        lines, self.pending = self.pending, []
        return lines

    def forget(self, target: str) -> None:
        """Forget calls whose values change with what is assigned to `target`."""
        self.calls = {call: name for call, name in self.calls.items() if target not in call}

    def leave_loop(self) -> None:
        """Forget everything that holds inside one loop only."""
        self.loaded.clear()
        self.calls.clear()
        self.hoisted.clear()
        self.looping = False
        self.uses_channel = False

    def clear(self) -> None:
        """Forget the names of the blocks, too."""
        self.leave_loop()
        self.locals.clear()


def array_reader(
    plan: Plan, layout: Layout, block: Block
) -> Callable[[str, list[Term]], Term | None]:
    """Return what gives the source of `array(t)` and `array(t, i)` in a block."""

    def read(name: str, args: list[Term]) -> Term | None:
        if name not in block.symbols or block.symbols[name].role != "array":
            return None
        array, first = plan.arrays[name], layout.arrays[name]
        column = args[1].to("i") if len(args) == 2 else "0"
        place = f"{first}, {len(array.values)}, {array.columns}"
        time = f"{array.epsilon!r}, {array.finer}, {args[0].to('d')}"
        return Term(f"F(value_at(arrays, {place}, {time}, {column}))", "f")

    return read
