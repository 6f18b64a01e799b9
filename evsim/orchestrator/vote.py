"""Predictions by vote: neurons stand for the class to which they responded most while training."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Vote:
    """Responses of training trials by class, and the class that each neuron stands for.

    After every `over` training trials each neuron is assigned the class whose trials made it
    spike most on average; one that did not spike stands for none. A trial's prediction is the
    class whose neurons spiked most on average, none (-1) where none of them did.

    Reference: P. U. Diehl, M. Cook, Unsupervised learning of digit recognition using
    spike-timing-dependent plasticity, Frontiers in Computational Neuroscience 2015.

    Attributes
    ----------
    sums : (class, neuron), spikes in the present block of training trials.
    seen : (class,), its trials.
    assigned : (neuron,), class or -1.
    """

    def __init__(self, classes: int, neurons: int, over: int):
        self.over = over
        self.sums = np.zeros((classes, neurons), np.int64)
        self.seen = np.zeros(classes, np.int64)
        self.assigned = np.full(neurons, -1, np.int64)

    def learn(self, label: int, response: NDArray[Any]) -> None:
        """Take a training trial, (neuron,) spikes."""
        self.sums[label] += response
        self.seen[label] += 1
        if self.seen.sum() >= self.over:
            self.assign()

    def assign(self) -> None:
        """Assign classes from the block's trials, and begin the next block."""
        means = self.sums / np.maximum(self.seen, 1)[:, None]
        self.assigned = np.where(means.max(0) > 0, means.argmax(0), -1)
        self.sums[:], self.seen[:] = 0, 0

    def end_pass(self) -> None:
        """End a training pass: one shorter than a block assigns classes from what there is."""
        if self.seen.sum() and not self.ready:
            self.assign()

    @property
    def ready(self) -> bool:
        """Whether any neuron stands for a class."""
        return bool((self.assigned >= 0).any())

    def predict(self, response: NDArray[Any]) -> int:
        """Return the class that a trial's (neuron,) spikes vote for, or -1."""
        voting = self.assigned >= 0
        classes = len(self.seen)
        votes = np.bincount(self.assigned[voting], response[voting], classes)
        members = np.bincount(self.assigned[voting], minlength=classes)
        means = votes / np.maximum(members, 1)
        return int(means.argmax()) if means.max() > 0 else -1

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what a checkpoint holds."""
        return {"vote:sums": self.sums, "vote:seen": self.seen, "vote:assigned": self.assigned}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take what `state` returned."""
        self.sums, self.seen = arrays["vote:sums"], arrays["vote:seen"]
        self.assigned = arrays["vote:assigned"]
