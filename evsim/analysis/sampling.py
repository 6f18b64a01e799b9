"""Parts of a recording that stand for all of it where all would take too long."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evsim.recording.reader import Run

NEURONS = 50
"""Neurons of a population whose spike trains are compared at most."""

SPIKES = 50_000
"""Spikes that these have at most in the trials compared; one neuron always is."""


def evenly(values: NDArray[np.int64], at_most: int) -> NDArray[np.int64]:
    """Return values from the first to the last at even distances, all where they are few."""
    if len(values) <= at_most:
        return values
    return values[np.linspace(0, len(values) - 1, at_most).round().astype(np.int64)]


def spiking(spikes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return neurons whose spike trains can be compared in bounded time, of those that spike.

    Parameters
    ----------
    spikes : (neuron,), in all trials.
    """
    neurons = evenly(np.flatnonzero(spikes), NEURONS)
    return neurons[: max(1, int((np.cumsum(spikes[neurons]) <= SPIKES).sum()))]


def trains(
    run: Run, population: str, trial: int, phase: str | None, neurons: NDArray[np.int64]
) -> list[NDArray[np.int64]]:
    """Return the steps in which each of some neurons spiked, ascending, see `Run.spikes`."""
    found = run.spikes(population, trial, phase)
    order = np.argsort(found.neuron, kind="stable")
    step, neuron = found.step[order], found.neuron[order]
    begins, ends = (np.searchsorted(neuron, neurons, side) for side in ("left", "right"))
    return [step[begin:end] for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]
