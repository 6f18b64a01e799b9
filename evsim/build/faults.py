"""Mistakes found while building, with their places in the network file."""

from __future__ import annotations

import re
from typing import Any

from evsim.build import brian2_compat as compat
from evsim.errors import BuildError, Fault, Mark, nearest
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
        self._add(source.find(path, name) if name else source.mark(path), message, hint)

    def _add(self, mark: Mark, message: str, hint: str = "") -> None:
        source = self.network.source
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
            self._add(self._quoted(path, message) or self.network.source.mark(path), message)
        else:
            self.add(path, f"Undefined name '{name}'.", nearest(name, known or set()), name)

    def _quoted(self, path: Path, message: str) -> Mark | None:
        """Return where code at `path` has the longest piece that Brian2 quotes from it, or None."""
        text = self.network.source.get(path)
        if not isinstance(text, str):
            return None
        for piece in sorted(re.findall(r"'([^']+)'", message), key=len, reverse=True):
            # Brian2 sets spaces of its own.
            words = r"\s*".join(map(re.escape, re.findall(r"\w+|[^\w\s]", piece)))
            if found := re.search(rf"(?<!\w){words}(?!\w)", text):
                line, column = text.count("\n", 0, found.start()), found.start()
                column -= text.rfind("\n", 0, column) + 1
                length = len(found[0].partition("\n")[0])
                return self.network.source.mark_in(path, line, column, length)
        return None

    def check(self) -> None:
        """Raise what was found."""
        if self.found:
            raise BuildError(in_file_order(self.found))
