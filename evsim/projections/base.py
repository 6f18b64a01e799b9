"""What a projection kind says: how its weights are laid out over pairs of neurons."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

LARGEST = 500_000_000
"""Synapses of one projection that are listed at most."""


class Synapses(NamedTuple):
    """Every connection of a projection, ordered by source, then target, then weight.

    Attributes
    ----------
    pre, post : (synapse,), C-order neuron indices.
    weight : (synapse,), index into the flattened weights.
    coefficient : (synapse,), factor of that weight (1, or the share of an average).
    """

    pre: NDArray[np.int64]
    post: NDArray[np.int64]
    weight: NDArray[np.int64]
    coefficient: NDArray[np.float64]


class Windows(NamedTuple):
    """Sums of which only the largest one counts for a target neuron in a step.

    Attributes
    ----------
    size : sums of a target neuron.
    place : (synapse,), the sum that each synapse is a part of, from 0; the first of equal ones
        wins.
    """

    size: int
    place: NDArray[np.int64]


class GeometryError(Exception):
    """Shapes or options of a projection do not fit; `option` names the one at fault."""

    def __init__(self, message: str, option: str = "kind"):
        super().__init__(message)
        self.option = option


@dataclass(frozen=True)
class Geometry(ABC):
    """How one projection connects a source of one shape with a target of another.

    Attributes
    ----------
    source_shape, target_shape : declared shapes of the two populations.
    """

    source_shape: tuple[int, ...]
    target_shape: tuple[int, ...]

    @classmethod
    @abstractmethod
    def infer(
        cls, source: tuple[int, ...], target: tuple[int, ...], options: Mapping[str, Any]
    ) -> Geometry:
        """Return the geometry for `options` of the network file.

        Raises
        ------
        GeometryError : the options do not lead from `source` to `target`.
        """

    @property
    @abstractmethod
    def weight_shape(self) -> tuple[int, ...]:
        """Shape of the weights as users see them."""

    @property
    @abstractmethod
    def fan_in(self) -> int:
        """Weights that reach one target neuron before pooling."""

    @property
    @abstractmethod
    def synapse_count(self) -> int:
        """Number of pairs of neurons that a spike can pass."""

    @abstractmethod
    def synapses(self) -> Synapses:
        """Return every connection one by one: slow, for engines without a kernel for the kind."""

    def reach(self, backward: bool) -> NDArray[np.int64]:
        """Return the neurons that a spike of each source neuron reaches, (neuron,).

        Backward it is those of the source that each target neuron reaches.
        """
        pre, post, _, _ = self.synapses()
        ends, shape = (post, self.target_shape) if backward else (pre, self.source_shape)
        return np.bincount(ends, minlength=int(np.prod(shape)))

    @property
    def windows(self) -> Windows | None:
        """Which synapses compete; None where all count."""
        return None

    @property
    def kind(self) -> str:
        """Name of the kind, as in network files."""
        return type(self).__module__.rpartition(".")[2]


class Pairs(Geometry):
    """A kind that lists its pairs of neurons, each with its own weight.

    Sums run over sources in memory order.
    """

    @cached_property
    def pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Sources and targets, (synapse,) each, ordered by source, then target."""
        pre, post = self._list()
        order = np.lexsort((post, pre))
        return pre[order], post[order]

    @abstractmethod
    def _list(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return sources and targets in any order."""

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return (len(self.pairs[0]),)

    @property
    def fan_in(self) -> int:
        return max(1, round(len(self.pairs[0]) / int(np.prod(self.target_shape))))

    @property
    def synapse_count(self) -> int:
        return len(self.pairs[0])

    def synapses(self) -> Synapses:
        pre, post = self.pairs
        return Synapses(pre, post, np.arange(len(pre)), np.ones(len(pre)))


@dataclass(frozen=True)
class Listed(Geometry):
    """Synapses as a script has connected them, in their order.

    Attributes
    ----------
    pre, post : (synapse,), numbers of sources and targets.
    """

    pre: NDArray[np.int64]
    post: NDArray[np.int64]

    @classmethod
    def infer(
        cls, source: tuple[int, ...], target: tuple[int, ...], options: Mapping[str, Any]
    ) -> Listed:
        raise GeometryError("only scripts connect synapses one by one")

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return (len(self.pre),)

    @property
    def fan_in(self) -> int:
        return max(1, round(len(self.pre) / int(np.prod(self.target_shape))))

    @property
    def synapse_count(self) -> int:
        return len(self.pre)

    def synapses(self) -> Synapses:
        count = len(self.pre)
        return Synapses(self.pre, self.post, np.arange(count), np.ones(count))
