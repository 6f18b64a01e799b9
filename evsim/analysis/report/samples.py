"""Pictures of a run's samples, where its data set can be opened again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evsim import datasets
from evsim.analysis.network import open_data
from evsim.analysis.report.subject import Subject
from evsim.errors import InputError
from evsim.recording.reader import Trials
from evsim.spec.schema import Network

SMALLEST = 4
"""Rows and columns that a field has at least to count as a picture."""


@dataclass(frozen=True)
class Lacking:
    """Why there are no pictures."""

    reason: str


@dataclass(frozen=True)
class Images:
    """Pictures of samples: `values` are (sample, row, column) or (sample, row, column, 3)."""

    field: str
    values: NDArray[np.float64]

    def of(self, rows: NDArray[np.integer]) -> NDArray[np.uint8]:
        """Return pictures from black to white, by the least and the largest value of all."""
        low, high = float(self.values.min()), float(self.values.max())
        scaled = (self.values[rows] - low) / ((high - low) or 1.0)
        bytes_: NDArray[np.uint8] = (255 * scaled).round().astype(np.uint8)
        return bytes_


def images(subject: Subject, split: str, trials: Trials) -> Images | Lacking:
    """Return a picture of each trial's sample, or why there is none."""
    network = subject.network
    if network is None:
        return Lacking(subject.fault)
    if network.data is None or network.readout is None:
        return Lacking("the network file names no data set.")
    try:
        found = open_data(subject.run, network)
        return _pictures(found, network, split, trials) if found else Lacking("there are no data.")
    except InputError as error:
        reason = str(error).splitlines()[0]
        return Lacking(reason[0].lower() + reason[1:])


def _pictures(
    found: datasets.SplitData, network: Network, split: str, trials: Trials
) -> Images | Lacking:
    assert network.readout is not None
    samples = trials["sample"]
    if samples.max() >= found.size(split):
        return Lacking("the data set has fewer samples than when the run was made.")
    if (found.field(split, network.readout.label)[samples] != trials["label"]).any():
        return Lacking("the data set is not what it was when the run was made.")
    for field, shape in _fields(network):
        try:
            every = [found.sample(split, int(sample), field, np.float64) for sample in samples]
        except InputError:  # a field of spikes
            continue
        values = _as_pictures(np.array(every), shape)
        if values is not None:
            return Images(field, values)
    return Lacking("no field of the data set is a picture.")


def _fields(network: Network) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Return fields whose values drive a population, and the population's shape."""
    assert network.data is not None
    for target, text in network.data.fields.items():
        population = network.populations.get(target.partition(".")[0])
        for field in datasets.read_field(text).numbers:
            yield field, population.shape if population else ()


def _as_pictures(values: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64] | None:
    """Return samples as grey or coloured pictures, None where they are neither.

    Parameters
    ----------
    values : (sample, ...), with rows and columns last, or with 3 colours before or after them.
    shape : of the population that they drive, which flat samples take.
    """
    if values.ndim == 2 and values[0].size == np.prod(shape):
        values = values.reshape(len(values), *shape)
    if values.ndim == 4 and values.shape[1] in (1, 3):
        values = np.moveaxis(values, 1, -1)
    if values.ndim == 4 and values.shape[-1] == 1:
        values = values[..., 0]
    large = values.ndim >= 3 and min(values.shape[1:3]) >= SMALLEST
    coloured = values.ndim == 4 and values.shape[-1] == 3
    return values if large and (values.ndim == 3 or coloured) else None
