"""What was kept of a trial, as a recording holds it."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.engines.base import Spikes
from evsim.orchestrator.events import PhaseRecord
from evsim.recording.layout import Layout, Population, neuron_type


@dataclass(frozen=True)
class EncodedSpikes:
    """Spikes of one population in every phase of the layout, one after the other.

    Attributes
    ----------
    data : (spike,) neurons, or (byte,) gaps.
    marks : (phase + 1,), where those of each phase begin in `data`, and where the last end.
    count : (step,), spikes in each step.
    sums : (phase,), the CRC-32 of each phase's data; empty where the file keeps none.
    """

    data: NDArray[Any]
    marks: NDArray[np.int64]
    count: NDArray[np.uint32]
    sums: NDArray[np.uint32]


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
        total, found = int(spikes.count.sum()), len(spikes.neuron)
        if total != found:
            raise ValueError(f"population '{population.name}' has {found} spikes, not {total}")
    count = np.concatenate([spikes.count for spikes in phases])
    try:
        data, marks = _FORMS[layout.encoding](phases, population.size)
    except ValueError as error:
        raise ValueError(f"population '{population.name}': {error}") from None
    summed = pairwise(marks) if population.name in layout.summed else ()
    sums = [zlib.crc32(data[begin:end].data) for begin, end in summed]
    return EncodedSpikes(data, np.array(marks), count, np.array(sums, np.uint32))


def _compact(phases: Sequence[Spikes], size: int) -> tuple[NDArray[Any], list[int]]:
    from evsim.recording.gaps import encode_gaps, room  # Numba takes a while to import.

    parts = [room(len(s.neuron), len(s.count), size) for s in phases]
    data, marks = np.empty(sum(parts), np.uint8), [0]
    for spikes in phases:
        begin = marks[-1]
        marks.append(begin + encode_gaps(spikes.neuron, spikes.count, size, data[begin:]))
    return data[: marks[-1]], marks


def _plain(phases: Sequence[Spikes], size: int) -> tuple[NDArray[Any], list[int]]:
    neuron = np.concatenate([spikes.neuron for spikes in phases])
    if len(neuron) and neuron.max() >= size:
        raise ValueError(f"there are {size} neurons, none of index {neuron.max()}")
    marks = list(accumulate((len(spikes.neuron) for spikes in phases), initial=0))
    return neuron.astype(neuron_type(size), copy=False), marks


_FORMS = {"compact": _compact, "plain": _plain}


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
