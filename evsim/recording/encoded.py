"""What was kept of a trial, as a recording holds it."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.engines.base import Spikes
from evsim.orchestrator.events import PhaseRecord
from evsim.recording.encoding import encode_gaps
from evsim.recording.layout import Layout, Population, neuron_type


@dataclass(frozen=True)
class EncodedSpikes:
    """Spikes of one population in every phase of the layout.

    Attributes
    ----------
    data : for each phase (spike,) neurons, or (byte,) gaps.
    count : for each phase (step,), spikes in each step.
    sums : for each phase the CRC-32 of its data; none where the file keeps none.
    """

    data: Sequence[NDArray[Any]]
    count: Sequence[NDArray[Any]]
    sums: Sequence[int]


@dataclass(frozen=True)
class EncodedTrial:
    """Spikes and states of one trial.

    Attributes
    ----------
    steps : for each phase of the layout, steps of which spikes are kept.
    spikes : population -> its spikes.
    states : for each entry of `record.states`, for each phase: variable -> (sample, neuron).
    """

    steps: Sequence[int]
    spikes: Mapping[str, EncodedSpikes]
    states: Sequence[Sequence[Mapping[str, NDArray[Any]]]]


def encode(layout: Layout, phases: Sequence[PhaseRecord]) -> EncodedTrial:
    """Return what a recording of `layout` holds of the phases of one trial.

    Raises
    ------
    ValueError : spikes contradict themselves: other neurons or steps than there are, or neurons
        that do not ascend inside a step.
    """
    named = {phase.name: phase for phase in phases}
    spiking = {name: phase for name, phase in named.items() if phase.spikes}
    order = [phase.name for phase in layout.phases]
    return EncodedTrial(
        steps=[spiking[name].steps if name in spiking else 0 for name in order],
        spikes={
            name: _encode_spikes(
                layout, layout.population(name), [_spikes(spiking.get(p), name) for p in order]
            )
            for name in layout.spikes
        },
        states=[
            [named[p].states.get(number, {}) if p in named else {} for p in order]
            for number in range(len(layout.states))
        ],
    )


def _encode_spikes(
    layout: Layout, population: Population, phases: Sequence[Spikes]
) -> EncodedSpikes:
    for spikes in phases:
        _check(spikes, population)
    if layout.encoding == "compact":
        data = [encode_gaps(s.neuron, s.count, population.size) for s in phases]
    else:
        data = [s.neuron.astype(neuron_type(population.size), copy=False) for s in phases]
    summed = population.name in layout.summed
    sums = [zlib.crc32(part.data) for part in data] if summed else []
    return EncodedSpikes(data, [s.count for s in phases], sums)


def _check(spikes: Spikes, population: Population) -> None:
    total, found = int(spikes.count.sum()), len(spikes.neuron)
    if total != found:
        raise ValueError(f"population '{population.name}' has {found} spikes, not {total}")
    if found and spikes.neuron.max() >= population.size:
        raise ValueError(
            f"population '{population.name}' has {population.size} neurons, none of index "
            f"{spikes.neuron.max()}"
        )


SILENT = Spikes(np.zeros(0, np.uint32), np.zeros(0, np.uint32))


def _spikes(phase: PhaseRecord | None, population: str) -> Spikes:
    """Return a phase's spikes; no steps where nothing of it is kept, none where it is silent."""
    if phase is None:
        return SILENT
    silent = Spikes(np.zeros(phase.steps, np.uint32), SILENT.neuron)
    spikes = phase.spikes.get(population, silent)
    if len(spikes.count) != phase.steps:
        raise ValueError(f"phase '{phase.name}' has {phase.steps} steps, not {len(spikes.count)}")
    return spikes
