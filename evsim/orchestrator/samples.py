"""The data set as trials: what each sample sets, and its label."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.build.plan import Plan
from evsim.datasets import SplitData
from evsim.spec.schema import Network


class Samples:
    """Samples of a network's data set; without one, `protocol.trials` equal trials."""

    def __init__(self, network: Network, plan: Plan, data: SplitData | None):
        self.network, self.plan, self.data = network, plan, data

    def size(self, split: str) -> int:
        """Return the number of samples of a split."""
        if self.data is None:
            return (self.network.protocol.trials or 1) if split == "train" else 0
        return self.data.size(split)

    def label(self, split: str, index: int) -> int:
        """Return a sample's class, -1 where there is none."""
        readout = self.network.readout
        if self.data is None or readout is None:
            return -1
        return int(self.data.sample(split, index, readout.label, np.int64))

    def inputs(self, split: str, index: int) -> dict[tuple[str, str], NDArray[Any]]:
        """Return (population, variable) -> (neuron,) of a sample."""
        if self.data is None:
            return {}
        assert self.network.data is not None
        fields = self.network.data.fields
        return {
            key: self.data.values(
                split,
                index,
                fields[".".join(key)],
                self.plan.populations[key[0]].size,
                self.plan.dtype,
            )
            for key in self.plan.inputs
        }
