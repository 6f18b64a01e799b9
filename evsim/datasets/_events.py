"""Fields that hold a list of spikes a sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class EventLists:
    """The spikes of all samples, one sample's after the other.

    Attributes
    ----------
    time : (spike,), s from the sample's start.
    neuron : (spike,), C-order index in the shape of the population.
    start : (sample + 1,), where each sample's spikes begin; the last is the number of spikes.

    Raises
    ------
    ValueError : the arrays do not fit together.
    """

    time: NDArray[Any]
    neuron: NDArray[Any]
    start: NDArray[Any]

    def __post_init__(self) -> None:
        if not self.time.ndim == self.neuron.ndim == self.start.ndim == 1:
            raise ValueError("times, neurons and starts must be lists")
        if len(self.time) != len(self.neuron):
            raise ValueError(f"there are {len(self.time)} times, but {len(self.neuron)} neurons")
        ends = self.start.tolist()
        if self.start.dtype.kind not in "iu" or not ends or ends[0] != 0 or ends != sorted(ends):
            raise ValueError("the starts must be whole numbers that rise from 0")
        if ends[-1] != len(self.time):
            raise ValueError(f"the last start is {ends[-1]}, but there are {len(self.time)} spikes")

    def __len__(self) -> int:
        return len(self.start) - 1

    def sample(self, index: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return times and neurons of one sample."""
        part = slice(self.start[index], self.start[index + 1])
        return self.time[part], self.neuron[part]
