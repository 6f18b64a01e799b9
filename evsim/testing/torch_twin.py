"""A network as dense PyTorch code over batches of trials: what evsim's speed is compared with.

All synapses are computed in every step, in float32. Convolutions with average pooling are computed
as written, or with pooling folded into the kernel.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from evsim.build.plan import Plan
from evsim.testing.torch_network import DenseNetwork, Inputs


class TorchTwin:
    """The free-running network of a plan.

    Parameters
    ----------
    parameters : as in `Plan.parameters`.
    batch : trials that run together.
    folded : whether pooling is folded into the kernels.

    Raises
    ------
    EngineError : see `torch_network.applies`.
    """

    def __init__(
        self, plan: Plan, parameters: Mapping[str, NDArray[Any]], batch: int, folded: bool
    ):
        self.network, self.batch = DenseNetwork(plan, folded), batch
        self.network.load(
            {n: torch.from_numpy(np.array(v, np.float32)) for n, v in parameters.items()}
        )

    def begin(self, inputs: Inputs) -> None:
        """Start trials: start state, then `inputs` (population, variable) -> (trial, neuron)."""
        with torch.inference_mode():
            self.network.begin(inputs, self.batch)

    def advance(self, phase: str, steps: int, first: int = 0) -> None:
        """Run `steps` steps of a phase from its step `first` on."""
        with torch.inference_mode():
            self.network.advance(phase, steps, first)

    def get(self, population: str, variable: str) -> NDArray[Any]:
        """Return a variable, (trial, *shape)."""
        found: NDArray[Any] = self.network.state[population, variable].numpy()
        return found
