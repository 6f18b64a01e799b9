"""Neuron i of the source to neuron i of the target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.projections.base import GeometryError, Pairs

OPTIONS: frozenset[str] = frozenset()


@dataclass(frozen=True)
class OneToOne(Pairs):
    """Weights (neuron,), in C order of the shape.

    Choose it for private inputs and for copies of a population.
    """

    @classmethod
    def infer(
        cls, source: tuple[int, ...], target: tuple[int, ...], options: Mapping[str, Any]
    ) -> OneToOne:
        if np.prod(source) != np.prod(target):
            raise GeometryError("one_to_one needs as many sources as targets")
        return cls(source, target)

    def _list(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        neurons = np.arange(int(np.prod(self.source_shape)))
        return neurons, neurons


GEOMETRY = OneToOne
