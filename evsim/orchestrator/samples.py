"""The data set as trials: what each sample sets, and its label."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.build.plan import Plan
from evsim.datasets import SplitData, read_field
from evsim.errors import DataError
from evsim.orchestrator.trial import Readout
from evsim.spec.schema import Network

SPLITS = ("train", "validation", "test")


class Samples:
    """Samples of a network's data set; without one, `protocol.trials` equal trials."""

    def __init__(self, network: Network, plan: Plan, data: SplitData | None):
        self.network, self.plan, self.data = network, plan, data

    def size(self, split: str) -> int:
        """Return the number of samples of a split."""
        if self.data is None:
            return (self.network.protocol.trials or 1) if split == "train" else 0
        return self.data.size(split)

    def check(self) -> None:
        """Look at every split's first sample and at all classes, before a run begins.

        Raises
        ------
        DataError : a sample does not fit what it sets, or a class what reads it.
        """
        for split in SPLITS:
            if self.size(split):
                self.inputs(split, 0)
                self._check_classes(split)

    def _check_classes(self, split: str) -> None:
        assert self.data is not None and self.network.data is not None
        uses = [
            (field, self._size(*target.split(".")), f"sets '{target}'")
            for target, text in self.network.data.fields.items()
            for field in read_field(text).classes
        ]
        readout = self.network.readout
        if readout is not None:
            name = Readout.of(readout).population
            uses.append((readout.label, self.plan.populations[name].size, f"is read from '{name}'"))
        for field, size, use in uses:
            values = self.data.field(split, field)
            if values.ndim != 1 or values.dtype.kind not in "biu":
                raise DataError(
                    f"Field '{field}' of data set '{self.data.dataset.name}' {use}, but holds no "
                    "classes: it must have one whole number a sample."
                )
            if values.min() < 0 or values.max() >= size:
                wrong = values.min() if values.min() < 0 else values.max()
                raise DataError(
                    f"Field '{field}' of data set '{self.data.dataset.name}' {use}, but has class "
                    f"{wrong} and there are {size} neurons; give it one neuron a class, from 0."
                )

    def label(self, split: str, index: int) -> int:
        """Return a sample's class, -1 where there is none."""
        readout = self.network.readout
        if self.data is None or readout is None:
            return -1
        return int(self.data.sample(split, index, readout.label, np.int64))

    def inputs(self, split: str, index: int) -> dict[tuple[str, str], NDArray[Any]]:
        """Return (population, variable) -> (neuron,) of a sample; (1,) of a shared variable."""
        if self.data is None:
            return {}
        assert self.network.data is not None
        fields = self.network.data.fields
        return {
            key: self.data.values(
                split,
                index,
                fields[".".join(key)],
                self._size(*key),
                self.plan.dtype,
            )
            for key in self.plan.inputs
        }

    def _size(self, population: str, variable: str) -> int:
        found = self.plan.populations[population]
        return 1 if found.variables[variable].shared else found.size
