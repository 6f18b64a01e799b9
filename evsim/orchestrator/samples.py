"""The data set as trials: what each sample sets, and its label."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.build.plan import Plan
from evsim.datasets import Change, SplitData, augmented, read_field, unchanged
from evsim.errors import DataError
from evsim.orchestrator.events import SPLITS
from evsim.orchestrator.trial import Readout
from evsim.replay import SPIKES
from evsim.spec.schema import Network

MOST_CLASSES = 1 << 16
"""Classes that neurons can vote for."""


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
        self._check_sizes()
        for split in SPLITS:
            if self.size(split):
                self._check_spikes(split)
                self._check_classes(split)
                self.inputs(split, 0, epoch=0)

    def _check_sizes(self) -> None:
        """Refuse passes over nothing."""
        if self.data is None:
            return
        source = self.network.source
        test, readout = self.network.protocol.test, self.network.readout
        for split in test.split if test is not None else ():
            if not self.size(split):
                with source.placing("protocol", "test", "split"):
                    raise DataError(
                        f"Data set '{self.data.dataset.name}' has no {split} samples, but "
                        "`protocol.test.split` names them."
                    )
        if readout is not None and not Readout.of(readout).variable and not self.size("train"):
            with source.placing("readout", "predict"):
                raise DataError("A vote needs training samples, and there are none.")

    def _check_spikes(self, split: str) -> None:
        assert self.data is not None and self.network.data is not None
        for name, field in self._replayed().items():
            population = self.plan.populations[name]
            assert population.replay is not None
            period = population.replay.period
            with self.network.source.placing("data", "fields", f"{name}.{SPIKES}"):
                self.data.check_spikes(split, field, population.size, self.plan.dt, period)

    def _replayed(self) -> dict[str, str]:
        """Return the populations that replay samples' spikes, and the fields of these."""
        fields = self.network.data.fields if self.network.data else {}
        return {
            name: fields[f"{name}.{variable}"].strip()
            for name, variable in self.plan.inputs
            if self.plan.populations[name].replay is not None
        }

    def _check_classes(self, split: str) -> None:
        assert self.data is not None and self.network.data is not None
        source, readout = self.network.source, self.network.readout
        for target, text in self.network.data.fields.items():
            if target.partition(".")[0] not in self._replayed():
                size = self._size(*target.split("."))
                with source.placing("data", "fields", target):
                    for field in read_field(text).classes:
                        self._check_class(split, field, f"sets '{target}'", size, "neurons")
        if readout is not None:
            read = Readout.of(readout)
            room = (self.plan.populations[read.population].size, "neurons")
            room = room if read.variable else (MOST_CLASSES, "classes at most")
            with source.placing("readout", "label"):
                use = f"is read from '{read.population}'"
                self._check_class(split, readout.label, use, *room)

    def _check_class(self, split: str, field: str, use: str, size: int, what: str) -> None:
        assert self.data is not None
        values = self.data.field(split, field)
        if values.ndim != 1 or values.dtype.kind not in "biu":
            raise DataError(
                f"Field '{field}' of data set '{self.data.dataset.name}' {use}, but holds no "
                "classes: it must have one whole number a sample."
            )
        if values.min() < 0 or values.max() >= size:
            wrong = values.min() if values.min() < 0 else values.max()
            hint = "give it one neuron a class" if what == "neurons" else "number classes"
            raise DataError(
                f"Field '{field}' of data set '{self.data.dataset.name}' {use}, but has class "
                f"{wrong} and there are {size} {what}; {hint}, from 0."
            )

    def digest(self) -> str:
        """Return a hash of all labels and of the first sample of each split."""
        found, readout = hashlib.sha256(), self.network.readout
        for split in SPLITS:
            size = self.size(split)
            found.update(f"{split} {size}".encode())
            if not size or self.data is None:
                continue
            if readout is not None:
                found.update(self.data.field(split, readout.label).tobytes())
            for values in self.inputs(split, 0).values():
                found.update(np.ascontiguousarray(values).tobytes())
        return found.hexdigest()

    def classes(self) -> int:
        """Return how many classes the labels of the training samples have."""
        assert self.data is not None and self.network.readout is not None
        return int(self.data.field("train", self.network.readout.label).max()) + 1

    def label(self, split: str, index: int) -> int:
        """Return a sample's class, -1 where there is none."""
        readout = self.network.readout
        if self.data is None or readout is None:
            return -1
        return int(self.data.sample(split, index, readout.label, np.int64))

    def inputs(
        self, split: str, index: int, epoch: int | None = None
    ) -> dict[tuple[str, str], NDArray[Any]]:
        """Return what a sample sets, see `Simulation.begin`; (1,) for a shared variable.

        Parameters
        ----------
        epoch : what changes of images depend on besides the sample; None where there are none.
        """
        if self.data is None:
            return {}
        change: Change = unchanged
        if self.network.data is not None and epoch is not None:
            change = augmented(self.network.data, self.plan.seed, split, index, epoch)
        return {key: self._input(split, index, *key, change) for key in self.plan.inputs}

    def _input(
        self, split: str, index: int, name: str, variable: str, change: Change
    ) -> NDArray[Any]:
        assert self.data is not None and self.network.data is not None
        target = f"{name}.{variable}"
        text, population = self.network.data.fields[target], self.plan.populations[name]
        with self.network.source.placing("data", "fields", target):
            if population.replay is None:
                size = self._size(name, variable)
                return self.data.values(split, index, text, size, self.plan.dtype, change)
            return self.data.spikes(
                split, index, text.strip(), population.size, self.plan.dt, population.replay.period
            )

    def _size(self, population: str, variable: str) -> int:
        found = self.plan.populations[population]
        return 1 if found.variables[variable].shared else found.size
