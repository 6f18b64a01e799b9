"""Mistakes found while building, with their places in the network file."""

from __future__ import annotations

from typing import Any

from evsim.build import brian2_compat as compat
from evsim.errors import BuildError, Fault, nearest
from evsim.spec import schema
from evsim.spec.faults import sentence
from evsim.spec.parse import in_file_order

Path = tuple[Any, ...]


class Faults:
    """Mistakes found while building, with their places in the network file."""

    def __init__(self, network: schema.Network):
        self.network = network
        self.found: list[Fault] = []

    def add(self, path: Path, message: str, hint: str = "", name: str | None = None) -> None:
        """Note a fault at `path`; `name` points at its first use inside a block of code."""
        source = self.network.source
        mark = source.find(path, name) if name else source.mark(path)
        fault = Fault(sentence(message), mark, source.excerpt(mark), hint)
        # Populations of one neuron have its mistakes in common.
        if fault not in self.found:
            self.found.append(fault)

    def brian2(self, path: Path, error: Exception, known: set[str] | None = None) -> None:
        """Note what Brian2 refused."""
        name, message = compat.culprit(error), compat.message(error)
        if name is None:
            if message.startswith("Refractory expression") and path[0] == "neurons":
                path = (*path[:2], "refractory")
            self.add(path, message)
        else:
            self.add(path, f"Undefined name '{name}'.", nearest(name, known or set()), name)

    def check(self) -> None:
        """Raise what was found."""
        if self.found:
            raise BuildError(in_file_order(self.found))
