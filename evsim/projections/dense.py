"""Every source neuron to every target neuron, each pair with its own weight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.projections.base import Geometry, Synapses

OPTIONS: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Dense(Geometry):
    """Weights (source, target); sums run over sources in memory order.

    Choose it where source and target have no spatial structure in common.
    """

    @classmethod
    def infer(
        cls, source: tuple[int, ...], target: tuple[int, ...], options: Mapping[str, Any]
    ) -> Dense:
        return cls(source, target)

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return (int(np.prod(self.source_shape)), int(np.prod(self.target_shape)))

    @property
    def fan_in(self) -> int:
        return self.weight_shape[0]

    @property
    def synapse_count(self) -> int:
        return self.weight_shape[0] * self.weight_shape[1]

    def reach(self, backward: bool) -> NDArray[np.int64]:
        n, m = self.weight_shape
        return np.full(m, n) if backward else np.full(n, m)

    def synapses(self) -> Synapses:
        n, m = self.weight_shape
        pre, post = np.repeat(np.arange(n), m), np.tile(np.arange(m), n)
        return Synapses(pre, post, np.arange(n * m), np.ones(n * m))


GEOMETRY = Dense
