"""Code of synapses: at spikes, one synapse of a spiking neuron after the other, and in every step.

Statements read and write memory at once, in the order in which Brian2 goes through synapses:
spikes by the time at which they were sent, then by neuron, then by synapse.
"""

from __future__ import annotations

from evsim.build.code import Block, Statement, Symbol
from evsim.build.draws import kind_of
from evsim.build.plan import Pathway, Plan, Projection
from evsim.engines.fused.layout import Events, Layout
from evsim.engines.fused.listing import Listing
from evsim.engines.fused.neurons import with_cases
from evsim.engines.fused.reader import Reader
from evsim.engines.fused.render import Renderer, Term, literal
from evsim.engines.fused.source import (
    BUFFER_TYPES,
    CLOCK,
    TYPES,
    Lines,
    Parameters,
    array_reader,
)


class SynapseScope:
    """Names of a block of synaptic code while a loop over synapses is written.

    In the loop `pre` and `post` are the neurons of synapse `s`, in memory order.
    """

    def __init__(self, plan: Plan, layout: Layout, parameters: Parameters, projection: Projection):
        self.plan, self.layout, self.projection = plan, layout, projection
        self.parameters = parameters
        self.reader = Reader(plan, layout, parameters, {}, None)
        self.locals: dict[str, Term] = {}

    def renderer(self, block: Block) -> Renderer:
        """Return a renderer for the names of a block."""

        def resolve(name: str) -> Term:
            if name in self.locals:
                return self.locals[name]
            symbol = block.symbols[name]
            if symbol.role == "literal":
                assert symbol.value is not None
                return literal(symbol.value)
            if symbol.role == "clock":
                return CLOCK[symbol.variable]
            if symbol.role == "random":
                stream = self.plan.streams.index((block.name, name))
                call = f"{kind_of(name)}(draw[{stream + 1}], draw[0], now, s)"
                return Term(f"F({call})", "f")
            return self.element(symbol)

        return Renderer(resolve, array_reader(self.plan, self.layout, block))

    def element(self, symbol: Symbol) -> Term:
        """Return the source of a variable's element."""
        projection = self.projection
        if symbol.side == "pre":
            return self.reader.element(projection.source, symbol.variable, "pre")
        if symbol.side == "post":
            return self.reader.element(projection.target, symbol.variable, "post")
        ends = {"_synaptic_pre": projection.source, "_synaptic_post": projection.target}
        if symbol.variable in ends:
            side = "pre" if symbol.variable == "_synaptic_pre" else "post"
            grid = self.layout.grids[ends[symbol.variable]]
            if not grid.permuted:
                return Term(side, "i")
            return Term(
                f"({side} % {grid.channels} * {grid.places} + {side} // {grid.channels})", "i"
            )
        if ("", symbol.variable) in self.plan.shared:
            return Term(f"s{self.plan.shared.index(('', symbol.variable))}", "f")
        return self._own(symbol.variable)

    def _own(self, name: str) -> Term:
        """Return the source of a synapse's own variable."""
        key, variable = (self.projection.name, name), self.projection.variables[name]
        if key in self.layout.uniform:
            value, kind = literal(self.layout.uniform[key]), TYPES[variable.kind]
            return Term(value.to(kind), kind)
        if key in self.parameters.synaptic:
            place, weight = self.parameters.synaptic[key]
            return Term(f"w[{place} + {weight}]", "f")
        slot = self.layout.slots[key]
        at = "" if variable.shared else " + s"
        return Term(f"{slot.buffer}[{slot.offset}{at}]", BUFFER_TYPES[slot.buffer])

    def sum_of(self, block: Block) -> tuple[str, str] | None:
        """Return the (population, variable) to which a block assigns a sum, or None."""
        if block.sums is None:
            return None
        side, variable = block.sums
        return (self.projection.source if side == "pre" else self.projection.target), variable

    def assign(self, out: Lines, block: Block, statement: Statement) -> None:
        """Write one statement; the target's type decides the conversion."""
        renderer = self.renderer(block)
        symbol = block.symbols[statement.var]
        if symbol.role == "local":
            kind = TYPES[statement.kind]
            if kind == "f" and renderer.expression(statement.expr).type == "d":
                kind = "d"
            name = f"{block.name}_{statement.var}"
            out.add(f"{name} = {with_cases(renderer, statement, kind)}")
            self.locals[statement.var] = Term(name, kind)
            return
        target = self.element(symbol)
        text = with_cases(renderer, statement, target.type)
        if statement.op != "=":
            sign = statement.op[:-1]
            text = f"pow({target.text}, {text})" if sign == "**" else f"{target.text} {sign} {text}"
            text = f"{target.type.upper()}({text})" if target.type in ("f", "d") else text
        out.add(*self._guarded(block, symbol, statement.var, f"{target.text} = {text}"))

    def _guarded(self, block: Block, symbol: Symbol, name: str, line: str) -> list[str]:
        """Return the lines of a write that only counts where the neuron's guard holds."""
        guard = block.guards.get(name)
        if guard is None:
            return [line]
        population = self.projection.source if symbol.side == "pre" else self.projection.target
        allowed = self.reader.element(population, guard, symbol.side)
        return [f"if {allowed.text}:", f"    {line}"]


def lower_pathway(
    out: Lines,
    scope: SynapseScope,
    pathway: Pathway,
    listing: Listing,
    events: Events,
    at: int,
) -> None:
    """Write the code of a pathway: loops over the synapses of neurons that spiked."""
    block, projection = pathway.block, scope.projection
    assert block is not None
    for statement in block.scalar:
        scope.assign(out, block, statement)
    sender = scope.layout.grids[projection.source if pathway.side == "pre" else projection.target]
    indent = out.indent
    with listing.loop(out, events, sender, at) as (receiver, number):
        ends = ("pre", "post") if pathway.side == "pre" else ("post", "pre")
        out.add(f"{ends[0]} = i", f"{ends[1]} = {receiver}", f"s = {number}")
        for statement in block.vector:
            scope.assign(out, block, statement)
    out.indent = indent


def lower_every(out: Lines, scope: SynapseScope, block: Block, ends: int) -> None:
    """Write code that runs for every synapse; `ends` is the place of sources and targets."""
    count = scope.projection.geometry.synapse_count
    total = scope.sum_of(block)
    if total is not None:
        slot = scope.layout.slots[total]
        out.add(f"for i in range({slot.size}):", f"    {slot.buffer}[{slot.offset} + i] = 0")
    for statement in block.scalar:
        scope.assign(out, block, statement)
    out.add(f"for s in range({count}):")
    out.indent += 1
    out.add(f"pre, post = I(links[{ends} + s]), I(links[{ends + count} + s])")
    for statement in block.vector:
        scope.assign(out, block, statement)
    if total is not None and block.sums is not None:
        slot, value = scope.layout.slots[total], scope.locals["_synaptic_var"]
        place = f"{slot.buffer}[{slot.offset} + {block.sums[0]}]"
        out.add(f"{place} += {value.to(BUFFER_TYPES[slot.buffer])}")
    out.indent -= 1
