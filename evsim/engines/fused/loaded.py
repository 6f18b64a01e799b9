"""A compiled program with what its simulations share: weights, lists, arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.build.weights import spread
from evsim.engines.fused import memory
from evsim.engines.fused.plasticity import SYNAPTIC, synapse_arrays
from evsim.engines.fused.program import Compiled, synaptic_names
from evsim.engines.fused.replay import pack
from evsim.projections.base import Synapses


class Loaded:
    """A program in memory.

    Attributes
    ----------
    weights : packed tables and learned variables; see `Weights`.
    links : lists of synapses.
    arrays : values over time, one array after the other.
    synaptic : arguments of learning code that runs synapse by synapse.
    raw : projection with code -> its weights, flat.
    replay : lists of spikes that are the same in every trial.
    """

    def __init__(self, compiled: Compiled):
        self.compiled, self.plan = compiled, compiled.plan
        plan = self.plan
        self.weights = memory.zeros(compiled.weights.size, plan.dtype)
        self.links = compiled.weights.all_links()
        self.arrays = np.concatenate(
            [np.zeros(0), *(array.values.ravel() for array in plan.arrays.values())]
        ).astype(plan.dtype)
        self.synaptic: dict[str, NDArray[Any]] = self._synaptic()
        self.raw: dict[str, NDArray[Any]] = {}
        self._listed: dict[str, Synapses] = {}
        self.replay = pack(plan, compiled.layout, {})
        self.load(plan.parameters)

    def load(self, parameters: Mapping[str, NDArray[Any]]) -> None:
        """Pack new parameters; simulations see them at once."""
        places, dtype = self.compiled.weights, self.plan.dtype
        for name, kernel in places.kernels.items():
            values = np.asarray(parameters[name], dtype)
            forward, backward = places.tables[name]
            tables = [self.weights[forward : forward + kernel.forward_size]]
            if backward is not None:
                tables.append(self.weights[backward : backward + kernel.backward_size])
            kernel.pack(values, tables)
        for name, projection in self.plan.projections.items():
            if name in parameters and (projection.code or f"weights_{name}" in self.synaptic):
                self.raw[name] = np.array(parameters[name], dtype).ravel()
            if f"weights_{name}" in self.synaptic:
                self.synaptic[f"weights_{name}"][:] = self.raw[name]
        for (name, _), (at, _) in places.parameters.synaptic.items():
            self.weights[at : at + self.raw[name].size] = self.raw[name]
        for (population, variable), (at, share) in places.parameters.places.items():
            values = np.asarray(parameters[f"{population}.{variable}"], dtype)
            if share is None:
                declared = self.plan.populations[population]
                values = spread(values, declared.shape, declared.variables[variable].share)
                values = values[self.compiled.layout.grids[population].to_memory]
            values = values.ravel()
            self.weights[at : at + values.size] = values

    def synapses(self, projection: str) -> Synapses:
        """Return the synapses of a projection with code."""
        if projection not in self._listed:
            self._listed[projection] = self.plan.projections[projection].geometry.synapses()
        return self._listed[projection]

    def _synaptic(self) -> dict[str, NDArray[Any]]:
        arrays: dict[str, NDArray[Any]] = {}
        layout = self.compiled.layout
        for argument in synaptic_names(self.compiled.gradients):
            kind, _, name = argument.partition("_")
            projection = self.plan.projections[name]
            if kind == "weights":
                arrays[argument] = np.zeros(
                    int(np.prod(projection.geometry.weight_shape)), self.plan.dtype
                )
            elif kind == "pre":
                found = synapse_arrays(
                    projection.geometry,
                    layout.grids[projection.source],
                    layout.grids[projection.target],
                    self.plan.dtype,
                )
                for key, array in zip(SYNAPTIC, found, strict=True):
                    arrays[f"{key}_{name}"] = np.ascontiguousarray(array)
        return arrays
