"""Replayed spikes as a NeuronGroup whose threshold is a variable that each step sets."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.build.code import NeuronCode
from evsim.build.plan import Population

CODE = NeuronCode("sends : boolean", "sends", None, None, None, {}, {}, {})


class Replayed:
    """The spikes of one population in one trial; `group` is its NeuronGroup."""

    def __init__(self, population: Population, group: Any):
        self.population, self.group = population, group
        self.steps = self.neurons = np.zeros(0, np.int64)

    def load(self, given: NDArray[Any] | None) -> None:
        """Take a trial's own spikes, (2, spike), or those of the plan."""
        assert self.population.replay is not None
        spikes = self.population.replay.spikes if given is None else given
        self.steps, self.neurons = np.zeros((2, 0), np.int64) if spikes is None else spikes

    def send(self, step: int) -> None:
        """Let the neurons of a step of the trial spike in it."""
        assert self.population.replay is not None
        period = self.population.replay.period
        row = step % period if period else step
        begin, end = np.searchsorted(self.steps, [row, row + 1])
        sends = np.zeros(self.population.size, bool)
        sends[self.neurons[begin:end]] = True
        self.group.variables["sends"].set_value(sends)
