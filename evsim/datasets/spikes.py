"""Recorded spikes, one sample a trial: of a SONATA, NWB or CSV file, see `evsim.spikefiles`.

Each population of the file is a field of spikes. The columns of numbers in its table of trials are
fields, too; `label` is called `labels`, as in other data sets. Trials whose column `split` says
`test` are test samples, all others training samples.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.datasets._events import EventLists
from evsim.datasets.base import LABELS, Dataset
from evsim.errors import DataError
from evsim.spikefiles import SpikeFile, SpikeFileError, TrialSpikes, read

FIELDS: dict[str, tuple[int, ...]] = {}
SIZES: dict[str, dict[str, int]] = {"full": {}}
NEEDS_PATH = True


def load(subset: str, path: Path | None, folder: Path | None) -> Dataset:
    """Return the trials of the file at `path`.

    Raises
    ------
    DataError : the file is missing, damaged, or holds something else.
    InputError : the library that reads it is not installed.
    """
    if path is None:
        raise DataError("Data set 'spikes' needs `path`, the file that holds them.")
    try:
        found = read(path)
        spikes = {name: found.by_trial(name) for name in found.populations}
    except SpikeFileError as error:
        raise DataError(f"The spikes cannot be read: {error}.") from None
    test = _test(found)
    chosen = {"train": np.flatnonzero(~test), "test": np.flatnonzero(test)}
    fields = {split: _fields(found, rows) for split, rows in chosen.items()}
    events = {
        split: {name: _events(lists, rows) for name, lists in spikes.items()}
        for split, rows in chosen.items()
    }
    return Dataset(path.stem, fields, events)


def _test(found: SpikeFile) -> NDArray[np.bool_]:
    """Return which trials are test samples, (trial,)."""
    if found.trials is None or "split" not in found.trials:
        return np.zeros(found.length, np.bool_)
    return np.array([str(name) == "test" for name in found.trials["split"]], np.bool_)


def _fields(found: SpikeFile, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    columns = {} if found.trials is None else found.trials
    return {
        LABELS if name == "label" else name: values[rows]
        for name, values in columns.items()
        if values.dtype.kind in "biuf" and name not in found.populations
    }


def _events(lists: TrialSpikes, rows: NDArray[np.int64]) -> EventLists:
    """Return the spikes of some trials."""
    length = np.diff(lists.start)[rows]
    ends = np.cumsum(length)
    place = np.arange(length.sum()) + np.repeat(lists.start[rows] - (ends - length), length)
    start = np.concatenate([np.zeros(1, np.int64), ends])
    return EventLists(lists.time[place], lists.neuron[place], start)
