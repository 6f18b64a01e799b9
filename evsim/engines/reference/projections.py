"""Projections as Synapses with one connection for every pair of neurons.

Connections of one pair that differ in their weight only, as average pooling makes them, are added
up where spikes add weights: the weights of synapses are a linear map of the projection's weights.
Synapses with code have an object of their own, with the connections that the projection lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import brian2
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from evsim.build import brian2_compat as compat
from evsim.build.plan import Pathway, Projection
from evsim.engines.reference.neurons import Cells

State = dict[str, Any]


class Wiring:
    """One projection.

    Attributes
    ----------
    pre, post : (connection,), ordered by source, then target.
    plain : Brian2's Synapses where spikes add weights, None elsewhere.
    code : Brian2's Synapses where they have code, None elsewhere.
    """

    def __init__(
        self,
        projection: Projection,
        source: Cells,
        target: Cells,
        orders: Mapping[str, int],
        clock: Any,
    ):
        """Connect; `orders` are the places of the pathways in Brian2's order."""
        self.projection, self.source, self.target = projection, source, target
        pre, post, self.weight, self.coefficient = projection.geometry.synapses()
        size = target.population.size
        plain = [p for p in projection.pathways if p.block is None]
        if any(p.delay.ndim for p in plain) or projection.geometry.windows is not None:
            # Synapses with delays of their own stay apart.
            place = np.arange(len(pre))
            self.pre, self.post = pre, post
        else:
            pairs, place = np.unique(pre * size + post, return_inverse=True)
            self.pre, self.post = pairs // size, pairs % size
        count = int(np.prod(projection.geometry.weight_shape))
        self.map = sparse.csr_array(
            (self.coefficient, (place, self.weight)), (len(self.pre), count)
        )
        self.weights: NDArray[np.float64] = np.zeros(len(self.pre))
        self.plain = self._plain(plain, orders, clock) if plain else None
        self.code = None
        if projection.code is not None:
            self.code = compat.synapses(
                projection.name, projection.code, source.group, target.group, clock
            )
            compat.connect(self.code, pre, post)
            self._arrange(self.code, [p for p in projection.pathways if p.block], orders)
        self.queues = [p for made in self.objects for p in made._pathways]
        self.empty: list[Any] = []

    @property
    def objects(self) -> list[Any]:
        """The Brian2 objects."""
        return [made for made in (self.plain, self.code) if made is not None]

    def _unit(self) -> str:
        return self.target.population.variables[self.projection.target_variable].unit

    def _plain(self, pathways: list[Pathway], orders: Mapping[str, int], clock: Any) -> Any:
        """Return Brian2's Synapses whose weights spikes add, or None."""
        name, target = f"{self.projection.name}_weights", self.target.group
        return self._adding(name, target, self._unit(), self.post, pathways, orders, clock)

    def _adding(
        self,
        name: str,
        target: Any,
        unit: str,
        post: NDArray[np.int64],
        pathways: list[Pathway],
        orders: Mapping[str, int],
        clock: Any,
    ) -> Any:
        # Brian2 refuses a name that the neurons have, too.
        weight = f"weight_of_{self.projection.name}"
        code = {
            p.side: {p.name: f"{p.target}_{'post' if p.side == 'pre' else 'pre'} += {weight}"}
            for p in pathways
        }
        synapses = brian2.Synapses(
            self.source.group,
            target,
            f"{weight} : {unit}",
            on_pre=code.get("pre"),
            on_post=code.get("post"),
            clock=clock,
            name=name,
            namespace={},
        )
        compat.connect(synapses, self.pre, post)
        self._arrange(synapses, pathways, orders)
        return synapses

    @staticmethod
    def _arrange(synapses: Any, pathways: list[Pathway], orders: Mapping[str, int]) -> None:
        for pathway in pathways:
            made = getattr(synapses, pathway.name)
            made.order = orders[pathway.name]
            compat.set_delay(made, pathway.delay * synapses.clock.dt_)

    def load(self, weights: NDArray[Any]) -> None:
        """Take the projection's weights, in its geometry's shape."""
        flat = np.asarray(weights, np.float64).ravel()
        self.weights[:] = np.asarray(self.map @ flat)
        if self.plain is not None:
            self.plain.variables[f"weight_of_{self.projection.name}"].set_value(self.weights)
        self.flat = flat

    def after(self, name: str) -> None:
        """Do what follows the run of one of the Brian2 objects, which may be of any wiring."""

    def counting(self) -> NDArray[np.float64]:
        """Return (synapse,) how much of a synapse's change counts for the weight's gradient."""
        return self.coefficient

    def begin(self) -> None:
        """Set the state at which a trial starts."""
        if not self.empty:
            self.empty = [pathway.queue._full_state() for pathway in self.queues]
        state: State = {name: v.initial for name, v in self.projection.variables.items()}
        if self.projection.code is not None:
            state["w"] = self.flat[self.weight]
        self.restore({**state, "": self.empty})

    def skipped(self, learns: bool) -> set[str]:
        """Return the names of objects that do not run in passes that learn, or in others."""
        other = "frozen" if learns else "learning"
        names = {p.name for p in self.projection.pathways if p.when == other}
        found = {o.name for made in self.objects for o in made._pathways if o.objname in names}
        if self.projection.code is not None and self.projection.code.learns and not learns:
            found |= {o.name for made in self.objects[-1:] for o in made.contained_objects}
        return found

    def read(self, variable: str) -> NDArray[Any]:
        """Return a copy of a variable of the synapses, (synapse,) or () where it is shared."""
        values = np.array(self._variable(variable).get_value())
        return values.ravel()[0] if self.projection.variables[variable].shared else values

    def write(self, variable: str, values: Any) -> None:
        """Set a variable of the synapses."""
        self._variable(variable).set_value(values)

    def _variable(self, name: str) -> Any:
        assert self.code is not None and self.projection.code is not None
        return self.code.variables[self.projection.code.weight if name == "w" else name]

    def state(self) -> State:
        """Return a copy of every variable, and of the spikes on their way."""
        found: State = {name: self.read(name) for name in self.projection.variables}
        return {**found, "": [pathway.queue._full_state() for pathway in self.queues]}

    def restore(self, state: State) -> None:
        """Set every variable and the spikes on their way to a copy that `state` returned."""
        for name, values in state.items():
            if name:
                self.write(name, values)
        for pathway, queue in zip(self.queues, state[""], strict=True):
            pathway.queue._restore_from_full_state(queue)

    def sums(self) -> NDArray[np.float64]:
        """Return the weighted sum of values for every target neuron.

        Sums run in the order of synapses, as in Brian2's `(summed)` variables.
        """
        values = self.source.each(self.projection.source_variable)[self.pre] * self.weights
        return np.bincount(self.post, values, self.target.population.size).astype(np.float64)

    def sums_back(self) -> NDArray[np.float64]:
        """Return the weighted sum of targets' values for every source neuron."""
        values = self.target.each(self.projection.source_variable)[self.post] * self.weights
        return np.bincount(self.pre, values, self.source.population.size).astype(np.float64)


class MaxWiring(Wiring):
    """A projection of which each target neuron receives the largest of several sums in a step.

    Spikes add weights to the sums, neurons of their own for Brian2. The synapses that lead back
    have weight 0 but for those of the sum that won.

    Attributes
    ----------
    winner : (target neuron,), the sum that won in the last step.
    """

    winner: NDArray[np.int64]
    onward: Any = None

    @property
    def objects(self) -> list[Any]:
        return [made for made in (self.onward, self.plain) if made is not None]

    def _plain(self, pathways: list[Pathway], orders: Mapping[str, int], clock: Any) -> Any:
        name, post = self.projection.name, self.post * self._window + self._place
        size = self.target.population.size * self._window
        self.competing = brian2.NeuronGroup(size, "total : 1", clock=clock, name=f"{name}_sums")
        ahead = [replace(p, target="total") for p in pathways if p.side == "pre"]
        title = f"{name}_onward"
        self.onward = self._adding(title, self.competing, "1", post, ahead, orders, clock)
        back = [p for p in pathways if p.side == "post"]
        return super()._plain(back, orders, clock) if back else None

    @property
    def _window(self) -> int:
        assert self.projection.geometry.windows is not None
        return self.projection.geometry.windows.size

    @property
    def _place(self) -> NDArray[np.int64]:
        assert self.projection.geometry.windows is not None
        return self.projection.geometry.windows.place

    def load(self, weights: NDArray[Any]) -> None:
        super().load(weights)
        if self.projection.sends == "spikes":
            self.onward.variables[f"weight_of_{self.projection.name}"].set_value(self.weights)

    def after(self, name: str) -> None:
        if self.projection.sends == "value" or name != self.onward.forward.name:
            return
        total = self.competing.variables["total"]
        received = self.projection.target_variable
        largest = self._largest(np.array(total.get_value()))
        guard = self.target.population.variables[received].guard
        if guard is not None:
            largest[~self.target.read(guard)] = 0.0
        self.target.write(received, self.target.read(received) + largest)
        total.set_value(0)
        if self.plain is not None:
            weights = np.where(self._won(), self.weights, 0.0)
            self.plain.variables[f"weight_of_{self.projection.name}"].set_value(weights)

    def sums(self) -> NDArray[np.float64]:
        values = self.source.each(self.projection.source_variable)[self.pre] * self.weights
        size = self.target.population.size * self._window
        sums = np.bincount(self.post * self._window + self._place, values, size)
        return self._largest(sums.astype(np.float64))

    def sums_back(self) -> NDArray[np.float64]:
        values = self.target.each(self.projection.source_variable)[self.post]
        values = np.where(self._won(), values * self.weights, 0.0)
        return np.bincount(self.pre, values, self.source.population.size).astype(np.float64)

    def counting(self) -> NDArray[np.float64]:
        return np.where(self._won(), self.coefficient, 0.0)

    def _largest(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the largest sum of each target neuron and note which it is."""
        table = sums.reshape(-1, self._window)
        self.winner = table.argmax(axis=1)
        found: NDArray[np.float64] = table.max(axis=1)
        return found

    def _won(self) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = self.winner[self.post] == self._place
        return found


def make_wiring(
    projection: Projection, source: Cells, target: Cells, orders: Mapping[str, int], clock: Any
) -> Wiring:
    """Return the wiring of a projection; `orders` are its pathways' places in Brian2's order."""
    kind = Wiring if projection.geometry.windows is None else MaxWiring
    return kind(projection, source, target, orders, clock)


def assign_sums(wirings: list[Wiring]) -> None:
    """Assign to every variable that receives values the sum over its projections."""
    totals: dict[tuple[Cells, str], NDArray[np.float64]] = {}

    def add(cells: Cells, variable: str, sums: NDArray[np.float64]) -> None:
        key = (cells, variable)
        totals[key] = totals[key] + sums if key in totals else sums

    for wiring in wirings:
        add(wiring.target, wiring.projection.target_variable, wiring.sums())
        if wiring.projection.feedback_variable:
            add(wiring.source, wiring.projection.feedback_variable, wiring.sums_back())
    for (cells, variable), sums in totals.items():
        cells.write(variable, sums)
