"""Neurodata Without Borders: the table of units and that of trials, read with pynwb.

Units of several populations are told apart by a column `population`, and are numbered by a column
`node_id`; without these they are one population, `units`, in the order of the table.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim import optional
from evsim.spikefiles.base import (
    SpikeFile,
    SpikeFileError,
    Spikes,
    Table,
    checked,
    facts,
    numbers,
    wanted,
)


def recognises(path: Path) -> bool:
    """Return whether a file looks like one of this format."""
    import h5py

    if not path.is_file() or not h5py.is_hdf5(path):
        return path.suffix == ".nwb"
    with h5py.File(path, "r") as file:
        return "nwb_version" in file.attrs


def read(path: Path, only: str | None) -> SpikeFile:
    """Return what a file holds.

    Raises
    ------
    SpikeFileError : it holds something else.
    InputError : pynwb is not installed.
    """
    pynwb = optional.require("pynwb", "Reading NWB files needs", "exchange")
    with warnings.catch_warnings():
        # On extensions and versions that do not concern spikes.
        warnings.simplefilter("ignore")
        try:
            with pynwb.NWBHDF5IO(str(path), "r", load_namespaces=True) as file:
                return _read(file.read(), path, only)
        except (SpikeFileError, OSError):
            raise
        except Exception as error:  # pynwb raises what it happens to meet in a file.
            reason = str(error).partition("\n")[0]
            raise SpikeFileError(f"'{path}' cannot be read as NWB: {reason}") from None


def _read(file: Any, path: Path, only: str | None) -> SpikeFile:
    units = file.units
    if units is None or "spike_times" not in units.colnames:
        raise SpikeFileError(f"'{path}' has no `spike_times` in a table of units")
    about = facts(file.notes)
    ends = numbers(units["spike_times"].data[:], "spike_times_index", path).astype(np.int64)
    times = numbers(units["spike_times"].target.data[:], "spike_times", path)
    starts = np.concatenate([np.zeros(1, np.int64), ends])[:-1]
    names, ids = _numbering(units, len(ends), path)
    found = {}
    for name in wanted(dict.fromkeys(names.tolist()), only, path):
        chosen = np.flatnonzero(names == name)
        lengths = (ends - starts)[chosen]
        begun = np.cumsum(lengths) - lengths
        place = np.arange(lengths.sum()) + np.repeat(starts[chosen] - begun, lengths)
        size = int(ids[chosen].max()) + 1
        found[name] = Spikes(times[place], np.repeat(ids[chosen], lengths), size)
    trials = None if file.trials is None else checked(_table(file.trials), path)
    phases = file.intervals.get("phases") if about and file.intervals else None
    dt = units.resolution
    return SpikeFile(
        path=path,
        populations=found,
        timed=True,
        trials=trials,
        phases=None if phases is None else _table(phases),
        dt=float(dt) if dt and dt > 0 else None,
        facts=about,
    )


def _numbering(units: Any, size: int, path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the population of each unit and its number in it."""
    names = np.full(size, "units", object)
    if "population" in units.colnames:
        names = np.array([str(name) for name in units["population"].data[:]], object)
    if "node_id" in units.colnames:
        return names, numbers(units["node_id"].data[:], "node_id", path).astype(np.int64)
    ids = np.zeros(size, np.int64)
    for name in set(names.tolist()):
        ids[names == name] = np.arange((names == name).sum())
    return names, ids


def _table(table: Any) -> Table:
    """Return the columns that have one value a row."""
    columns = {name: np.asarray(table[name].data[:]) for name in table.colnames}
    return {
        name: values.astype(str) if values.dtype.kind == "O" else values
        for name, values in columns.items()
        if values.shape == (len(table),)
    }
