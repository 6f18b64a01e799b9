"""What storing parameters does to them: steps, range, and noise of weights as on a chip."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim import expressions
from evsim.build.faults import Faults
from evsim.spec import schema
from evsim.streams import generator

RANGE = 4.0
"""Largest weight where nothing says it, in multiples of the largest initial one."""


@dataclass(frozen=True)
class Storage:
    """The place where one parameter is kept.

    Attributes
    ----------
    seed, name : what random numbers depend on, besides the number of the update.
    step : distance of two values that can be stored, None where any can.
    largest : size of the largest value.
    stochastic : whether a value between two steps is rounded to either, the nearer the likelier,
        instead of to the nearest, so that small updates count on average.
    noise : standard deviation of what is stored from what was meant, in units of the parameter.
    mismatch : standard deviation of the factors by which values act more or less than they are.
    """

    seed: int
    name: str
    step: float | None = None
    largest: float = np.inf
    stochastic: bool = False
    noise: float = 0.0
    mismatch: float = 0.0

    def write(self, values: NDArray[Any], update: int) -> NDArray[Any]:
        """Return what is stored where `values` are written as update number `update` (0: first).

        Values already stored stay as they are where nothing is random.
        """
        if self.step is None and np.isinf(self.largest) and not self.noise:
            return values
        written = np.clip(values, -self.largest, self.largest)
        if self.step is not None:
            places = written / self.step
            if self.stochastic and update:
                below = np.floor(places)
                draw = generator(self.seed, "rounding", self.name, update).random(places.shape)
                places = below + (draw < places - below)
            # In double precision, whatever the values': the same number each time.
            written = np.rint(places).astype(np.float64) * self.step
        if self.noise:
            draw = generator(self.seed, "writing", self.name, update).standard_normal(values.shape)
            written = np.clip(written + self.noise * draw, -self.largest, self.largest)
        return np.asarray(written, values.dtype)

    def acting(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the values as neurons feel them."""
        if not self.mismatch:
            return values
        factors = 1 + self.mismatch * _unlike(self.seed, self.name, values.shape)
        return np.asarray(values * factors, values.dtype)


@lru_cache(16)
def _unlike(seed: int, name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the standard normal numbers by which the values of a parameter differ."""
    return generator(seed, "mismatch", name).standard_normal(shape)


def build_storage(
    network: schema.Network, parameters: Mapping[str, NDArray[Any]], faults: Faults
) -> dict[str, Storage]:
    """Return where every parameter is stored; `grid` concerns all, the rest projections' weights.

    Parameters
    ----------
    parameters : initial values.
    faults : gets ranges of weights that begin at 0, and steps that leave none of the weights.
    """
    wanted = network.weights
    grid = None
    if wanted.grid is not None:
        grid = float(expressions.evaluate_quantity(wanted.grid, {}).value)
    stochastic = wanted.rounding == "stochastic"
    found = {
        name: Storage(network.seed, name, grid, stochastic=stochastic and grid is not None)
        for name in parameters
    }
    for at, projection in enumerate(network.projections):
        name = projection.name
        size = float(np.max(np.abs(parameters[name]), initial=0.0))
        steps = 2 ** (wanted.bits - 1) - 1 if wanted.bits else 0
        largest = np.inf
        if grid is not None and steps:
            largest = grid * steps
        elif steps or wanted.range or wanted.noise:
            largest = (wanted.range or RANGE) * size
            if not largest and parameters[name].size:
                message = f"The weights of '{name}' are 0 at the start, which gives them no range."
                faults.add(("projections", at, "name"), message, "give `weights.grid` and `bits`")
                continue
            if grid is not None:  # The largest number that the range and the grid have in common.
                largest = math.floor(largest / grid * (1 + 1e-12)) * grid
                if not largest:
                    message = f"The range of '{name}' is less than a step of {grid:g}."
                    faults.add(("weights", "grid"), message, "give a finer one")
        found[name] = Storage(
            seed=network.seed,
            name=name,
            step=largest / steps if steps and grid is None else grid,
            largest=largest,
            stochastic=stochastic,
            noise=wanted.noise * largest if wanted.noise else 0.0,
            mismatch=wanted.mismatch,
        )
        step = found[name].step
        if step and size and not found[name].write(parameters[name], 0).any():
            message = (
                f"All weights of '{name}' become 0: the largest is {size:.2g}, a step {step:.2g}."
            )
            hint = "give more `bits` and a smaller `range`, or a finer `grid`"
            faults.add(("weights", "bits" if wanted.bits else "grid"), message, hint)
    return found
