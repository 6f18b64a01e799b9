"""Which trials, phases and neurons of a run are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.build.plan import Plan
from evsim.spec import schema


@dataclass(frozen=True)
class StateSamples:
    """One entry of `record.states`, resolved: when to look at which neurons."""

    entry: int
    population: str
    variables: tuple[str, ...]
    neurons: NDArray[np.int64] | None
    every: int
    at_start: bool

    def sample(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the chosen neurons of a variable, (neuron,)."""
        values = np.atleast_1d(values)
        return values if self.neurons is None or values.size == 1 else values[self.neurons]


@dataclass(frozen=True)
class Wanted:
    """What is kept of one phase of one trial."""

    spikes: frozenset[str] = frozenset()
    states: tuple[StateSamples, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.spikes or self.states)


class Selection:
    """The `record` section, ready to be asked trial by trial."""

    def __init__(self, record: schema.Record, plan: Plan):
        self.record = record
        spiking = [name for name, p in plan.populations.items() if p.spikes]
        chosen = record.spikes.populations if record.spikes else ()
        self.populations = frozenset(spiking if chosen == "all" else chosen)
        self.states = tuple(
            StateSamples(
                entry=at,
                population=entry.population,
                variables=entry.variables,
                neurons=_neurons(entry.neurons),
                every=entry.every.step,
                at_start=entry.when == "start",
            )
            for at, entry in enumerate(record.states)
        )

    def wanted(self, epoch: int, index: int, phase: str) -> Wanted:
        """Return what is kept of a phase.

        Parameters
        ----------
        epoch : from 0.
        index : of the trial in its pass over a split.
        """
        spikes = self.record.spikes
        kept: frozenset[str] = frozenset()
        if spikes is not None and _names(spikes.phases, phase) and keeps(spikes, epoch, index):
            kept = self.populations
        states = tuple(
            samples
            for samples, entry in zip(self.states, self.record.states, strict=True)
            if _names(entry.phases, phase) and keeps(entry, epoch, index)
        )
        return Wanted(kept, states)

    def weights(self, epoch: int) -> bool:
        """Whether parameters are kept after `epoch` epochs."""
        weights = self.record.weights
        return weights is not None and epoch % weights.every.epoch == 0


def keeps(entry: schema.RecordSpikes | schema.RecordStates, epoch: int, index: int) -> bool:
    """Return whether an entry of `record` asks for a trial; see `Selection.wanted`."""
    due = epoch % entry.every.epoch == 0 and index % entry.every.trial == 0
    return due and _has(entry.trials, index)


def _neurons(chosen: Any) -> NDArray[np.int64] | None:
    if chosen == "all":
        return None
    return np.arange(chosen) if isinstance(chosen, int) else np.array(chosen, np.int64)


def _has(chosen: Any, index: int) -> bool:
    if chosen == "all":
        return True
    return index < chosen if isinstance(chosen, int) else index in chosen


def _names(chosen: Any, name: str) -> bool:
    return chosen == "all" or name in chosen
