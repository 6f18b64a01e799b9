"""Where the gradients of learning code lie, and which code runs as a correlation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evsim.build.plan import Plan, Rule
from evsim.build.weights import gather
from evsim.engines.fused.layout import Layout
from evsim.engines.fused.render import FUNCTIONS
from evsim.engines.fused.separable import separate
from evsim.projections.conv import Conv
from evsim.projections.dense import Dense


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
