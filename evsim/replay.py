"""Spikes that are given instead of computed: their times become steps as in Brian2.

A list of spikes is an array (2, spike) of whole numbers: steps in ascending order, and neurons, in
ascending order inside a step.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

SPIKES = "spikes"
"""What stands for a population's list of spikes where a variable would be named."""

LATEST = 2**53
"""Steps beyond this are no longer told apart."""


class ReplayError(ValueError):
    """A spike cannot be replayed.

    Attributes
    ----------
    index : of the spike, from 0, in the order given.
    neuron : whether its neuron is wrong, not its time.
    """

    def __init__(self, message: str, index: int, neuron: bool = False, hint: str = ""):
        super().__init__(message)
        self.message, self.index, self.neuron, self.hint = message, index, neuron, hint


def check_spikes(times: ArrayLike, neurons: ArrayLike, size: int, dt: float, period: int) -> None:
    """Refuse spikes outside of a trial or of a population.

    Parameters
    ----------
    times : (spike,), s.
    neurons : (spike,), numbers from 0 to `size` - 1.
    period : in steps, 0 for none.

    Raises
    ------
    ReplayError : for the first of them.
    """
    times, neurons = np.asarray(times, np.float64), np.asarray(neurons)
    _refuse_time(times, ~np.isfinite(times), "is not a number of seconds")
    _refuse_time(times, times < 0, "lies before 0")
    _refuse_time(times, times >= LATEST * dt, "lies too far ahead")
    if period:
        _refuse_time(times, steps_of(times, dt) >= period, "is not below the period")
    wrong = ~((np.floor(neurons) == neurons) & (neurons >= 0) & (neurons < size))
    if wrong.any():
        at = int(np.argmax(wrong))
        beyond = neurons[at] >= size
        why = f", but {size} from 0" if beyond else ": numbers are whole, from 0"
        raise ReplayError(f"there is no neuron {neurons[at]:g}{why}", at, neuron=True)


def _refuse_time(times: NDArray[np.float64], wrong: NDArray[np.bool_], why: str) -> None:
    if wrong.any():
        at = int(np.argmax(wrong))
        raise ReplayError(f"its time, {times[at]:g} s, {why}", at)


def steps_of(times: ArrayLike, dt: float) -> NDArray[np.int64]:
    """Return the steps, from 0, that times in seconds belong to, rounded as Brian2 does.

    A time belongs to the step that it lies in; one less than dt/1000 before a step counts as its
    start, so that multiples of dt are safe (`SpikeGeneratorGroup.before_run`).
    """
    return ((np.asarray(times, np.float64) + 1e-3 * dt) / dt).astype(np.int64)


def spike_list(
    times: ArrayLike, neurons: ArrayLike, size: int, dt: float, period: int, merge: bool
) -> NDArray[np.int64]:
    """Return spikes, in any order, as a list.

    Parameters
    ----------
    merge : count several spikes of a neuron in one step as one, instead of refusing them.

    Raises
    ------
    ReplayError : a spike cannot be replayed; see `check_spikes`.
    """
    check_spikes(times, neurons, size, dt, period)
    steps, senders = steps_of(times, dt), np.asarray(neurons).astype(np.int64)
    order = np.lexsort((senders, steps))
    steps, senders = steps[order], senders[order]
    again = np.zeros(len(order), bool)
    again[1:] = (np.diff(steps) == 0) & (np.diff(senders) == 0)
    if again.any() and not merge:
        at = int(np.argmax(again))
        message = f"neuron {senders[at]} has another spike in the same step of {dt:g} s"
        raise ReplayError(message, int(order[at]), hint="take a smaller `dt`, or leave one out")
    return np.stack([steps[~again], senders[~again]])
