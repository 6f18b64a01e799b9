"""Fields that hold a list of spikes a sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class EventLists:
    """The spikes of all samples, one sample's after the other.

    Attributes
    ----------
    time : (spike,), s from the sample's start.
    neuron : (spike,), C-order index in the shape of the population.
    start : (sample + 1,), where each sample's spikes begin; the last is the number of spikes.
    """

    time: NDArray[Any]
    neuron: NDArray[Any]
    start: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.start) - 1

    def sample(self, index: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return times and neurons of one sample."""
        part = slice(self.start[index], self.start[index + 1])
        return self.time[part], self.neuron[part]
