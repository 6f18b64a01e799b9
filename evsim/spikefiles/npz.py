"""NumPy's `.npz` with arrays `time` and `neuron`: spikes of one population, named as the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from evsim.spikefiles.base import SpikeFile, SpikeFileError, Spikes, pair

NAMES = ("time", "neuron")


def recognises(path: Path) -> bool:
    """Return whether a file looks like one of this format."""
    return path.suffix == ".npz"


def read(path: Path, only: str | None) -> SpikeFile:
    """Return what a file holds.

    Raises
    ------
    SpikeFileError : it holds something else.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            for name in NAMES:
                if name not in arrays.files:
                    raise SpikeFileError(f"'{path}' has no `{name}` where the spikes shall be")
            time, neuron = arrays["time"], arrays["neuron"]
    except SpikeFileError:
        raise
    except (ValueError, AttributeError):
        raise SpikeFileError(f"'{path}' is no .npz file of plain numbers") from None
    return SpikeFile(path, {path.stem: Spikes(*pair(time, neuron, NAMES, path))}, timed=False)
