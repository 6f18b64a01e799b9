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
    import numpy as np

    if weights.suffix == ".npz":
        try:
            with np.load(weights, allow_pickle=False) as stored:
                found = {name: stored[name] for name in initial if name in stored.files}
        except (OSError, ValueError) as error:
            raise InputError(f"'{weights}' cannot be read as weights: {error}.") from None
    else:
        import evsim

        with evsim.open(weights) as run:
            kept = {parameter.name for parameter in run.layout.parameters}
            found = {name: run.weights(name) for name in initial if name in kept}
    for name, values in found.items():
        if values.shape != initial[name].shape:
            raise InputError(f"'{weights}' has other shapes than the network at '{name}'.")
    if not found:
        raise InputError(f"'{weights}' holds no parameter of this network.")
    return {**initial, **found}
