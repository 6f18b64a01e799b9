"""Checkpoints: everything that a run needs to go on as if it had not stopped."""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.errors import Fault, RecordingError, RunError
from evsim.orchestrator.metrics import Tally

DAMAGE = (zipfile.BadZipFile, zlib.error, RuntimeError)
"""What reading a damaged archive raises: it may ask for passwords or unknown compression."""

PARAMETER = "parameter:"
"""What names of parameters begin with among a checkpoint's arrays."""

KEEP = 2
"""Checkpoints that stay: the last, and the one before in case the last is damaged."""


@dataclass(frozen=True)
class Position:
    """How far a run is: trials done of a pass of an epoch, and where its recording stands."""

    epoch: int = 0
    stage: int = 0
    done: int = 0
    tally: dict[str, Any] = field(default_factory=lambda: Tally().state())
    recording: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Checkpoint:
    """Position, parameters and optimiser state of a run of the network with `fingerprint`."""

    fingerprint: str
    position: Position
    updates: int
    arrays: dict[str, NDArray[Any]]

    @property
    def parameters(self) -> dict[str, NDArray[Any]]:
        """Parameters by name."""
        return {
            key.removeprefix(PARAMETER): values
            for key, values in self.arrays.items()
            if key.startswith(PARAMETER)
        }


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint atomically and drop old ones; return its path.

    Raises
    ------
    RunError : it cannot be written; the ones before stay.
    """
    meta = {
        "fingerprint": checkpoint.fingerprint,
        "position": asdict(checkpoint.position),
        "updates": checkpoint.updates,
    }
    try:
        folder.mkdir(exist_ok=True)
        number = 1 + max((int(p.stem) for p in folder.glob("[0-9]*.npz")), default=0)
        path = folder / f"{number:06d}.npz"
        temporary = path.with_suffix(".tmp")
        with open(temporary, "wb") as file:
            np.savez(file, meta=np.array(json.dumps(meta)), **checkpoint.arrays)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        for old in sorted(folder.glob("[0-9]*.npz"))[:-KEEP]:
            old.unlink()
    except OSError as error:
        raise RunError(f"Cannot write to '{folder}': {error.strerror or error}") from error
    return path


def read_checkpoint(folder: Path) -> Checkpoint:
    """Return the newest checkpoint that is whole.

    Raises
    ------
    RecordingError : there is none.
    """
    for path in sorted(folder.glob("[0-9]*.npz"), reverse=True):
        try:
            with np.load(path, allow_pickle=False) as stored:
                meta = json.loads(str(stored["meta"]))
                arrays = {name: stored[name] for name in stored.files if name != "meta"}
            return Checkpoint(
                meta["fingerprint"], Position(**meta["position"]), meta["updates"], arrays
            )
        except (*DAMAGE, OSError, ValueError, KeyError, TypeError, EOFError):
            continue
    raise RecordingError(
        Fault(
            f"No usable checkpoint in '{folder}'.",
            hint="a run writes its first one before its first trial; start the run again",
        )
    )
