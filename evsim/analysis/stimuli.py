"""The images that trials showed, from the data set of a run."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.analysis.network import open_data
from evsim.datasets import Change, SplitData, augmented, read_field, unchanged
from evsim.errors import DataError
from evsim.recording.reader import Run
from evsim.spec.schema import Network

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Stimuli:
    """What trials showed to a population.

    Attributes
    ----------
    population : the one that images are shown to.
    shape : of an image; rows and columns come last.
    values : (trial, pixel), what each pixel was set to, or how many spikes it sent.
    """

    population: str
    shape: Shape
    values: NDArray[np.float64]


def stimuli(run: Run, network: Network, trials: Iterable[int]) -> Stimuli | None:
    """Return the images that trials showed, of the first field that holds images; None without.

    Training images are shifted and mirrored as they were in their trial.

    Parameters
    ----------
    trials : rows of `run.trials`, at least one.

    Raises
    ------
    DataError : the data set cannot be read, or lacks a sample.
    """
    data, rows = open_data(run, network), [run.trials[trial] for trial in trials]
    if data is None or network.data is None:
        return None
    for row in rows:
        split, sample = str(row["split"]), int(row["sample"])
        if sample >= data.size(split):
            raise DataError(
                f"Data set '{data.dataset.name}' has {data.size(split)} {split} samples, but the "
                f"run had one of number {sample}; the data were changed after it."
            )
    for key, text in network.data.fields.items():
        name = key.partition(".")[0]
        shape = _shape(network, data, name, text, rows[0])
        if shape is not None:
            values = [_values(network, data, name, text, row) for row in rows]
            return Stimuli(name, shape, np.array(values))
    return None


def _shape(network: Network, data: SplitData, name: str, text: str, row: Any) -> Shape | None:
    """Return the shape of the images that an entry of `data.fields` shows, None where none."""
    population = network.populations[name]
    declared = population.shape if _like_an_image(population.shape) else None
    if population.spikes is not None:
        return declared
    for field in read_field(text).numbers:
        sample = data.sample(str(row["split"]), int(row["sample"]), field, np.float64)
        if sample.size == math.prod(population.shape) and _like_an_image(sample.shape):
            return declared or sample.shape
    return None


def _like_an_image(shape: Shape) -> bool:
    return len(shape) > 1 and min(shape[-2:]) > 1


def _values(
    network: Network, data: SplitData, name: str, text: str, row: Any
) -> NDArray[np.float64]:
    """Return what a trial set the neurons of a population to, or their numbers of spikes."""
    population, split, sample = network.populations[name], str(row["split"]), int(row["sample"])
    size = math.prod(population.shape)
    if population.spikes is not None:
        _, neuron = data.spikes(split, sample, text.strip(), size, network.dt, period=0)
        return np.bincount(neuron, minlength=size).astype(np.float64)
    change: Change = unchanged
    if network.data is not None and split == "train":
        change = augmented(network.data, network.seed, split, sample, int(row["epoch"]))
    return data.values(split, sample, text, size, np.float64, change)
