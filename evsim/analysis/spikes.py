"""Statistics of spikes, from what `Run.spikes` returns."""

from __future__ import annotations

from collections.abc import Sequence
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


def local_variation(step: Indices, neuron: Indices, size: int) -> NDArray[np.float64]:
    """Return CV2 of each neuron: how much successive intervals differ, (neuron,).

    Mean of 2 |b - a|/(a + b) over neighbouring intervals a, b: 0 for a clock, about 1 for a Poisson
    process, and unlike `variation` untouched by rates that change slowly. NaN with fewer than two
    intervals.

    Reference: G. R. Holt, W. R. Softky, C. Koch, R. J. Douglas, Comparison of discharge variability
    in vitro and in vivo in cat visual cortex neurons, Journal of Neurophysiology 1996.
    """
    interval, owner = intervals(step, neuron, 1.0)
    same = owner[1:] == owner[:-1]
    before, after, owner = interval[:-1][same], interval[1:][same], owner[1:][same]
    number = np.bincount(owner, minlength=size).astype(np.float64)
    number[number < 1] = np.nan
    apart = 2 * np.abs(after - before) / (after + before)
    found: NDArray[np.float64] = np.bincount(owner, apart, size) / number
    return found


def binned(step: Indices, neuron: Indices, size: int, steps: int, width: int) -> NDArray[np.int64]:
    """Return the spikes of each neuron in windows of `width` steps, (window, neuron).

    Steps behind the last whole window are left out.
    """
    windows = steps // width
    inside = step < windows * width
    place = step[inside] // width * size + neuron[inside]
    return np.bincount(place, minlength=windows * size).reshape(windows, size)


def fano_factor(counts: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """Return the variance of each neuron's spike counts over their mean, (neuron,).

    1 for a Poisson process, 0 for a clock; NaN for neurons without a spike. The variance is the
    unbiased one, of two windows or more.

    Parameters
    ----------
    counts : (window or trial, neuron).
    """
    mean = counts.mean(axis=0)
    mean[mean == 0] = np.nan
    found: NDArray[np.float64] = counts.var(axis=0, ddof=1) / mean
    return found


def correlation(counts: NDArray[np.integer[Any]]) -> float:
    """Return the mean correlation coefficient of all pairs of neurons whose counts vary.

    NaN with fewer than two of them. Costs no more than the number of neurons: the sum over pairs is
    the variance of the sum of all standardised counts.

    Parameters
    ----------
    counts : (window or trial, neuron).
    """
    spread = counts.std(axis=0)
    varying = spread > 0
    number = int(varying.sum())
    if number < 2:
        return float("nan")
    score = (counts[:, varying] - counts[:, varying].mean(axis=0)) / spread[varying]
    return float((score.sum(axis=1).var() - number) / (number * (number - 1)))


def smoothed_rate(
    step: Indices, size: int, steps: int, dt: float, width: float
) -> NDArray[np.float64]:
    """Return the rate of a population's mean neuron over time, (step,), Hz.

    Parameters
    ----------
    step : (spike,), of all neurons.
    size : neurons in the population.
    width : standard deviation of the Gaussian by which spikes are spread, s; mirrored at the ends.
    """
    from scipy.ndimage import gaussian_filter1d

    count = np.bincount(step, minlength=steps) / (size * dt)
    found: NDArray[np.float64] = gaussian_filter1d(count, width / dt, mode="reflect")
    return found


def van_rossum(trains: Sequence[NDArray[np.floating[Any]]], tau: float) -> NDArray[np.float64]:
    """Return the van Rossum distances between spike trains, (train, train).

    Every spike becomes an exponential that begins at it and falls with `tau`; the distance is the
    root of the integral of the squared difference. It is scaled as Elephant does, so that trains
    which differ by one spike are 1 apart: the original has 1/sqrt(2). Where `tau` is short, spikes
    count as equal at equal times only; where it is long, the numbers of spikes count.

    Parameters
    ----------
    trains : times of each train's spikes, ascending, s.
    tau : s, above 0.

    References
    ----------
    M. C. W. van Rossum, A novel spike distance, Neural Computation 2001, equation 2.1; sums by
    C. Houghton, T. Kreuz, On the efficient calculation of van Rossum distances, Network 2012.
    """
    owner = np.repeat(np.arange(len(trains)), [len(train) for train in trains])
    time, place = np.unique(np.concatenate([np.zeros(0), *trains]), return_inverse=True)
    spikes = np.zeros((len(time), len(trains)))
    np.add.at(spikes, (place, owner), 1.0)
    trace = spikes.copy()
    for now, fade in enumerate(np.exp(-np.diff(time) / tau).tolist(), 1):
        trace[now] += fade * trace[now - 1]
    before = spikes.T @ trace
    product = before + before.T - spikes.T @ spikes
    own = np.diag(product)
    found: NDArray[np.float64] = np.sqrt(np.maximum(own[:, None] + own - 2 * product, 0.0))
    return found


def victor_purpura(trains: Sequence[NDArray[np.floating[Any]]], cost: float) -> NDArray[np.float64]:
    """Return the Victor-Purpura distances between spike trains, (train, train).

    The least that it costs to turn one into the other: 1 for a spike that is taken out or put in,
    `cost` times the way for one that is moved. Costs a time that grows with the square of the
    number of trains and of their spikes.

    Parameters
    ----------
    trains : times of each train's spikes, ascending, s.
    cost : of moving a spike, 1/s; two spikes less than 2/cost apart are cheaper moved.

    References
    ----------
    J. D. Victor, K. P. Purpura, Nature and precision of temporal coding in visual cortex,
    Journal of Neurophysiology 1996, D^spike.
    """
    lengths = np.array([len(train) for train in trains], np.int64)
    number = np.arange(lengths.max(initial=0) + 1.0)
    padded = np.zeros((len(trains), len(number) - 1))
    for one, train in enumerate(trains):
        padded[one, : len(train)] = train
    found = np.zeros((len(trains), len(trains)))
    for one, train in enumerate(trains):
        others = padded[one + 1 :]
        # (other, spike): from the first spikes of this train to the first ones of another.
        least = np.tile(number, (len(others), 1))
        for time in train.tolist():
            kept = np.minimum(least[:, :-1] + cost * np.abs(others - time), least[:, 1:] + 1)
            without = np.concatenate([least[:, :1] + 1, kept], axis=1)
            least = np.minimum.accumulate(without - number, axis=1) + number
        found[one, one + 1 :] = least[np.arange(len(others)), lengths[one + 1 :]]
    return found + found.T
