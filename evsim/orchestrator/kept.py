"""What carries over from trial to trial: variables that `keep` names, weights among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.build.plan import Plan
from evsim.build.weights import normalise

Key = tuple[str, str]
Values = dict[Key, NDArray[Any]]


class Kept:
    """Values at which trials start instead of the start state.

    Attributes
    ----------
    values : (population or projection, variable) -> value, in the order of `Simulation.get`.
    """

    def __init__(self, plan: Plan, reduce: str | None):
        self.plan, self.reduce = plan, reduce
        self.values: Values = {}
        self.synapses = {
            name: plan.projections[name].geometry.synapses()
            for name, _ in plan.kept
            if name in plan.projections
        }
        for owner, name in plan.kept:
            variable = plan.variables(owner)[name]
            values = variable.initial
            if self._is_weight(owner, name):
                values = self._from_parameter(owner, plan.parameters[owner])
            self.values[owner, name] = values.astype(
                plan.dtype if variable.kind == "float" else values.dtype
            )

    def inputs(self, learns: bool) -> Values:
        """Return what a trial starts with; weights only where synapses learn at spikes.

        Weights are normalised here alone: what is kept and saved stays as it was, so that a batch
        that is run again starts from the same.
        """
        found = {}
        for (owner, name), values in self.values.items():
            projection = self.plan.projections.get(owner)
            if projection is None or not self._is_weight(owner, name):
                found[owner, name] = values
            elif learns:
                total = projection.normalise
                if total is not None:
                    post = self.synapses[owner].post
                    size = self.plan.populations[projection.target].size
                    values = normalise(values, post, size, total)
                found[owner, name] = values
        return found

    def update(self, starts: Values, ends: Sequence[Mapping[Key, NDArray[Any]]]) -> None:
        """Take over how a batch ended: its only trial, or what `reduce` makes of all.

        Parameters
        ----------
        starts : what `inputs` returned for the batch.
        """
        for key, start in starts.items():
            if len(ends) == 1:
                self.values[key] = ends[0][key]
                continue
            change = np.zeros(start.shape)
            for end in ends:
                change += np.subtract(end[key], start, dtype=np.float64)
            if self.reduce == "mean":
                change /= len(ends)
            self.values[key] = (start + change).astype(start.dtype)

    def parameters(self) -> dict[str, NDArray[Any]]:
        """Return the kept weights by projection, in the shape of its parameter."""
        found = {}
        for (owner, name), values in self.values.items():
            if self._is_weight(owner, name):
                weights = np.empty_like(self.plan.parameters[owner])
                weights.ravel()[self.synapses[owner].weight] = values
                found[owner] = weights
        return found

    def _is_weight(self, owner: str, name: str) -> bool:
        return owner in self.plan.projections and name == "w"

    def _from_parameter(self, owner: str, parameter: NDArray[Any]) -> NDArray[Any]:
        return parameter.ravel()[self.synapses[owner].weight]
