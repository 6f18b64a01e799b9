"""Parameters that a command runs a network with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evsim.errors import InputError


def read_parameters(weights: Path | None, initial: Mapping[str, Any]) -> dict[str, Any]:
    """Return the initial parameters, or those of a run or an .npz file in their place.

    Raises
    ------
    InputError : the file cannot be read, or has no parameter of the network in its shape.
    """
    if weights is None:
        return dict(initial)
    if weights.suffix == ".npz":
        found = _read_archive(weights, initial)
    else:
        import evsim

        with evsim.open(weights) as run:
            kept = {parameter.name for parameter in run.layout.parameters}
            found = {name: run.weights(name) for name in initial if name in kept}
    for name, values in found.items():
        if values.dtype.kind not in "iuf":
            raise InputError(f"'{weights}' holds no real numbers at '{name}'.")
        if values.shape != initial[name].shape:
            raise InputError(f"'{weights}' has other shapes than the network at '{name}'.")
    if not found:
        raise InputError(f"'{weights}' holds no parameter of this network.")
    return {**initial, **found}


def _read_archive(path: Path, initial: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arrays of an .npz file that have names of parameters."""
    import numpy as np

    from evsim.orchestrator.checkpoint import DAMAGE

    try:
        stored = np.load(path, allow_pickle=False)
        if isinstance(stored, np.ndarray):
            raise InputError(f"'{path}' cannot be read as weights: it is one array without a name.")
        with stored:
            return {name: stored[name] for name in initial if name in stored.files}
    except (*DAMAGE, OSError, ValueError, EOFError, KeyError) as error:
        raise InputError(f"'{path}' cannot be read as weights: {error}.") from None
