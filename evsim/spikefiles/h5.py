"""HDF5 with datasets `time` and `neuron` in a group: a population, named as the group's path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evsim.spikefiles.base import SpikeFile, SpikeFileError, Spikes, pair

NAMES = ("time", "neuron")
SUFFIXES = (".h5", ".hdf5")


def recognises(path: Path) -> bool:
    """Return whether a file looks like one of this format: others in HDF5 come first."""
    from evsim.spikefiles import nwb, sonata

    other = nwb.recognises(path) or sonata.recognises(path)
    return path.suffix in SUFFIXES and not other


def read(path: Path, only: str | None) -> SpikeFile:
    """Return what a file holds.

    Raises
    ------
    SpikeFileError : it holds something else.
    """
    import h5py

    with h5py.File(path, "r") as file:
        if file.attrs.get("format") == "evsim recording":
            raise SpikeFileError(
                f"'{path}' is a recording; `evsim export` makes files of its spikes"
            )
        groups = [only.strip("/") or "/"] if only is not None else _groups(file)
        found = {name: _spikes(file, name, path) for name in groups}
    if only is not None:
        found = {only: next(iter(found.values()))}
    return SpikeFile(path, found, timed=False)


def _groups(file: Any) -> list[str]:
    """Return the paths of all groups that hold spikes; the root itself where none does."""
    found = ["/"] if _complete(file) else []

    def visit(name: str, item: Any) -> None:
        if hasattr(item, "keys") and _complete(item):
            found.append(name)

    file.visititems(visit)
    return found or ["/"]


def _complete(group: Any) -> bool:
    return all(hasattr(group.get(name), "shape") for name in NAMES)


def _spikes(file: Any, name: str, path: Path) -> Spikes:
    group = file.get(name)
    if not hasattr(group, "keys"):
        raise SpikeFileError(f"'{path}' has no group '{name}'")
    for wanted in NAMES:
        if not hasattr(group.get(wanted), "shape"):
            raise SpikeFileError(f"'{path}' has no `{wanted}` where the spikes shall be")
    return Spikes(*pair(group["time"][()], group["neuron"][()], NAMES, path))
