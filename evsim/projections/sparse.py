"""Some pairs of neurons: drawn with a probability, with a fixed in-degree, or listed.

Which pairs are drawn depends on the network's seed and the projection's name only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim import expressions
from evsim.expressions import ExpressionError
from evsim.projections.base import LARGEST, GeometryError, Pairs
from evsim.streams import generator

OPTIONS = frozenset({"probability", "in_degree", "pairs", "self_connections"})
BLOCK = 1 << 22
"""Pairs whose probability is evaluated at a time."""

SAMPLED = 64
"""Sources whose probabilities are looked at to tell how many synapses there will be."""

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Sparse(Pairs):
    """Weights (synapse,), ordered by source, then target.

    Attributes
    ----------
    probability : with which each pair is connected, on its own; a number, or an expression over the
        distance `d` between the neurons' places.
    in_degree : different sources of every target.
    listed : (source, target) pairs.
    self_connections : whether neurons of the same number may be connected.
    seed, name : of the stream that pairs are drawn from.

    Distances are in places of the source's grid. A target's grid of another size is stretched over
    the source's; a population of one dimension is a row.
    """

    probability: str | None
    in_degree: int | None
    listed: tuple[tuple[int, int], ...] | None
    self_connections: bool
    seed: int
    name: str

    @classmethod
    def infer(
        cls, source: tuple[int, ...], target: tuple[int, ...], options: Mapping[str, Any]
    ) -> Sparse:
        own = bool(options["self_connections"])
        rules = ("probability", "in_degree", "pairs")
        given = [name for name in rules if options[name] is not None]
        if len(given) != 1:
            found = " and ".join(f"`{name}`" for name in given) or "none of them"
            raise GeometryError(f"give one of `probability`, `in_degree` and `pairs`, not {found}")
        n, m = int(np.prod(source)), int(np.prod(target))
        if not own and n != m:
            raise GeometryError(
                "without self-connections there must be as many sources as targets",
                "self_connections",
            )
        geometry = cls(
            source,
            target,
            options["probability"],
            options["in_degree"],
            options["pairs"],
            own,
            options["seed"],
            options["name"],
        )
        geometry._check(n, m)
        return geometry

    def _check(self, n: int, m: int) -> None:
        expected = 0.0
        if self.probability is not None:
            some = np.linspace(0, n - 1, min(n, SAMPLED)).astype(np.int64)
            expected = n * m * float(np.mean(self._probabilities(some)))
        elif self.in_degree is not None:
            most = n if self.self_connections else n - 1
            if self.in_degree > most:
                message = f"there are {most} sources, fewer than {self.in_degree}"
                raise GeometryError(message, "in_degree")
            expected = m * self.in_degree
        for pre, post in self.listed or ():
            if pre >= n or post >= m:
                message = f"pair [{pre}, {post}] is outside of {n} sources and {m} targets"
                raise GeometryError(message, "pairs")
        if self.listed and len(set(self.listed)) < len(self.listed):
            raise GeometryError("a pair is listed twice", "pairs")
        if expected > LARGEST:
            message = f"about {expected:,.0f} synapses are more than {LARGEST:,}"
            raise GeometryError(message, "probability" if self.probability else "in_degree")

    def _list(self) -> tuple[Indices, Indices]:
        if self.listed is not None:
            both = np.array(self.listed, np.int64).reshape(-1, 2)
            pre, post = both[:, 0], both[:, 1]
        elif self.in_degree is not None:
            return self._by_degree(self.in_degree)
        else:
            pre, post = self._by_probability()
        if self.self_connections:
            return pre, post
        return pre[pre != post], post[pre != post]

    def _by_degree(self, degree: int) -> tuple[Indices, Indices]:
        random = generator(self.seed, "synapses", self.name)
        n, m = int(np.prod(self.source_shape)), int(np.prod(self.target_shape))
        pre = np.empty((m, degree), np.int64)
        for target in range(m):
            if self.self_connections:
                pre[target] = random.choice(n, degree, replace=False)
            else:
                chosen = random.choice(n - 1, degree, replace=False)
                pre[target] = chosen + (chosen >= target)
        return pre.ravel(), np.repeat(np.arange(m), degree)

    def _by_probability(self) -> tuple[Indices, Indices]:
        random = generator(self.seed, "synapses", self.name)
        n, m = int(np.prod(self.source_shape)), int(np.prod(self.target_shape))
        try:
            constant = expressions.evaluate(str(self.probability), {})
        except ExpressionError:
            rows = max(1, BLOCK // m)
            parts = []
            for first in range(0, n, rows):
                chance = self._probabilities(np.arange(first, min(first + rows, n)))
                found = np.flatnonzero(random.random(chance.shape) < chance)
                parts.append(found + first * m)
            flat = np.concatenate(parts)
        else:
            flat = _bernoulli(random, n * m, float(constant))
        return flat // m, flat % m

    def _probabilities(self, sources: Indices) -> NDArray[np.float64]:
        """Return (source, target) probabilities of some sources."""
        own = _places(self.source_shape, self.source_shape)[sources]
        targets = _places(self.target_shape, self.source_shape)
        gaps = own[:, None, :] - targets[None, :, :]
        names = {"d": np.sqrt((gaps**2).sum(-1))}
        try:
            found = expressions.evaluate_quantity(str(self.probability), names)
            expressions.require(found, (0.0,) * 7, str(self.probability))
        except ExpressionError as error:
            raise GeometryError(str(error), "probability") from None
        chance = np.broadcast_to(found.value, gaps.shape[:2])
        if chance.min() < 0 or chance.max() > 1:
            message = f"a probability of {chance.min() if chance.min() < 0 else chance.max():g}"
            raise GeometryError(f"{message} is not between 0 and 1", "probability")
        return np.asarray(chance)


def _places(shape: tuple[int, ...], over: tuple[int, ...]) -> NDArray[np.float64]:
    """Return (neuron, 2) rows and columns of neurons, stretched over the grid of `over`."""
    sides, wanted = ((1, *s)[-2:] for s in (shape, over))
    axes = [
        (np.arange(side) + 0.5) * to / side - 0.5 for side, to in zip(sides, wanted, strict=True)
    ]
    rows, columns = np.meshgrid(*axes, indexing="ij")
    channels = int(np.prod(shape)) // rows.size
    return np.tile(np.stack([rows.ravel(), columns.ravel()], 1), (channels, 1))


def _bernoulli(random: np.random.Generator, count: int, chance: float) -> Indices:
    """Return the numbers below `count` that are drawn, each with the same chance."""
    if chance <= 0:
        return np.empty(0, np.int64)
    parts, last = [], -1
    while last < count:
        left = int((count - last) * chance)
        gaps = random.geometric(chance, left + 4 * int(np.sqrt(left)) + 16)
        # A gap may be as long as integers go.
        parts.append(last + np.cumsum(np.minimum(gaps, count + 1)))
        last = int(parts[-1][-1])
    flat = np.concatenate(parts)
    return np.asarray(flat[flat < count])


GEOMETRY = Sparse
