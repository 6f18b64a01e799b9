"""Weights that a network starts with, its own or those that a run ended with; archives of them."""

from __future__ import annotations

import zipfile
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.errors import Fault, InputError, RecordingError
from evsim.orchestrator.checkpoint import DAMAGE, read_checkpoint
from evsim.recording.folder import RunFolder
from evsim.recording.reader import open_run

Parameters = dict[str, NDArray[Any]]

_HINT = "`record: {weights: {parameters: all}}` keeps those that are not learned as well"

ARCHIVE = ".npz"
"""By which archives of weights are told from runs."""


def read_parameters(weights: Path | None, initial: Mapping[str, NDArray[Any]]) -> Parameters:
    """Return those parameters of a network that a run or an .npz file holds.

    Parameters
    ----------
    weights : a run's folder, of which the last weights count, or an archive with an array for each
        parameter (`projection`, `population.variable`) that is not to stay as it is; None for none.
    initial : all parameters of the network.

    Raises
    ------
    InputError : the file cannot be read, or has no parameter of the network in its shape.
    RecordingError : the run cannot be read.
    """
    if weights is None:
        return {}
    found = _of_archive(weights, initial) if weights.suffix == ARCHIVE else run_parameters(weights)
    found = {name: values for name, values in found.items() if name in initial}
    for name, values in found.items():
        if values.dtype.kind not in "iuf":
            raise InputError(f"'{weights}' holds no real numbers at '{name}'.")
        if values.shape != initial[name].shape:
            raise InputError(f"'{weights}' has other shapes than the network at '{name}'.")
        if not np.isfinite(values).all():
            raise InputError(f"'{weights}' holds numbers that are not finite at '{name}'.")
    if not found:
        raise InputError(f"'{weights}' holds no parameter of this network.")
    return found


def run_parameters(folder: Path, epoch: int | None = None) -> Parameters:
    """Return all weights of a run's last checkpoint, or else those that it recorded last.

    Parameters
    ----------
    epoch : recorded weights after so many epochs instead.

    Raises
    ------
    RecordingError : the run cannot be read, or has none.
    """
    if epoch is None:
        with suppress(RecordingError):
            if found := read_checkpoint(RunFolder.open(folder).checkpoints).parameters:
                return found
    with open_run(folder) as run:
        if not len(run.weight_epochs):
            text = f"'{run.path}' holds no weights, nor does a checkpoint beside it"
            raise RecordingError(Fault(text, hint=_HINT))
        names = (parameter.name for parameter in run.layout.parameters)
        return {name: run.weights(name, -1 if epoch is None else epoch) for name in names}


def write_parameters(path: Path, parameters: Mapping[str, NDArray[Any]]) -> None:
    """Write an archive that `read_parameters` and `numpy.load` read.

    Raises
    ------
    OSError : it cannot be written.
    """
    # Not `numpy.savez`, whose own arguments are names that it cannot store.
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, values in parameters.items():
            with archive.open(f"{name}.npy", "w") as file:
                np.save(file, values, allow_pickle=False)


def _of_archive(path: Path, names: Collection[str]) -> Parameters:
    try:
        stored = np.load(path, allow_pickle=False)
        if isinstance(stored, np.ndarray):
            raise InputError(f"'{path}' cannot be read as weights: it is one array without a name.")
        with stored:
            return {name: stored[name] for name in names if name in stored.files}
    except (*DAMAGE, OSError, ValueError, EOFError, KeyError) as error:
        raise InputError(f"'{path}' cannot be read as weights: {error}.") from None
