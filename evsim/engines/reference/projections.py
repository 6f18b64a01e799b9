"""Projections as Synapses with one connection for every pair of neurons.

Connections of one pair that differ in their weight only, as average pooling makes them, are added
up: the weights of synapses are a linear map of the projection's weights.
"""

from __future__ import annotations

from typing import Any

import brian2
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from evsim.build import brian2_compat as compat
from evsim.build.plan import Projection
from evsim.engines.reference.neurons import Cells


class Wiring:
    """One projection.

    Attributes
    ----------
    pre, post : (synapse,), ordered by source, then target.
    synapses : Brian2's Synapses where spikes are sent, None where values are.
    """

    def __init__(self, projection: Projection, source: Cells, target: Cells, rank: int, clock: Any):
        self.projection, self.source, self.target = projection, source, target
        pre, post, weight, coefficient = projection.geometry.synapses()
        size = target.population.size
        pairs, place = np.unique(pre * size + post, return_inverse=True)
        self.pre, self.post = pairs // size, pairs % size
        count = int(np.prod(projection.geometry.weight_shape))
        self.map = sparse.csr_array((coefficient, (place, weight)), shape=(len(pairs), count))
        self.weights: NDArray[np.float64] = np.zeros(len(pairs))
        # Brian2 refuses a name that the neurons have, too.
        self.variable = f"weight_of_{projection.name}"
        self.synapses = self._synapses(rank, clock) if projection.sends == "spikes" else None

    def _synapses(self, rank: int, clock: Any) -> Any:
        """Connect; `rank` is the projection's place in the order in which sums are formed."""
        projection = self.projection
        unit = self.target.population.variables[projection.target_variable].unit
        back, weight = projection.feedback_variable, self.variable
        synapses = brian2.Synapses(
            self.source.group,
            self.target.group,
            f"{weight} : {unit}",
            on_pre={"forward": f"{projection.target_variable}_post += {weight}"},
            on_post={"feedback": f"{back}_pre += {weight}"} if back else None,
            clock=clock,
            name=projection.name,
            namespace={},
        )
        synapses.forward.order = 2 * rank
        if back:
            synapses.feedback.order = 2 * rank + 1
        compat.connect(synapses, self.pre, self.post)
        return synapses

    def load(self, weights: NDArray[Any]) -> None:
        """Take the projection's weights, in its geometry's shape."""
        self.weights[:] = self.map @ np.asarray(weights, np.float64).ravel()
        if self.synapses is not None:
            self.synapses.variables[self.variable].set_value(self.weights)

    def sums(self) -> NDArray[np.float64]:
        """Return the weighted sum of values for every target neuron.

        Sums run in the order of synapses, as in Brian2's `(summed)` variables.
        """
        values = self.source.read(self.projection.source_variable)[self.pre] * self.weights
        return np.bincount(self.post, values, self.target.population.size).astype(np.float64)


def assign_sums(wirings: list[Wiring]) -> None:
    """Assign to every variable that receives values the sum over its projections."""
    totals: dict[tuple[str, str], NDArray[np.float64]] = {}
    for wiring in wirings:
        key = (wiring.projection.target, wiring.projection.target_variable)
        totals[key] = totals[key] + wiring.sums() if key in totals else wiring.sums()
    for wiring in wirings:
        variable = wiring.projection.target_variable
        wiring.target.write(variable, totals[wiring.projection.target, variable])
