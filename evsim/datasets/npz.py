"""Arrays of your own: a NumPy `.npz` file with arrays `train_<field>` and `test_<field>`.

Each array is (sample, ...). A field `labels`, (sample,), keeps classes in proportion when samples
are divided. Bytes (uint8) with more than one dimension count as intensities and are divided by 255.

A field of spikes is three arrays: `<field>_time`, (spike,), in seconds from the sample's start,
`<field>_neuron`, (spike,), and `<field>_start`, (sample + 1,), where each sample's spikes begin;
the last of these is the number of all spikes.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.datasets._events import EventLists
from evsim.datasets.base import Dataset
from evsim.errors import DataError

FIELDS: dict[str, tuple[int, ...]] = {}
SIZES: dict[str, dict[str, int]] = {"full": {}}
NEEDS_PATH = True


def load(subset: str, path: Path | None, folder: Path | None) -> Dataset:
    """Return the arrays of the file at `path`.

    Raises
    ------
    DataError : the file is missing or damaged, or an array is of another name or kind.
    """
    if path is None:
        raise DataError("Data set 'npz' needs `path`, the file that holds the arrays.")
    splits: dict[str, dict[str, NDArray[Any]]] = {"train": {}, "test": {}}
    for name, values in _read(path).items():
        split, _, field = name.partition("_")
        if split not in splits or not field:
            raise DataError(
                f"{path} holds an array '{name}'; expected `train_<field>` and `test_<field>`."
            )
        if values.ndim == 0 or values.dtype.kind not in "biuf":
            raise DataError(
                f"Array '{name}' of {path} has type {values.dtype} and shape {values.shape}; "
                "expected numbers of shape (sample, ...)."
            )
        splits[split][field] = values
    if not splits["train"] and not splits["test"]:
        raise DataError(f"{path} holds no array; expected `train_<field>` and `test_<field>`.")
    events = {split: _take_events(fields, split, path) for split, fields in splits.items()}
    return Dataset(path.stem, splits, events)


def _take_events(fields: dict[str, NDArray[Any]], split: str, path: Path) -> dict[str, EventLists]:
    """Take the arrays that make up fields of spikes out of a split's arrays."""
    found = {}
    for name in [name.removesuffix("_start") for name in fields if name.endswith("_start")]:
        parts = [f"{name}_{part}" for part in ("time", "neuron", "start")]
        if all(part in fields for part in parts):
            time, neuron, start = (fields.pop(part) for part in parts)
            try:
                found[name] = EventLists(time, neuron, start)
            except ValueError as error:
                message = f"The spikes '{split}_{name}' of {path} cannot be taken: {error}."
                raise DataError(message) from None
    return found


def _read(path: Path) -> dict[str, NDArray[Any]]:
    try:
        arrays = np.load(path, allow_pickle=False)
        if isinstance(arrays, np.ndarray):
            raise DataError(f"{path} holds a single array; expected an .npz file of named arrays.")
        with arrays:
            return {name: arrays[name] for name in arrays.files}
    except FileNotFoundError as error:
        raise DataError(f"Cannot find the data file {path}.") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"Cannot read {path} as an .npz file of plain numbers: it is damaged, of another "
            "format or holds Python objects."
        ) from error
