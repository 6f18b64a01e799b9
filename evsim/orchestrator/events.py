"""What the orchestrator tells those who record a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from numpy.typing import NDArray

from evsim.engines.base import Spikes

SPLITS = ("train", "validation", "test")
"""Parts of the data, in the order that numbers a trial's random draws and a recording's rows."""


@dataclass(frozen=True)
class PhaseRecord:
    """What was kept of one phase of one trial.

    Attributes
    ----------
    spikes : population -> its spikes, one count a step of the phase.
    states : index of the entry in `record.states` -> variable -> (sample, neuron), SI units.
    """

    name: str
    steps: int
    spikes: Mapping[str, Spikes] = field(default_factory=dict)
    states: Mapping[int, Mapping[str, NDArray[Any]]] = field(default_factory=dict)


@dataclass(frozen=True)
class TrialRecord:
    """One trial, in the order in which trials count, whatever thread ran it.

    Attributes
    ----------
    epoch : from 0.
    split : "train", "validation" or "test".
    index : position in this pass over the split.
    sample : index of the sample in its split's data.
    label, predicted : -1 where there is none.
    residual : see `evsim.spec.schema.Settle`; NaN where not measured.
    phases : phases of which something was kept, in the order they ran.
    """

    epoch: int
    split: str
    index: int
    sample: int
    label: int
    predicted: int
    residual: float
    phases: tuple[PhaseRecord, ...] = ()


Encoded = TypeVar("Encoded")


class Sink(Protocol[Encoded]):
    """Takes what a run produces; `commit` makes everything so far survive a crash."""

    def encode(self, phases: Sequence[PhaseRecord]) -> Encoded:
        """Return what will be kept of the phases of a trial; called by the thread that ran it."""

    def trial(self, record: TrialRecord, encoded: Encoded) -> None:
        """Keep one trial, with what `encode` made of its phases; one at a time, by any thread."""

    def weights(self, epoch: int, parameters: Mapping[str, NDArray[Any]]) -> None:
        """Keep the parameters as they are after `epoch` epochs (0: before the first)."""

    def metrics(self, row: Mapping[str, Any]) -> None:
        """Keep one line of metrics: an epoch and a split."""

    def commit(self) -> dict[str, int]:
        """Make all of it readable after a crash; return the position to resume from."""
