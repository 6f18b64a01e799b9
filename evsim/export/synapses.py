"""Projections in the script: Synapses, their connections, weights, delays and code."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evsim import expressions, units
from evsim.build.code import SynapseCode
from evsim.build.plan import Pathway, Plan, Projection
from evsim.engines.base import Delivery, schedule
from evsim.export.constants import Constants
from evsim.export.page import Page, call, dimensions_of, listing, quoted
from evsim.projections.base import Synapses as Listing
from evsim.spec import schema


@dataclass(frozen=True)
class Made:
    """A pathway as the script has it: the Synapses, Brian2's name in them, the place by default."""

    synapses: str
    name: str
    pathway: Pathway
    receives: tuple[str, str]

    @property
    def default(self) -> tuple[int, str]:
        """Brian2's own order of the pathway in the synapse slot."""
        return (-1 if self.pathway.side == "pre" else 1), f"{self.synapses}_{self.name}"


@dataclass(frozen=True)
class Connections:
    """Pairs of neurons, ordered by source, then target, and what each weighs.

    Attributes
    ----------
    pre, post, weights : (connection,).
    """

    pre: NDArray[np.int64]
    post: NDArray[np.int64]
    weights: NDArray[np.float64]


def receiving_lines(plan: Plan) -> dict[str, list[str]]:
    """Return lines of equations, by population, for sums that several projections assign to."""
    found: dict[str, list[str]] = {}
    for projection in plan.projections.values():
        if projection.sends == "value" and _is_split(plan, projection):
            variable = plan.populations[projection.target].variables[projection.target_variable]
            unit = units.describe(dimensions_of(variable.unit))
            found.setdefault(projection.target, []).append(
                f"{_receiver(plan, projection)} : {unit}"
            )
    return found


class Synapses:
    """Writes the projections."""

    def __init__(self, page: Page, network: schema.Network, plan: Plan, constants: Constants):
        self.page, self.network, self.plan, self.constants = page, network, plan, constants
        self.made: list[Made] = []
        self._listed: dict[str, Listing] = {}

    def write(self) -> None:
        """Write all projections, then the order of their pathways where Brian2's differs."""
        if self.plan.projections:
            self.page.section("Projections")
        for at, projection in enumerate(self.plan.projections.values()):
            if at:
                self.page.add("")
            if not projection.geometry.synapse_count:
                self.page.add(f"# {projection.name} connects no neurons.")
            elif projection.sends == "value":
                self._sum(projection)
            else:
                self._spikes(projection)
        self._sums()
        self._orders()

    def variable(self, projection: str, code: bool = False) -> str:
        """Return the variable of a projection's Synapses, or of those that hold its code."""
        return self.page.name("projection", self._title(projection, code))

    def weight(self, projection: Projection) -> str:
        """Return a name for the weight that neither side's neurons have."""
        sides = (self.plan.populations[n] for n in (projection.source, projection.target))
        taken = {name for side in sides for name in side.variables}
        taken |= {n for side in sides if side.neuron for n in side.neuron.drives}
        return f"w_{projection.name}" if "w" in taken else "w"

    def listed(self, projection: str) -> Listing:
        """Return every connection of a projection, see `Geometry.synapses`."""
        if projection not in self._listed:
            self._listed[projection] = self.plan.projections[projection].geometry.synapses()
        return self._listed[projection]

    def _connections(self, projection: Projection) -> Connections:
        """Return the pairs; several synapses of one pair without delays count as one."""
        pre, post, weight, coefficient = self.listed(projection.name)
        parameters = np.asarray(self.plan.parameters[projection.name], np.float64)
        terms = parameters.ravel()[weight] * coefficient
        if any(p.delay.ndim for p in projection.pathways if p.block is None):
            return Connections(pre, post, terms)
        size = int(np.prod(projection.geometry.target_shape))
        pairs, place = np.unique(pre * size + post, return_inverse=True)
        if len(pairs) == len(pre):
            return Connections(pre, post, terms)
        sums = np.bincount(place, terms, len(pairs)).astype(np.float64)
        return Connections(pairs // size, pairs % size, sums)

    def _title(self, projection: str, code: bool) -> str:
        if not code or not self._is_apart(projection):
            return projection
        title = f"{projection}_learning"
        while title in self.plan.projections or title in self.plan.populations:
            title += "_"
        return title

    def _is_apart(self, projection: str) -> bool:
        """Whether spikes add weights beside code that only learns."""
        pathways = self._pathways(self.plan.projections[projection])
        return any(p.block is None for p in pathways) and any(p.block for p in pathways)

    def _pathways(self, projection: Projection) -> list[Pathway]:
        """Return the pathways that run in a trial that learns."""
        return [p for p in projection.pathways if p.when != "frozen"]

    def _ends(self, projection: Projection) -> list[str]:
        ends = (projection.source, projection.target)
        return [self.page.name("population", name) for name in ends]

    def _unit(self, projection: Projection) -> tuple[float, ...]:
        """Return the dimensions of a projection's weights."""
        target = self.plan.populations[projection.target].variables[projection.target_variable]
        found = dimensions_of(target.unit)
        if projection.sends == "spikes":
            return found
        source = self.plan.populations[projection.source].variables[projection.source_variable]
        of = dimensions_of(source.unit)
        return tuple(a - b for a, b in zip(found, of, strict=True))

    def _sum(self, projection: Projection) -> None:
        """Write Synapses that assign a weighted sum of values."""
        weight, receiver = self.weight(projection), _receiver(self.plan, projection)
        target = self.plan.populations[projection.target].variables[projection.target_variable]
        model = [
            f"{weight} : {units.describe(self._unit(projection))}",
            f"{receiver}_post = {weight}*{projection.source_variable}_pre : "
            f"{units.describe(dimensions_of(target.unit))} (summed)",
        ]
        variable = self._create(projection, projection.name, model, [])
        self._connect(projection, variable, weight)
        if receiver != projection.target_variable:
            self.page.add(f'{variable}.summed_updaters["{receiver}_post"].order = -2')

    def _sums(self) -> None:
        """Write code that adds up the sums of several projections into one variable."""
        split = [p for p in self.plan.projections.values() if _is_split(self.plan, p)]
        for target, variable in dict.fromkeys((p.target, p.target_variable) for p in split):
            parts = [p for p in split if (p.target, p.target_variable) == (target, variable)]
            line = f"{variable} = {' + '.join(_receiver(self.plan, p) for p in parts)}"
            head = f"{self.page.name('population', target)}.run_regularly"
            self.page.add("", call(head, [quoted(line), 'when="groups"', "order=-1"]))

    def _spikes(self, projection: Projection) -> None:
        """Write the Synapses of a projection that sends spikes."""
        pathways = self._pathways(projection)
        plain = [p for p in pathways if p.block is None]
        if plain:
            weight = self.weight(projection)
            code = {
                p.side: f"{p.target}_{'post' if p.side == 'pre' else 'pre'} += {weight}"
                for p in plain
            }
            model = [f"{weight} : {units.describe(self._unit(projection))}"]
            arguments = [f"on_{side}={quoted(text)}" for side, text in code.items()]
            variable = self._create(projection, projection.name, model, arguments, plain)
            self._connect(projection, variable, weight)
            self._delays(projection, variable, plain)
        if projection.code is not None and any(p.block for p in pathways):
            self._code(projection, projection.code)

    def _code(self, projection: Projection, code: SynapseCode) -> None:
        """Write the Synapses that run code."""
        title = self._title(projection.name, True)
        own = [p for p in self._pathways(projection) if p.block is not None]
        if title != projection.name:
            self.page.add("")
        drives = [f"{key} : {units.describe(dims)} (shared)" for key, dims in code.drives.items()]
        model = [*self._equations(code).split("\n"), *drives]
        arguments = []
        for side in ("pre", "post"):
            text = code.on_pre if side == "pre" else code.on_post
            if text is not None:
                arguments.append(f"on_{side}={quoted(text)}")
        if code.method:
            arguments.append(f"method={quoted(code.method)}")
        variable = self._create(projection, title, model, arguments, own)
        pre, post, weight, _ = self.listed(projection.name)
        flat = np.asarray(self.plan.parameters[projection.name], np.float64).ravel()
        same = Connections(pre, post, flat[weight])
        self._connect(projection, variable, code.weight, same, title)
        self._delays(projection, variable, own)
        for name, found in projection.variables.items():
            if name != "w" and np.any(found.initial):
                text = self._values(f"{title}.{name}", found.initial, dimensions_of(found.unit))
                self.page.add(f"{variable}.{name} = {text}")
        self._shared(code, variable)

    def _equations(self, code: SynapseCode) -> str:
        """Return the equations with units as people write them."""
        lines = []
        for line in filter(str.strip, code.equations.split("\n")):
            name, _, unit = line.partition(" : ")
            if name == code.weight and unit:
                line = f"{name} : {units.describe(dimensions_of(unit))}"
            lines.append(line)
        return "\n".join(lines)

    def _shared(self, code: SynapseCode, variable: str) -> None:
        """Write the protocol constants that code of synapses reads."""
        for column in (("", key) for key in code.drives):
            if column in self.constants.steady:
                text = next(iter(self.constants.values[column].values())).text
                self.page.add(f"{variable}.{column[1]} = {text}")
            elif column in self.constants.tables:
                line = quoted(f"{column[1]} = {self.constants.table(column)}(t)")
                arguments = [line, 'when="before_start"', "order=-1"]
                self.page.add(call(f"{variable}.run_regularly", arguments))

    def _create(
        self,
        projection: Projection,
        title: str,
        model: list[str],
        arguments: list[str],
        pathways: list[Pathway] | None = None,
    ) -> str:
        """Write the constructor; return the variable."""
        page, variable = self.page, self.page.name("projection", title)
        code = projection.code if any(p.block for p in pathways or ()) else None
        items: dict[str, str] = {}
        if code is not None:
            items = {key: page.number(*value) for key, value in code.namespace.items()}
            items |= self._texts(projection.name)
            for column in (("", key) for key in code.drives):
                if column in self.constants.tables and self.constants.is_same(column):
                    items[self.constants.table(column)] = self.constants.table(column)
        delays = self._scalar_delays(pathways or [])
        every = [*self._ends(projection), quoted("\n".join(model)), *arguments]
        if delays:
            plain = delays["pre"] if list(delays) == ["pre"] else listing(delays)
            every.append(f"delay={plain}")
        if items:
            every.append(f"namespace={listing(items)}")
        every.append(f"name={quoted(title)}")
        page.add(call(f"{variable} = {page.use('Synapses')}", every))
        for pathway in pathways or []:
            receiver = projection.target if pathway.side == "pre" else projection.source
            self.made.append(Made(title, pathway.side, pathway, (receiver, pathway.target)))
        return variable

    def _texts(self, projection: str) -> dict[str, str]:
        """Return the parameters of a projection's rule as its author wrote them."""
        declared = next(p for p in self.network.projections if p.name == projection)
        rule = self.network.plasticity[str(declared.learn)]
        found = {key: self.page.expression(text) for key, text in rule.parameters.items()}
        return {key: text for key, text in found.items() if text is not None}

    def _scalar_delays(self, pathways: list[Pathway]) -> dict[str, str]:
        second = units.dimensions("second")
        return {
            p.side: self.page.number(round(int(p.delay) * self.plan.dt, 15), second)
            for p in pathways
            if p.delay.ndim == 0 and p.delay
        }

    def _delays(self, projection: Projection, variable: str, pathways: list[Pathway]) -> None:
        """Write delays that differ from synapse to synapse."""
        for pathway in (p for p in pathways if p.delay.ndim):
            steps = self.page.values(f"{projection.name}.{pathway.side}.delay", pathway.delay)
            self.page.add(f"{variable}.{pathway.side}.delay = {steps}*dt")

    def _connect(
        self,
        projection: Projection,
        variable: str,
        weight: str,
        made: Connections | None = None,
        title: str = "",
    ) -> None:
        """Write the connections and their weights."""
        title = title or projection.name
        found = made or self._connections(projection)
        sizes = [
            int(np.prod(shape))
            for shape in (projection.geometry.source_shape, projection.geometry.target_shape)
        ]
        rule = _pattern(found, *sizes)
        if rule is None:
            pre, post = (a.astype(np.int32) for a in (found.pre, found.post))
            texts = self.page.values(f"{title}.i", pre), self.page.values(f"{title}.j", post)
            rule = [f"i={texts[0]}", f"j={texts[1]}"]
        self.page.add(call(f"{variable}.connect", rule))
        text = self._expression(projection, found.weights)
        if text is None:
            text = self._values(f"{title}.w", found.weights, self._unit(projection))
        self.page.add(f"{variable}.{weight} = {text}")

    def _values(self, name: str, values: NDArray[np.generic], dims: tuple[float, ...]) -> str:
        """Return the text of an array, one number where all are the same."""
        flat = np.ravel(values)
        if np.all(flat == flat[0]):
            return self.page.number(float(flat[0]), dims)
        return self.page.values(name, flat, dims)

    def _expression(self, projection: Projection, weights: NDArray[np.float64]) -> str | None:
        """Return the expression of the network file where it gives these very weights."""
        declared = next(p for p in self.network.projections if p.name == projection.name)
        try:
            value = expressions.evaluate(str(declared.weights), {})
        except expressions.ExpressionError:
            return None
        if declared.weights is None or np.any(weights != value):
            return None
        return self.page.expression(declared.weights)

    def _orders(self) -> None:
        """Write the order of pathways wherever Brian2's own could add up in another one."""
        ordered = [
            made
            for item in schedule(self.plan)
            if isinstance(item, Delivery)
            for made in self.made
            if made.pathway is item.pathway
        ]
        early = [made for made in ordered if made.pathway.order <= 0]
        if _is_natural(ordered) and not self._has_code_between(ordered):
            return
        self.page.add("", "# Pathways in their order: sums and code depend on it.")
        for at, made in enumerate(ordered):
            order = at - len(early) if at < len(early) else at - len(early) + 1
            variable = self.page.name("projection", made.synapses)
            self.page.add(f"{variable}.{made.name}.order = {order}")

    def _has_code_between(self, ordered: list[Made]) -> bool:
        """Whether neurons have code in the synapse slot that Brian2 would run too early."""
        moved = any(m.pathway.side == "post" and m.pathway.order <= 0 for m in ordered)
        return moved and any(block.when == "synapses" for block in self.plan.blocks)


def _is_natural(ordered: list[Made]) -> bool:
    """Return whether Brian2's order serves: of all code, or of what adds to one variable."""
    groups: dict[tuple[str, str], list[Made]] = {}
    code = any(made.pathway.block for made in ordered)
    for made in ordered:
        groups.setdefault(("", "") if code else made.receives, []).append(made)
    return all(
        [m.default for m in group] == sorted(m.default for m in group) for group in groups.values()
    )


def _pattern(found: Connections, sources: int, targets: int) -> list[str] | None:
    """Return arguments of `connect` that say all pairs in their order, or None."""
    pre, post, count = found.pre, found.post, len(found.pre)
    if count == sources == targets and np.array_equal(pre, post) and np.all(np.diff(pre) == 1):
        return ['j="i"']
    place = np.arange(sources * targets)
    if count == sources * targets and np.array_equal(pre * targets + post, place):
        return []
    if sources == targets and count == sources * (sources - 1):
        other = place[place // targets != place % targets]
        if np.array_equal(pre * targets + post, other):
            return ['condition="i != j"']
    return None


def _is_split(plan: Plan, projection: Projection) -> bool:
    """Return whether several projections assign their sums to one variable."""
    key = (projection.target, projection.target_variable)
    values = [p for p in plan.projections.values() if p.sends == "value"]
    values = [p for p in values if p.geometry.synapse_count]
    return projection in values and [(p.target, p.target_variable) for p in values].count(key) > 1


def _receiver(plan: Plan, projection: Projection) -> str:
    """Return the variable that a projection's sum is assigned to."""
    variable = projection.target_variable
    return f"{variable}_from_{projection.name}" if _is_split(plan, projection) else variable
