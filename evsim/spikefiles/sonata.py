"""SONATA: `/spikes/<population>` with `timestamps` and `node_ids`, as BMTK and libsonata have it.

Dai et al., "The SONATA data format for efficient description of large-scale network models" (2020),
section on spikes. Evsim's own files tell of trials in `/evsim`, which other readers pass over.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.spikefiles.base import (
    SpikeFile,
    SpikeFileError,
    Spikes,
    Table,
    checked,
    facts,
    pair,
    wanted,
)

MAGIC = 0x0A7A
SPIKES = "spikes.h5"
NAMES = ("timestamps", "node_ids")
UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6}
"""Unit -> how many of it are a second."""


def recognises(path: Path) -> bool:
    """Return whether a file looks like one of this format."""
    import h5py

    path = _file(path)
    if not path.is_file() or not h5py.is_hdf5(path):
        return False
    with h5py.File(path, "r") as file:
        return "nwb_version" not in file.attrs and bool(_populations(file))


def read(path: Path, only: str | None) -> SpikeFile:
    """Return what a file, or a folder that evsim exported, holds.

    Raises
    ------
    SpikeFileError : it holds something else.
    """
    import h5py

    path = _file(path)
    with h5py.File(path, "r") as file:
        known = _populations(file)
        if not known:
            raise SpikeFileError(f"'{path}' has no `timestamps` in '/spikes/POPULATION'")
        name = None if only is None else only.strip("/").removeprefix("spikes/")
        about, own = {}, file.get("evsim")
        if own is not None and "metadata" in own:
            about = facts(own["metadata"].asstr()[()])
        sizes = about.get("populations", {})
        found = {
            (only or one): _spikes(known[one], sizes.get(one, {}).get("size"), path)
            for one in wanted(known, name, path)
        }
        trials = checked(_table(own["trials"]), path) if about else None
        phases = _table(own["phases"]) if about else None
    return SpikeFile(path, found, True, trials, phases, about.get("dt"), about)


def _file(path: Path) -> Path:
    """Return the file of spikes, where `path` is a folder that `evsim export` wrote."""
    return path / SPIKES if path.is_dir() else path


def _populations(file: Any) -> dict[str, Any]:
    """Return the groups that hold spikes by their names."""
    spikes = file.get("spikes")
    if not hasattr(spikes, "keys"):
        return {}
    return {name: group for name, group in spikes.items() if "timestamps" in group}


def _spikes(group: Any, size: int | None, path: Path) -> Spikes:
    if "node_ids" not in group:
        raise SpikeFileError(f"'{path}' has no `{group.name.strip('/')}/node_ids`")
    times, names = group["timestamps"], tuple(f"{group.name.strip('/')}/{n}" for n in NAMES)
    time, neuron = pair(times[()], group["node_ids"][()], (names[0], names[1]), path)
    return Spikes(time / _scale(times, path), neuron, size)


def _scale(dataset: Any, path: Path) -> float:
    """Return how many of a dataset's units are a second; SONATA's are milliseconds by default."""
    unit = dataset.attrs.get("units", "ms")
    text = unit.decode() if isinstance(unit, bytes) else str(unit)
    if text not in UNITS:
        name = dataset.name.strip("/")
        raise SpikeFileError(f"`{name}` of '{path}' is in '{text}', not in s, ms or us")
    return UNITS[text]


def _table(group: Any) -> Table:
    found: dict[str, NDArray[Any]] = {}
    for name, column in group.items():
        values = column.asstr()[()] if column.dtype.kind == "O" else column[()]
        found[name] = np.asarray(values)
        if "units" in column.attrs:
            found[name] = found[name] / UNITS[column.attrs["units"]]
    return found
