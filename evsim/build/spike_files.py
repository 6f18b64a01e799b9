"""Files of spikes: CSV, NumPy's .npz and HDF5."""

from __future__ import annotations

import re
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.units import shorten

COLUMNS = ("time", "neuron")
_HDF5 = re.compile(r"(.*\.(?:h5|hdf5))(?::(.*))?", re.DOTALL)


class SpikeFileError(ValueError):
    """A file holds no spikes; the text is for users and names the file."""


def read_spikes(text: str, beside: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the times, in the file's unit, and the neurons of all spikes in a file.

    Parameters
    ----------
    text : `FILE.csv`, `FILE.npz`, or `FILE.h5:group` of the network file.
    beside : folder that relative paths start from.

    Raises
    ------
    SpikeFileError : the file is missing, damaged, or holds something else.
    """
    hdf5 = _HDF5.fullmatch(text)
    path = beside / (hdf5[1] if hdf5 else text)
    try:
        if hdf5:
            times, neurons = _read_hdf5(path, hdf5[2] or "/")
        elif path.suffix == ".npz":
            times, neurons = _read_npz(path)
        else:
            times, neurons = _read_csv(path)
    except FileNotFoundError:
        raise SpikeFileError(f"there is no file '{path}'") from None
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, UnicodeDecodeError):
        raise SpikeFileError(f"'{path}' cannot be read or is damaged") from None
    for name, values in zip(COLUMNS, (times, neurons), strict=True):
        if values.ndim != 1 or values.dtype.kind not in "iuf":
            raise SpikeFileError(f"`{name}` of '{path}' is no list of numbers")
    if len(times) != len(neurons):
        message = f"'{path}' has {len(times)} times, but {len(neurons)} neurons"
        raise SpikeFileError(message)
    return times, neurons


def _read_csv(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    """Read lines `time,neuron`, with or without these words as the first of them."""
    rows: list[tuple[float, float]] = []
    begun = False
    # Spreadsheets begin such files with a mark of their encoding.
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        text = line.partition("#")[0].strip()
        cells = tuple(cell.strip() for cell in text.split(","))
        if text and (begun or cells != COLUMNS):
            try:
                time, neuron = map(float, cells)
            except ValueError:
                message = f"line {number} of '{path}', '{shorten(text)}', is not `time,neuron`"
                raise SpikeFileError(message) from None
            rows.append((time, neuron))
        begun = begun or bool(text)
    values = np.array(rows, np.float64).reshape(-1, 2)
    return values[:, 0], values[:, 1]


def _read_npz(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            _need(arrays.files, path)
            return arrays["time"], arrays["neuron"]
    except SpikeFileError:
        raise
    except (ValueError, AttributeError):
        raise SpikeFileError(f"'{path}' is no .npz file of plain numbers") from None


def _read_hdf5(path: Path, group: str) -> tuple[NDArray[Any], NDArray[Any]]:
    import h5py

    with h5py.File(path, "r") as file:
        found = file.get(group)
        if not isinstance(found, h5py.Group):
            raise SpikeFileError(f"'{path}' has no group '{group}'")
        datasets = [name for name in COLUMNS if isinstance(found.get(name), h5py.Dataset)]
        _need(datasets, path)
        return np.asarray(found["time"][()]), np.asarray(found["neuron"][()])


def _need(names: list[str], path: Path) -> None:
    for name in COLUMNS:
        if name not in names:
            raise SpikeFileError(f"'{path}' has no `{name}` where the spikes shall be")
