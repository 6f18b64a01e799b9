"""Where weights lie: packed tables, learned variables, lists of synapses."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from evsim.build.plan import Plan, Projection
from evsim.engines.fused.kernel import Kernel
from evsim.engines.fused.layout import Grid
from evsim.engines.fused.listing import Listing
from evsim.engines.fused.projections import make_kernel
from evsim.engines.fused.source import Parameters

SHORTEST_LOOP = 16
"""Channels of which a loop over one place's channels is a multiple, to be worth it."""


@dataclass
class Weights:
    """Places in the weight buffer: packed tables of projections, learned variables.

    Attributes
    ----------
    kernels, tables : of projections whose spikes add weights, or that send values.
    links : projection -> places of its kernel's lists in the buffer of links, each direction.
    listings : (projection, pathway) with code -> its list of synapses and where its links lie.
    ends : projection with code in every step -> place of the list of its sources and targets.
    """

    kernels: dict[str, Kernel] = field(default_factory=dict)
    tables: dict[str, tuple[int, int | None]] = field(default_factory=dict)
    links: dict[str, list[int]] = field(default_factory=dict)
    listings: dict[tuple[str, str], tuple[Listing, int]] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)
    parameters: Parameters = field(default_factory=Parameters)
    size: int = 0
    parts: list[NDArray[np.int32]] = field(default_factory=list)

    def all_links(self) -> NDArray[np.int32]:
        """Return the links of all projections, one after the other."""
        return np.concatenate([*self.parts, np.zeros(1, np.int32)])

    @classmethod
    def of(cls, plan: Plan) -> Weights:
        """Return the places of a plan's weights."""
        found = cls()
        for projection in plan.projections.values():
            plain = any(pathway.block is None for pathway in projection.pathways)
            if plain or projection.sends == "value":
                found._add_kernel(projection, plan.dtype.itemsize)
            if projection.code is not None:
                found._add_code(plan, projection)
        for rule in plan.rules.values():
            if rule.variable is not None:
                population = plan.populations[rule.population]
                share = population.variables[rule.variable].share
                if share == "channel" and not keeps_channels(population.shape):
                    share = None
                size = population.size if share is None else plan.parameters[rule.parameter].size
                place = found._take(size)
                found.parameters.places[rule.population, rule.variable] = (place, share)
        return found

    def _add_kernel(self, projection: Projection, itemsize: int) -> None:
        delays = [p.delay for p in projection.pathways if p.block is None]
        both = [np.zeros((), np.int64)] * (2 if projection.feedback_variable else 1)
        kernel = make_kernel(projection.geometry, itemsize, delays or both)
        self.kernels[projection.name] = kernel
        forward = self._take(kernel.forward_size)
        back = self._take(kernel.backward_size) if projection.feedback_variable else None
        self.tables[projection.name] = (forward, back)
        self.links[projection.name] = [self.link(links) for links in kernel.links] or [0, 0]

    def _add_code(self, plan: Plan, projection: Projection) -> None:
        name, code = projection.name, projection.code
        assert code is not None
        pre, post, weight, _ = projection.geometry.synapses()
        source, target = (plan.populations[p] for p in (projection.source, projection.target))
        pre = Grid.of(source.shape).to_declared[pre]
        post = Grid.of(target.shape).to_declared[post]
        for pathway in projection.pathways:
            if pathway.block is not None:
                ends = (pre, post) if pathway.side == "pre" else (post, pre)
                size = source.size if pathway.side == "pre" else target.size
                listing = Listing(*ends, size, pathway.delay)
                place = self.link(listing.links(numbered=True))
                self.listings[name, pathway.name] = (listing, place)
        if any(block.owner == name for block in plan.blocks):
            self.ends[name] = self.link(np.concatenate([pre, post]).astype(np.int32))
        if code.weight and not projection.changes_weights:
            place, number = self._take(plan.parameters[name].size), "s"
            if projection.shares_weights:
                number = f"links[{self.link(weight.astype(np.int32))} + s]"
            self.parameters.synaptic[name, "w"] = (place, number)

    def link(self, links: NDArray[np.int32]) -> int:
        """Keep whole numbers that code looks up; return their place in the buffer of links."""
        place = sum(map(len, self.parts))
        self.parts.append(links)
        return place

    def _take(self, count: int) -> int:
        at = self.size
        self.size += -(-count // 16) * 16
        return at


def keeps_channels(shape: tuple[int, ...]) -> bool:
    """Whether one value a channel is kept as such: loops over so few channels would be slow."""
    return shape[0] % SHORTEST_LOOP == 0
