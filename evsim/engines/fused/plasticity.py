"""Learning code: gradients of weights and learned variables from a trial's state.

Where a rule adds a product of a term of the source and a term of the target, its sum over synapses
is a correlation of two vectors: few operations a neuron, and rows of the gradient touched only for
sources that are not 0. Any other rule runs synapse by synapse.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from evsim.build.code import Block
from evsim.build.plan import Projection, Rule
from evsim.engines.fused.correlation import correlate
from evsim.engines.fused.gradients import GradientLayout
from evsim.engines.fused.layout import Grid
from evsim.engines.fused.reader import Reader
from evsim.engines.fused.render import Renderer, Term, Type, literal
from evsim.engines.fused.separable import Product, separate
from evsim.engines.fused.source import TYPES, Lines
from evsim.errors import EngineError
from evsim.projections.base import Geometry

Owners: TypeAlias = Mapping[str, tuple[str, str]]
"""Side of a synapse -> population, and the index of its neuron in code."""

SYNAPTIC = ("pre", "post", "weight", "coefficient", "place")
"""Arrays of learning code that runs synapse by synapse, besides the weights."""


class Signs(list[int]):
    """Signs of the terms that a phase adds up, 1 or -1, as its code looks them up."""

    def add(self, out: Lines, negative: bool) -> str:
        """Write the code that takes one more; return its name."""
        self.append(-1 if negative else 1)
        name = f"sign{len(self)}"
        out.add(f"{name} = signs[{len(self) - 1}]")
        return name

    def of(self, out: Lines, block: Block) -> Iterator[str]:
        """Write the same for all that a block adds to `g` or takes from it; return their names."""
        changes = [s.op for s in block.vector if s.var == "g" and s.op in ("+=", "-=")]
        return iter([self.add(out, op == "-=") for op in changes])


def lower_rule(
    out: Lines,
    gradients: GradientLayout,
    reader: Reader,
    rule: Rule,
    block: Block,
    signs: Signs,
) -> None:
    """Write one rule's code for one phase: it adds to the flat gradient `g`.

    Whether a term counts positive is in `signs`: phases that differ in nothing else share code.
    """
    code = _RuleCode(out, reader, block, gradients.offsets[rule.parameter], signs)
    if rule.projection is None:
        code.neuron_by_neuron(rule.population)
        return
    projection = reader.plan.projections[rule.projection]
    products = separate(block)
    if gradients.reasons[rule.parameter] is None and not isinstance(products, str):
        code.correlations(projection, products)
    else:
        code.synapse_by_synapse(projection)


class _RuleCode:
    """Lines of one block of learning code; its gradient begins at `offset` of `g`."""

    def __init__(self, out: Lines, reader: Reader, block: Block, offset: int, signs: Signs):
        self.out, self.reader, self.block = out, reader, block
        self.offset, self.signs = offset, signs
        self.layout = reader.layout
        self.local: dict[str, Term] = {}

    def neuron_by_neuron(self, population: str) -> None:
        """Write the code of a learned variable."""
        out = self.out
        self._scalars({})
        taken = self.signs.of(out, self.block)
        out.add(f"for i in range({self.layout.grids[population].size}):")
        out.indent += 1
        self._changes({"": (population, "i")}, {}, taken)
        out.add(f"g[{self.offset} + i] += change")
        out.indent -= 1

    def correlations(self, projection: Projection, products: Iterable[Product]) -> None:
        """Write the code of weights whose changes are products of a pre and a post term."""
        self._scalars(_ends(projection, "0", "0"))
        for product in products:
            self._product(projection, product, self.signs.add(self.out, product.negative))

    def synapse_by_synapse(self, projection: Projection) -> None:
        """Write the code of weights in general."""
        out, name = self.out, projection.name
        self._scalars(_ends(projection, "0", "0"))
        taken = self.signs.of(out, self.block)
        out.add(f"for s in range(pre_{name}.size):")
        out.indent += 1
        out.add(f"pre, post, at = pre_{name}[s], post_{name}[s], weight_{name}[s]")
        if name in self.layout.pools:
            first = self.layout.pools[name][1]
            out.add(f"if n[{first} + post] != place_{name}[s]:", "    continue")
        weight = {"w": Term(f"weights_{name}[at]", "f")}
        self._changes(_ends(projection, "pre", "post"), weight, taken)
        out.add(f"g[{self.offset} + at] += coefficient_{name}[s] * change")
        out.indent -= 1

    def _renderer(self, owner: Owners, local: Mapping[str, Term]) -> Renderer:
        """Return what renders a block's names; `owner` maps a side to its population and index."""
        reader, symbols = self.reader, self.block.symbols

        def resolve(name: str) -> Term:
            if name in local:
                return local[name]
            symbol = symbols[name]
            if symbol.role == "literal":
                assert symbol.value is not None
                return literal(symbol.value)
            if symbol.role == "state" and ("", symbol.variable) in reader.plan.shared:
                return Term(f"s{reader.plan.shared.index(('', symbol.variable))}", "f")
            if symbol.role == "state" and symbol.side in owner:
                population, index = owner[symbol.side]
                return reader.element(population, symbol.variable, index)
            raise EngineError(
                f"Learning code reads '{name}', which the fused engine does not have."
            )

        return Renderer(resolve)

    def _scalars(self, owner: Owners) -> None:
        """Write what is the same for every neuron or synapse."""
        for statement in self.block.scalar:
            kind = TYPES[statement.kind]
            value = self._renderer(owner, self.local).expression(statement.expr).to(kind)
            self.local[statement.var] = self._assign(statement.var, value, kind)

    def _changes(self, owner: Owners, known: Mapping[str, Term], signs: Iterator[str]) -> None:
        """Write the block's lines with `g` standing for a change that starts at 0."""
        out = self.out
        out.add("change = ZERO_F")
        local = {**self.local, **known, "g": Term("change", "f")}
        for statement in self.block.vector:
            value = self._renderer(owner, local).expression(statement.expr)
            if statement.var == "g" and statement.op in ("+=", "-="):
                out.add(f"change += {next(signs)} * ({value.to('f')})")
            elif statement.var == "g":
                out.add(f"change {statement.op} {value.to('f')}")
            elif statement.op == ":=":
                kind = TYPES[statement.kind]
                local[statement.var] = self._assign(statement.var, value.to(kind), kind)
            else:
                raise EngineError(f"Learning code may only write g, not `{statement}`.")

    def _assign(self, name: str, value: str, kind: Type) -> Term:
        """Write an assignment to a name of the rule's own; return what stands for it.

        The prefix keeps it apart from names of the code around it.
        """
        self.out.add(f"own_{name} = {value}")
        return Term(f"own_{name}", kind)

    def _product(self, projection: Projection, product: Product, sign: str) -> None:
        source = self.layout.grids[projection.source]
        target = self.layout.grids[projection.target]
        renderer = self._renderer(_ends(projection, "i", "i"), self.local)

        def times(texts: tuple[str, ...], first: str) -> str:
            return " * ".join([first, *(renderer.expression(t).to("f") for t in texts)])

        self.out.add(
            f"scale = {times(product.shared, sign)}",
            f"for i in range({target.size}):",
            f"    right[i] = {times(product.post, 'scale')}",
            f"for i in range({source.size}):",
            f"    left[i] = {times(product.pre, 'F(1.0)')}",
        )
        ends = source, target
        correlate(self.out, projection.geometry, ends, self.offset, self.reader.plan.dtype.itemsize)


def _ends(projection: Projection, pre: str, post: str) -> dict[str, tuple[str, str]]:
    return {"pre": (projection.source, pre), "post": (projection.target, post)}


def synapse_arrays(
    geometry: Geometry, source: Grid, target: Grid, dtype: np.dtype[Any]
) -> tuple[NDArray[Any], ...]:
    """Return the arrays of `SYNAPTIC` for the general path, neurons in memory order."""
    pre, post, weight, coefficient = geometry.synapses()
    place = np.zeros(1, np.int64) if geometry.windows is None else geometry.windows.place
    return (
        source.to_declared[pre],
        target.to_declared[post],
        weight,
        coefficient.astype(dtype),
        place,
    )
