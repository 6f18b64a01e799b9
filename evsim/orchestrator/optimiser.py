"""Optimisers: how the mean gradient of a batch moves parameters. `g` points where w moves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.build.plan import Plan, Projection, Rule
from evsim.build.weights import normalised
from evsim.errors import RunError

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8

Arrays = dict[str, NDArray[Any]]


class Optimiser:
    """Parameters with the state of their rules' optimisers.

    SGD: v <- momentum*v + g; w <- w + rate*v. Adam: Kingma & Ba, ICLR 2015, with 0.9, 0.999, 1e-8.
    Weights decay apart from either's step (Loshchilov & Hutter, ICLR 2019): w <- w - rate*decay*w.

    Attributes
    ----------
    parameters : every parameter of the plan, in its precision.
    state : moments by parameter, `<parameter>/m` and `<parameter>/v`.
    updates : batches so far.
    """

    def __init__(self, plan: Plan):
        self.plan = plan
        self.parameters: Arrays = {k: np.array(v) for k, v in plan.parameters.items()}
        self.state: Arrays = {}
        for name, rule in plan.rules.items():
            for moment in ("m", "v") if rule.optimiser == "adam" else ("m",):
                self.state[f"{name}/{moment}"] = np.zeros_like(self.parameters[name])
        self.updates = 0
        self.synapses = {
            name: projection.geometry.synapses()
            for name, projection in plan.projections.items()
            if name in plan.rules and projection.normalise is not None
        }

    def update(self, gradients: Mapping[str, NDArray[np.float64]], epoch: int) -> None:
        """Move every learned parameter by the mean gradient of a batch.

        Raises
        ------
        RunError : a parameter would not be finite.
        """
        self.updates += 1
        for name in self.plan.rules:
            with np.errstate(all="ignore"):
                moved = self._moved(name, gradients[name], epoch)
            wrong = moved[~np.isfinite(moved)]
            if wrong.size:
                raise RunError(
                    f"'{name}' became {wrong[0]} in update {self.updates}, epoch {epoch}: what its "
                    "plasticity adds to `g` has no finite value there, or its rate is too large."
                )
            self.parameters[name] = self.plan.storage[name].write(moved, self.updates)

    def _moved(self, name: str, gradient: NDArray[np.float64], epoch: int) -> NDArray[Any]:
        """Return what an update makes of a parameter, before it is stored."""
        rule = self.plan.rules[name]
        rate = float(rule.rates[min(epoch, len(rule.rates) - 1)])
        gradient = _clipped(gradient, rule.clip).astype(self.plan.dtype)
        if rule.optimiser == "adam":
            step = self._adam(name, gradient)
        else:
            step = self._momentum(name, rule, gradient)
        kept = self.plan.dtype.type(1 - rate * rule.decay)
        moved = self.parameters[name] * kept + step * self.plan.dtype.type(rate)
        projection = self.plan.projections.get(name)
        if projection is not None and projection.normalise is not None:
            moved = self._normalised(projection, moved)
        return np.asarray(moved)

    def _normalised(self, projection: Projection, weights: NDArray[Any]) -> NDArray[Any]:
        assert projection.normalise is not None
        synapses = self.synapses[projection.name]
        size = self.plan.populations[projection.target].size
        return normalised(weights, synapses, size, projection.normalise)

    def _momentum(self, name: str, rule: Rule, gradient: NDArray[Any]) -> NDArray[Any]:
        m = np.asarray(self.state[f"{name}/m"] * gradient.dtype.type(rule.momentum) + gradient)
        self.state[f"{name}/m"] = m
        return m

    def _adam(self, name: str, gradient: NDArray[Any]) -> NDArray[Any]:
        real = gradient.dtype.type
        m, v = self.state[f"{name}/m"], self.state[f"{name}/v"]
        work = np.subtract(gradient, m, out=np.empty_like(m))
        work *= real(1 - BETA1)
        m += work
        np.multiply(gradient, gradient, out=work)
        work -= v
        work *= real(1 - BETA2)
        v += work
        np.divide(v, real(1 - BETA2**self.updates), out=work)
        np.sqrt(work, out=work)
        work += real(EPSILON)
        step: NDArray[Any] = np.asarray(m / real(1 - BETA1**self.updates))
        step /= work
        return step


def _clipped(gradient: NDArray[np.float64], largest: float) -> NDArray[np.float64]:
    if np.isinf(largest):
        return gradient
    norm = float(np.linalg.norm(gradient))
    return gradient * (largest / norm) if norm > largest else gradient
