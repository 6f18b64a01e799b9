"""Learning code: gradients of weights and learned variables from a trial's state.

Where a rule adds a product of a term of the source and a term of the target, its sum over synapses
is a correlation of two vectors: few operations a neuron, and rows of the gradient touched only for
sources that are not 0. Any other rule runs synapse by synapse.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.build.code import Block
from evsim.build.plan import Phase, Plan, Projection, Rule
from evsim.build.weights import gather
from evsim.engines.fused.layout import Grid, Layout
from evsim.engines.fused.render import FUNCTIONS, Renderer, Term, literal
from evsim.engines.fused.separable import Product, separate
from evsim.engines.fused.source import BUFFER_TYPES, TYPES, Lines, Parameters
from evsim.engines.fused.vector import row_lanes
from evsim.errors import EngineError
from evsim.projections.base import Geometry
from evsim.projections.conv import Conv
from evsim.projections.dense import Dense

SYNAPTIC = ("pre", "post", "weight", "coefficient", "place")
"""Arrays of learning code that runs synapse by synapse, besides the weights."""


class GradientLayout:
    """Where each rule's gradient lies in a flat array, and how it becomes the parameter's."""

    def __init__(self, plan: Plan, layout: Layout):
        self.plan, self.layout = plan, layout
        self.reasons = {name: path(plan, rule) for name, rule in plan.rules.items()}
        self.offsets: dict[str, int] = {}
        self.size = 0
        for name, rule in plan.rules.items():
            self.offsets[name] = self.size
            self.size += self._elements(rule)

    def _elements(self, rule: Rule) -> int:
        if rule.projection is None:
            return self.plan.populations[rule.population].size
        geometry = self.plan.projections[rule.projection].geometry
        if isinstance(geometry, Conv) and self.reasons[rule.parameter] is None:
            return int(np.prod(geometry.folded_kernel)) * int(np.prod(geometry.weight_shape[:2]))
        return int(np.prod(geometry.weight_shape))

    def unpack(self, total: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Return gradients by parameter, in the parameter's shape."""
        found = {}
        for name, rule in self.plan.rules.items():
            flat = total[self.offsets[name] :][: self._elements(rule)]
            found[name] = self._unpack(rule, flat)
        return found

    def _unpack(self, rule: Rule, flat: NDArray[np.float64]) -> NDArray[np.float64]:
        grids = self.layout.grids
        if rule.projection is None:
            population = self.plan.populations[rule.population]
            assert rule.variable is not None
            share = population.variables[rule.variable].share
            return gather(flat[grids[rule.population].to_declared], population.shape, share)
        projection = self.plan.projections[rule.projection]
        geometry = projection.geometry
        if self.reasons[rule.parameter] is not None:
            return flat.reshape(geometry.weight_shape).copy()
        if isinstance(geometry, Conv):
            features, channels = geometry.weight_shape[:2]
            folded = flat.reshape(*geometry.folded_kernel, channels, features)
            return geometry.unfold(folded.transpose(3, 2, 0, 1))
        ordered = flat.reshape(geometry.weight_shape)
        source, target = grids[projection.source], grids[projection.target]
        ordered = ordered[source.to_declared] if source.permuted else ordered
        return ordered[:, target.to_declared] if target.permuted else ordered


def path(plan: Plan, rule: Rule) -> str | None:
    """Return why a rule cannot run as a correlation, or None."""
    if rule.projection is None:
        return None
    geometry = plan.projections[rule.projection].geometry
    if geometry.windows is not None:
        return "only synapses of the largest sums count"
    if not isinstance(geometry, Conv | Dense):
        return f"`{geometry.kind}` lists its synapses"
    if rule.at_spikes:
        return "its code runs at spikes"
    for block in (*rule.at_end.values(), *rule.every_step.values()):
        found = separate(block)
        if isinstance(found, str):
            return found
    return None


def applies(plan: Plan, rule: Rule) -> str | None:
    """Return what a rule's code reads that the fused engine does not have there, or None."""
    ends = {"": rule.population}
    if rule.projection is not None:
        projection = plan.projections[rule.projection]
        ends = {"pre": projection.source, "post": projection.target}
    for block in (*rule.at_end.values(), *rule.every_step.values()):
        for name, symbol in block.symbols.items():
            variables = plan.populations[ends[symbol.side]].variables if symbol.side in ends else {}
            own = name in ("w", "g") or ("", symbol.variable) in plan.shared
            known = {
                "state": own or symbol.variable in variables,
                "function": name in FUNCTIONS,
                "clock": False,
                "index": False,
            }
            if not known.get(symbol.role, True):
                return f"there is no fused form of '{name}' in `{block.code}`"
    return None


class _Reader:
    """Sources of values that learning code reads: states, or their averages in `at_end` code."""

    def __init__(
        self,
        plan: Plan,
        layout: Layout,
        parameters: Parameters,
        averages: Mapping[tuple[str, str], int],
        phase: Phase | None,
    ):
        self.plan, self.layout, self.parameters = plan, layout, parameters
        self.averages, self.phase = averages, phase

    def element(self, population: str, variable: str, index: str) -> Term:
        """Return the source of a variable of neuron `index` (memory order)."""
        key = (population, variable)
        if key in self.layout.uniform:
            return literal(self.layout.uniform[key])
        if self.phase is not None and variable in self.phase.average and key in self.averages:
            return Term(f"m[{self.averages[key]} + {index}]", "f")
        if key in self.parameters.places:
            offset, share = self.parameters.places[key]
            channels = self.layout.grids[population].channels
            at = {"channel": f" + {index} % {channels}", "all": ""}.get(share or "", f" + {index}")
            return Term(f"w[{offset}{at}]", "f")
        if key in self.plan.shared:
            return Term(f"s{self.plan.shared.index(key)}", "f")
        slot = self.layout.slots[key]
        shared = self.plan.populations[population].variables[variable].shared
        at = "" if shared else f" + {index}"
        return Term(f"{slot.buffer}[{slot.offset}{at}]", BUFFER_TYPES[slot.buffer])


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
    plan: Plan,
    layout: Layout,
    gradients: GradientLayout,
    reader: _Reader,
    rule: Rule,
    block: Block,
    signs: Signs,
) -> None:
    """Write one rule's code for one phase: it adds to the flat gradient `g`.

    Whether a term counts positive is in `signs`: phases that differ in nothing else share code.
    """
    offset = gradients.offsets[rule.parameter]
    if rule.projection is None:
        _lower_neural(out, layout, reader, rule, block, offset, signs)
        return
    projection = plan.projections[rule.projection]
    local = _scalars(out, block, reader, projection)
    products = separate(block)
    if gradients.reasons[rule.parameter] is None and not isinstance(products, str):
        for product in products:
            sign = signs.add(out, product.negative)
            _lower_product(
                out, plan, layout, reader, projection, block, product, sign, local, offset
            )
    else:
        _lower_synapses(out, layout, reader, projection, block, local, offset, signs)


def _resolver(
    block: Block,
    reader: _Reader,
    owner: Mapping[str, tuple[str, str]],
    local: Mapping[str, Term],
) -> Renderer:
    """Names of a block; `owner` maps a side to its population and index."""

    def resolve(name: str) -> Term:
        if name in local:
            return local[name]
        symbol = block.symbols[name]
        if symbol.role == "literal":
            assert symbol.value is not None
            return literal(symbol.value)
        if symbol.role == "state" and ("", symbol.variable) in reader.plan.shared:
            return Term(f"s{reader.plan.shared.index(('', symbol.variable))}", "f")
        if symbol.role == "state" and symbol.side in owner:
            population, index = owner[symbol.side]
            return reader.element(population, symbol.variable, index)
        raise EngineError(f"Learning code reads '{name}', which the fused engine does not have.")

    return Renderer(resolve)


def _scalars(
    out: Lines, block: Block, reader: _Reader, projection: Projection | None
) -> dict[str, Term]:
    local: dict[str, Term] = {}
    owner = {}
    if projection is not None:
        owner = {"pre": (projection.source, "0"), "post": (projection.target, "0")}
    for statement in block.scalar:
        renderer = _resolver(block, reader, owner, local)
        kind = TYPES[statement.kind]
        out.add(f"{statement.var} = {renderer.expression(statement.expr).to(kind)}")
        local[statement.var] = Term(statement.var, kind)
    return local


def _lower_neural(
    out: Lines,
    layout: Layout,
    reader: _Reader,
    rule: Rule,
    block: Block,
    offset: int,
    signs: Signs,
) -> None:
    local = _scalars(out, block, reader, None)
    taken = signs.of(out, block)
    out.add(f"for i in range({layout.grids[rule.population].size}):")
    out.indent += 1
    out.add("change = ZERO_F")
    _changes(out, block, reader, {"": (rule.population, "i")}, dict(local), taken)
    out.add(f"g[{offset} + i] += change")
    out.indent -= 1


def _changes(
    out: Lines,
    block: Block,
    reader: _Reader,
    owner: Mapping[str, tuple[str, str]],
    local: dict[str, Term],
    signs: Iterator[str],
) -> None:
    """Write a block's lines with `g` standing for a change that starts at 0."""
    local["g"] = Term("change", "f")
    for statement in block.vector:
        value = _resolver(block, reader, owner, local).expression(statement.expr)
        if statement.var == "g" and statement.op in ("+=", "-="):
            out.add(f"change += {next(signs)} * ({value.to('f')})")
        elif statement.var == "g":
            out.add(f"change {statement.op} {value.to('f')}")
        elif statement.op == ":=":
            kind = TYPES[statement.kind]
            out.add(f"{statement.var} = {value.to(kind)}")
            local[statement.var] = Term(statement.var, kind)
        else:
            raise EngineError(f"Learning code may only write g, not `{statement}`.")


def _lower_product(
    out: Lines,
    plan: Plan,
    layout: Layout,
    reader: _Reader,
    projection: Projection,
    block: Block,
    product: Product,
    sign: str,
    local: Mapping[str, Term],
    offset: int,
) -> None:
    source, target = layout.grids[projection.source], layout.grids[projection.target]
    owner = {"pre": (projection.source, "i"), "post": (projection.target, "i")}
    renderer = _resolver(block, reader, owner, local)

    def times(texts: tuple[str, ...], first: str) -> str:
        return " * ".join([first, *(renderer.expression(t).to("f") for t in texts)])

    out.add(
        f"scale = {times(product.shared, sign)}",
        f"for i in range({target.size}):",
        f"    right[i] = {times(product.post, 'scale')}",
        f"for i in range({source.size}):",
        f"    left[i] = {times(product.pre, 'F(1.0)')}",
    )
    itemsize = plan.dtype.itemsize
    if isinstance(projection.geometry, Conv):
        _correlate_conv(out, projection.geometry, source, target, offset, itemsize)
    else:
        _correlate_dense(out, source, target, offset, itemsize)


def _add_row(out: Lines, at: str, source: str, width: int, itemsize: int) -> None:
    lanes = row_lanes(itemsize)
    full, rest = divmod(width, lanes)
    if full > 1:
        out.add(f"for q in range({full}):")
        out.add(f"    add_scaled(g, {at} + q * {lanes}, right, {source} + q * {lanes}, v, {lanes})")
    elif full:
        out.add(f"add_scaled(g, {at}, right, {source}, v, {lanes})")
    if rest:
        done = full * lanes
        out.add(f"add_scaled(g, {at} + {done}, right, {source} + {done}, v, {rest})")


def _correlate_dense(out: Lines, source: Grid, target: Grid, offset: int, itemsize: int) -> None:
    out.add(f"for i in range({source.size}):", "    v = left[i]", "    if v != ZERO_F:")
    out.indent += 2
    _add_row(out, f"{offset} + i * {target.size}", "0", target.size, itemsize)
    out.indent -= 2


def _correlate_conv(
    out: Lines, geometry: Conv, source: Grid, target: Grid, offset: int, itemsize: int
) -> None:
    (kh, kw), (sh, sw), (ph, pw) = (
        geometry.folded_kernel,
        geometry.folded_stride,
        geometry.padding,
    )
    c, features = source.channels, target.channels
    out.add(
        f"for y in range({source.rows}):",
        f"    top = max(0, -((-(y + {ph} - {kh - 1})) // {sh}))",
        f"    bottom = min({target.rows - 1}, (y + {ph}) // {sh}) + 1",
        f"    for x in range({source.columns}):",
        f"        first = max(0, -((-(x + {pw} - {kw - 1})) // {sw}))",
        f"        last = min({target.columns - 1}, (x + {pw}) // {sw}) + 1",
        f"        for c in range({c}):",
        f"            v = left[(y * {source.columns} + x) * {c} + c]",
        "            if v != ZERO_F:",
        "                for oy in range(top, bottom):",
        "                    for ox in range(first, last):",
        f"                        k = ((y + {ph} - oy * {sh}) * {kw} + x + {pw} - ox * {sw}) * {c}"
        " + c",
    )
    out.indent += 6
    row = f"(oy * {target.columns} + ox) * {features}"
    _add_row(out, f"{offset} + k * {features}", row, features, itemsize)
    out.indent -= 6


def _lower_synapses(
    out: Lines,
    layout: Layout,
    reader: _Reader,
    projection: Projection,
    block: Block,
    local: Mapping[str, Term],
    offset: int,
    signs: Signs,
) -> None:
    """Write the general path: one synapse after the other."""
    name = projection.name
    taken = signs.of(out, block)
    out.add(f"for s in range(pre_{name}.size):")
    out.indent += 1
    out.add(f"pre, post, at = pre_{name}[s], post_{name}[s], weight_{name}[s]", "change = ZERO_F")
    if name in layout.pools:
        out.add(f"if n[{layout.pools[name][1]} + post] != place_{name}[s]:", "    continue")
    known = {**local, "w": Term(f"weights_{name}[at]", "f")}
    owner = {"pre": (projection.source, "pre"), "post": (projection.target, "post")}
    _changes(out, block, reader, owner, known, taken)
    out.add(f"g[{offset} + at] += coefficient_{name}[s] * change")
    out.indent -= 1


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


Reader = _Reader
