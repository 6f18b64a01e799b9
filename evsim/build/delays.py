"""Steps from a spike to its effect at each synapse."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evsim import expressions, units
from evsim.build.weights import draw
from evsim.expressions import ExpressionError
from evsim.projections.base import Geometry
from evsim.spec import schema
from evsim.spec.types import MAX_WAITING
from evsim.syntax import is_random

SECOND = units.dimensions("second")


def delay_steps(
    network: schema.Network,
    projection: schema.Projection,
    field: Literal["delay", "delay_post"],
    geometry: Geometry,
) -> NDArray[np.int64]:
    """Return whole steps from a spike to its effect, () or (synapse,) where they differ.

    A delay of half a step is rounded up, as compiled Brian2 code does.

    Parameters
    ----------
    field : of the projection, an expression over the numbers `i` and `j` of source and target,
        rand(), randn(), uniform(a, b); or None.

    Raises
    ------
    ValueError : it cannot be evaluated, is no time or negative.
    """
    text: str | None = getattr(projection, field)
    if text is None:
        return np.zeros((), np.int64)
    shape: tuple[int, ...] = ()
    names: dict[str, Any] = {}
    if _varies(text):
        synapses = geometry.synapses()
        shape = (len(synapses.pre),)
        names = {"i": synapses.pre, "j": synapses.post}
    values = draw(text, shape, names, SECOND, network.seed, field, projection.name)
    if values.size and values.min() < 0:
        raise ExpressionError(f"a delay of {values.min():g} s is negative")
    steps = np.floor(values / network.dt + 0.5)
    size = int(max(np.prod(geometry.source_shape), np.prod(geometry.target_shape)))
    if steps.size and steps.max() * size > MAX_WAITING:
        raise ExpressionError(
            f"a delay of {values.max():g} s is {steps.max():g} steps: too many spikes could wait"
        )
    return steps.astype(np.int64)


def _varies(text: str) -> bool:
    return bool({"i", "j"} & set(expressions.names(text))) or is_random(text)
