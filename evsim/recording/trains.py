"""Spikes of a population, in the forms that tools for their analysis take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evsim import optional
from evsim.recording.layout import Population

if TYPE_CHECKING:
    from neo import SpikeTrain
    from pandas import DataFrame
    from scipy.sparse import csr_array


@dataclass(frozen=True)
class SpikeTrains:
    """Spikes of a population in some trials, in the order of trial, step and neuron.

    Attributes
    ----------
    population : name and declared shape.
    dt : time step, s.
    rows : (trial,), rows of the recording's `trials`.
    steps : (trial,), kept steps of each.
    lengths : (trial,), spikes of each.
    step : (spike,), from 0 at the start of the phase that was asked for, or of its trial's first
        kept phase.
    neuron : (spike,), C-order index in the population's shape.
    """

    population: Population
    dt: float
    rows: NDArray[np.int64]
    steps: NDArray[np.int64]
    lengths: NDArray[np.int64]
    step: NDArray[np.int64]
    neuron: NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.step)

    @property
    def trial(self) -> NDArray[np.int64]:
        """Row of the recording's `trials` of each spike, (spike,)."""
        return np.repeat(self.rows, self.lengths)

    @property
    def time(self) -> NDArray[np.float64]:
        """When each spike was, from step 0 of its trial, (spike,) s."""
        return np.multiply(self.step, self.dt, dtype=np.float64)

    def counts(self) -> NDArray[np.int64]:
        """Return the spikes of each neuron in each trial, (trial, neuron)."""
        size = self.population.size
        place = np.repeat(np.arange(len(self.rows)) * size, self.lengths) + self.neuron
        found: NDArray[np.int64] = np.bincount(place, minlength=len(self.rows) * size)
        return found.reshape(len(self.rows), size)

    def raster(self) -> csr_array:
        """Return which neurons spiked in which step, a sparse array, (step, neuron) of booleans.

        Trials follow each other: the first step of trial `n` is row `steps[:n].sum()`.
        """
        from scipy.sparse import csr_array

        row = np.repeat(np.cumsum(self.steps) - self.steps, self.lengths) + self.step
        shape = (int(self.steps.sum()), self.population.size)
        pointers = np.searchsorted(row, np.arange(shape[0] + 1))
        return csr_array((np.ones(len(row), np.bool_), self.neuron, pointers), shape)

    def frame(self) -> DataFrame:
        """Return a row a spike: `trial`, `neuron`, `step`, `time` in seconds.

        Raises
        ------
        InputError : pandas is not installed.
        """
        pandas = optional.require("pandas", "A frame needs", "exchange")
        columns = {
            "trial": self.trial, "neuron": self.neuron, "step": self.step, "time": self.time
        }  # fmt: skip
        frame: DataFrame = pandas.DataFrame(columns)
        return frame

    def neo(self) -> list[SpikeTrain]:
        """Return a spike train for each trial and neuron, silent ones too, in this order.

        Each begins at 0 s, ends after its trial's last step, and is annotated with `population`,
        `neuron` and `trial`.

        Raises
        ------
        InputError : neo is not installed.
        """
        neo = optional.require("neo", "Spike trains of Neo need", "exchange")
        ends = np.cumsum(self.lengths)
        found: list[SpikeTrain] = []
        for row, steps, begin, end in zip(
            self.rows.tolist(), self.steps.tolist(), ends - self.lengths, ends, strict=True
        ):
            for number, times in enumerate(self._by_neuron(int(begin), int(end))):
                note = {"population": self.population.name, "neuron": number, "trial": row}
                train = neo.SpikeTrain(times, t_stop=steps * self.dt, units="s", **note)
                found.append(train)
        return found

    def _by_neuron(self, begin: int, end: int) -> list[NDArray[np.float64]]:
        """Return the times of each neuron's spikes among some that are in order of time."""
        neuron = self.neuron[begin:end]
        order = np.argsort(neuron, kind="stable")
        ends = np.cumsum(np.bincount(neuron, minlength=self.population.size))
        return np.split(self.time[begin:end][order], ends[:-1])
