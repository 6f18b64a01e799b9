"""Initial values of variables and weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim import expressions
from evsim.build.code import Kind
from evsim.projections.base import Synapses
from evsim.streams import generator

DEFAULT_WEIGHTS = "uniform(-1, 1)/sqrt(fan_in)"


def draw(
    text: str,
    shape: tuple[int, ...],
    names: Mapping[str, Any],
    dimensions: tuple[float, ...],
    seed: int,
    *stream: str,
    largest: float = np.inf,
    whole: bool = False,
) -> NDArray[np.float64]:
    """Return the values of an `init` or `weights` expression.

    Parameters
    ----------
    text : expression over `names`, Brian2's functions and units, rand(), randn(), uniform(a, b).
    shape : of the result; a number is spread over it.
    dimensions : that the values must have.
    seed, stream : of the counter-based generator.
    largest : see `largest_of`.
    whole : whether values must be whole numbers.

    Raises
    ------
    ValueError : the expression cannot be evaluated or has other dimensions.
    """
    found = expressions.evaluate_quantity(
        text, names, shape=shape, generator=generator(seed, *stream)
    )
    expressions.require(found, dimensions, text)
    if np.ndim(found.value) > len(shape):
        raise expressions.ExpressionError(f"'{text}' has many values where all have one in common")
    if not np.isfinite(found.value).all():
        raise expressions.ExpressionError(f"'{text}' is not finite")
    if np.abs(found.value).max(initial=0) > largest:
        raise expressions.ExpressionError(f"'{text}' is too large: {largest:.2g} at most")
    if whole and np.any(found.value != np.rint(found.value)):
        raise expressions.ExpressionError(f"'{text}' is no whole number", hint="int() makes one")
    return np.array(np.broadcast_to(found.value, shape), dtype=np.float64)


def largest_of(kind: Kind, precision: str) -> float:
    """Return the size of the largest value that engines and recordings can keep of a kind."""
    if kind == "boolean":
        return np.inf
    return float(np.finfo(precision).max if kind == "float" else np.iinfo(np.int32).max)


def normalise(
    weights: NDArray[Any], post: NDArray[np.int64], size: int, total: float
) -> NDArray[Any]:
    """Return weights scaled so that those of each target add up to `total`, signs aside.

    Parameters
    ----------
    weights, post : (synapse,), weights and their targets, of which there are `size`.
    """
    sums = np.bincount(post, np.abs(weights), size)
    factors = np.divide(total, sums, out=np.ones(size), where=sums > 0)
    return np.asarray(weights * factors[post], weights.dtype)


def normalised(weights: NDArray[Any], synapses: Synapses, size: int, total: float) -> NDArray[Any]:
    """Return a parameter of one weight a synapse, scaled as by `normalise`."""
    scaled = weights.copy()
    flat = weights.ravel()[synapses.weight]
    scaled.ravel()[synapses.weight] = normalise(flat, synapses.post, size, total)
    return scaled


def spread(values: NDArray[Any], shape: tuple[int, ...], share: str | None) -> NDArray[Any]:
    """Return a learned variable's value for every neuron, (neuron,) in C order.

    Parameters
    ----------
    values : (), (channel,) or (neuron,), as `share` is "all", "channel" or None.
    shape : of the population.
    """
    if share == "channel":
        return np.repeat(values, int(np.prod(shape[1:])))
    return np.broadcast_to(values, (int(np.prod(shape)),)).copy()


def gather(gradient: NDArray[Any], shape: tuple[int, ...], share: str | None) -> NDArray[Any]:
    """Return the adjoint of `spread`: (neuron,) gradients summed over what shares a value."""
    if share == "channel":
        return np.asarray(gradient.reshape(shape[0], -1).sum(1))
    return np.asarray(gradient.sum()) if share == "all" else gradient


def shared_shape(shape: tuple[int, ...], share: str | None) -> tuple[int, ...]:
    """Return the shape of a learned variable's values."""
    return {"channel": (shape[0],), "all": ()}.get(share or "", (int(np.prod(shape)),))
