"""Weights that a network starts with: its own, or those that a run ended with."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.errors import InputError
from evsim.orchestrator.checkpoint import DAMAGE, read_checkpoint
from evsim.recording.folder import RunFolder
from evsim.recording.reader import open_run

Parameters = dict[str, NDArray[Any]]


def read_parameters(weights: Path | None, initial: Mapping[str, NDArray[Any]]) -> Parameters:
    """Return the initial parameters, or those of a run or an .npz file in their place.

    Parameters
    ----------
    weights : a run's folder, of which the last weights count, or an archive with an array for each
        parameter (`projection`, `population.variable`) that is not to stay as it is.

    Raises
    ------
    InputError : the file cannot be read, or has no parameter of the network in its shape.
    RecordingError : the run cannot be read.
    """
    if weights is None:
        return dict(initial)
    archive = weights.suffix == ".npz"
    found = _of_archive(weights, initial) if archive else _of_run(weights, initial)
    for name, values in found.items():
        if values.dtype.kind not in "iuf":
            raise InputError(f"'{weights}' holds no real numbers at '{name}'.")
        if values.shape != initial[name].shape:
            raise InputError(f"'{weights}' has other shapes than the network at '{name}'.")
        if not np.isfinite(values).all():
            raise InputError(f"'{weights}' holds numbers that are not finite at '{name}'.")
    if not found:
        raise InputError(f"'{weights}' holds no parameter of this network.")
    return {**initial, **found}


def _of_run(folder: Path, names: Collection[str]) -> Parameters:
    """Return the weights that a run recorded last, or else those of its last checkpoint."""
    with open_run(folder) as run:
        if len(run.weight_epochs):
            kept = {parameter.name for parameter in run.layout.parameters}
            return {name: run.weights(name) for name in names if name in kept}
    arrays = read_checkpoint(RunFolder.open(folder).checkpoints).arrays
    marked = {name: arrays.get(f"parameter:{name}") for name in names}
    return {name: values for name, values in marked.items() if values is not None}


def _of_archive(path: Path, names: Collection[str]) -> Parameters:
    try:
        stored = np.load(path, allow_pickle=False)
        if isinstance(stored, np.ndarray):
            raise InputError(f"'{path}' cannot be read as weights: it is one array without a name.")
        with stored:
            return {name: stored[name] for name in names if name in stored.files}
    except (*DAMAGE, OSError, ValueError, EOFError, KeyError) as error:
        raise InputError(f"'{path}' cannot be read as weights: {error}.") from None
