"""Statistics of spikes, from what `Run.spikes` returns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.integer[Any]]


def rates(neuron: Indices, size: int, steps: int, dt: float) -> NDArray[np.float64]:
    """Return the firing rate of each neuron, (neuron,), Hz.

    Parameters
    ----------
    neuron : (spike,), neuron of each spike.
    size : neurons in the population.
    steps : steps that were recorded.
    dt : length of a step, s.
    """
    return np.bincount(neuron, minlength=size) / (steps * dt)


def intervals(step: Indices, neuron: Indices, dt: float) -> tuple[NDArray[np.float64], Indices]:
    """Return the times between successive spikes of each neuron.

    Parameters
    ----------
    step, neuron : (spike,), as `Run.spikes` returns them.
    dt : length of a step, s.

    Returns
    -------
    interval : (interval,), s, by neuron and then by time.
    owner : (interval,), neuron of each interval.
    """
    order = np.lexsort((step, neuron))
    step, neuron = step[order], neuron[order]
    same = neuron[1:] == neuron[:-1]
    return np.diff(step)[same] * dt, neuron[1:][same]


def variation(step: Indices, neuron: Indices, size: int) -> NDArray[np.float64]:
    """Return the coefficient of variation of each neuron's intervals, (neuron,).

    Standard deviation over mean: 0 for a clock, about 1 for a Poisson process; NaN with fewer than
    two intervals.
    """
    interval, owner = intervals(step, neuron, 1.0)
    number = np.bincount(owner, minlength=size).astype(np.float64)
    number[number < 2] = np.nan
    mean = np.bincount(owner, interval, size) / number
    spread = np.bincount(owner, (interval - mean[owner]) ** 2, size) / number
    deviation: NDArray[np.float64] = np.sqrt(spread) / mean
    return deviation
