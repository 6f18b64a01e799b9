"""Reads spikes: of some trials at once, or part by part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.recording import encoding, hdf5
from evsim.recording.columns import spikes_path, sums_path
from evsim.recording.committed import Committed
from evsim.recording.index import Choice, Index
from evsim.recording.trains import SpikeTrains

PART = 1 << 23
"""Bytes of spikes that are read at once, unless a trial has more."""


class SelectedSpikes:
    """Spikes of a population in some trials and phases; iterating reads them part by part."""

    def __init__(
        self, data: Committed, index: Index, population: str, trials: Choice, phase: str | None
    ):
        self._data, self._layout = data, data.layout
        self._rows = index.rows(population, trials, phase)
        self._first, self._last = index.phases(phase)
        ends = [self._first, self._last]
        self._steps = index.steps[self._rows][:, ends].astype(np.int64)
        offsets = index.offsets(f"trials/spike_offset/{population}", self._rows)
        self._offsets = offsets[:, self._first : self._last + 1]
        self._population = self._layout.population(population)

    def __iter__(self) -> Iterator[SpikeTrains]:
        for part, count, neuron in self._parts():
            yield self._trains(part, count, neuron)

    def whole(self) -> SpikeTrains:
        """Return all of them.

        Raises
        ------
        RecordingError : the file is damaged.
        """
        parts = list(self._parts())
        count = np.concatenate([np.zeros(0, np.int64), *(count for _, count, _ in parts)])
        neuron = np.concatenate([np.zeros(0, np.uint32), *(neuron for *_, neuron in parts)])
        return self._trains(slice(None), count, neuron)

    def rates(self) -> NDArray[np.float64]:
        """Return the mean rate of each neuron, (neuron,) Hz; NaN where none is kept.

        Raises
        ------
        RecordingError : the file is damaged.
        """
        found, steps = np.zeros(self._population.size, np.int64), 0
        for _, count, neuron in self._parts():
            found += np.bincount(neuron, minlength=len(found))
            steps += len(count)
        return found / (steps * self._layout.dt) if steps else np.full(len(found), np.nan)

    def _parts(self) -> Iterator[tuple[slice, NDArray[np.int64], NDArray[np.uint32]]]:
        """Yield trials that follow each other, with the counts of their steps, and neurons."""
        name, size, layout = self._population.name, self._population.size, self._layout
        rows, data = self._rows, self._offsets[:, [0, -1]]
        for begin, end in _stretches(rows, data):
            part = slice(begin, end)
            count = self._pieces(f"spikes/{name}/count", self._steps[part]).astype(np.int64)
            stored = self._pieces(spikes_path(layout, name), data[part])
            with hdf5.reading(self._data.path):
                if name in layout.summed:
                    sums = self._data.read(sums_path(name), rows[begin], rows[end - 1] + 1)
                    lengths = np.diff(self._offsets[part], axis=1).ravel()
                    encoding.check(stored, lengths, sums[:, self._first : self._last].ravel())
                neuron = encoding.decode(stored, count, size, layout.encoding)
            yield part, count, neuron

    def _trains(
        self, part: slice, count: NDArray[np.int64], neuron: NDArray[np.uint32]
    ) -> SpikeTrains:
        """Return the spikes of some trials, of which there are `count` in each step."""
        steps = np.diff(self._steps[part]).ravel()
        ends = np.cumsum(steps)
        total = np.concatenate([np.zeros(1, np.int64), np.cumsum(count)])
        number = np.arange(len(count)) - np.repeat(ends - steps, steps)
        return SpikeTrains(
            population=self._population,
            dt=self._layout.dt,
            rows=self._rows[part],
            steps=steps,
            lengths=total[ends] - total[ends - steps],
            step=np.repeat(number, count),
            neuron=neuron,
        )

    def _pieces(self, path: str, spans: NDArray[np.int64]) -> NDArray[Any]:
        """Return some rows of a dataset after each other, (first, end) of ascending pieces."""
        start = int(spans[0, 0])
        data = self._data.read(path, start, int(spans[-1, 1]))
        if (spans[1:, 0] == spans[:-1, 1]).all():
            return data
        return np.concatenate([data[begin - start : end - start] for begin, end in spans.tolist()])


def _stretches(rows: NDArray[np.int64], spans: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Yield begins and ends of stretches of trials that are worth reading at once."""
    begin = 0
    for at in range(1, len(rows)):
        if rows[at] != rows[at - 1] + 1 or spans[at, 1] - spans[begin, 0] > PART:
            yield begin, at
            begin = at
    if len(rows):
        yield begin, len(rows)
