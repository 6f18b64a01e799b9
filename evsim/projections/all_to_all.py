"""Every source neuron to every target neuron, the one of its own number left out if wished."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.projections.base import LARGEST, GeometryError, Pairs

OPTIONS = frozenset({"self_connections"})


@dataclass(frozen=True)
class AllToAll(Pairs):
    """Weights (synapse,), ordered by source, then target.

    Choose it over `dense` for lateral inhibition without `self_connections`, and where neurons with
    few spikes reach many; `dense` is faster otherwise.
    """

    self_connections: bool = True

    @classmethod
    def infer(
        cls, source: tuple[int, ...], target: tuple[int, ...], options: Mapping[str, Any]
    ) -> AllToAll:
        own = bool(options["self_connections"])
        if not own and np.prod(source) != np.prod(target):
            raise GeometryError(
                "without self-connections there must be as many sources as targets",
                "self_connections",
            )
        count = int(np.prod(source)) * int(np.prod(target))
        if count > LARGEST:
            raise GeometryError(f"{count:,} synapses are more than {LARGEST:,}")
        return cls(source, target, own)

    def _list(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        n, m = int(np.prod(self.source_shape)), int(np.prod(self.target_shape))
        pre, post = np.repeat(np.arange(n), m), np.tile(np.arange(m), n)
        if self.self_connections:
            return pre, post
        return pre[pre != post], post[pre != post]


GEOMETRY = AllToAll
