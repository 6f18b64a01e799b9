"""Collecting the faults of a network, each at its place in the file."""

from __future__ import annotations

import re
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field

from evsim import models, registry, units
from evsim.errors import Fault, InputError, Mark, nearest
from evsim.expressions import ExpressionError
from evsim.models import Declared, NeuronModel
from evsim.spec.schema import Network
from evsim.spec.source import Path

DATASETS = "evsim.datasets"
PROJECTIONS = "evsim.projections"


@dataclass
class Faults:
    """The faults found so far in `network`."""

    network: Network
    found: list[Fault] = field(default_factory=list)

    def add(self, path: Path, message: str, hint: str = "", key: bool = False) -> None:
        """Note a fault of the value at `path`, or of its key."""
        self._add(self.network.source.mark(path, key), message, hint)

    def unknown(self, path: Path, what: str, name: str, known: Collection[str]) -> None:
        """Note a name that stands for nothing; the hint names the closest of `known`."""
        self.add(path, f"Unknown {what} '{name}'.", nearest(name, known))

    def inside(self, path: Path, text: str, error: ExpressionError) -> None:
        """Note a fault of an expression or of code at `path`, at its line and column."""
        before = text[: error.column] if error.line == 0 else ""
        line = error.line + before.count("\n")
        column = error.column - (before.rfind("\n") + 1)
        word = re.match(r"\w+", text.split("\n")[line][column:])
        length = len(word[0]) if word else 1
        mark = self.network.source.mark_in(path, line, column, length)
        # A mistake in code that several projections share is one mistake.
        if all(fault.mark != mark for fault in self.found):
            self._add(mark, sentence(error.message), error.hint)

    def _add(self, mark: Mark, message: str, hint: str) -> None:
        self.found.append(Fault(message, mark, self.network.source.excerpt(mark), hint))


class Scope:
    """What the names of a network stand for, as far as its sections can be read.

    Attributes
    ----------
    neurons : population -> its neuron; populations of values and unreadable ones are left out.
    variables : population -> the variables it has; left out where its equations cannot be read.
    """

    def __init__(self, network: Network):
        self.network = network
        self.neurons: dict[str, NeuronModel] = {}
        self.variables: dict[str, dict[str, Declared]] = {}
        for name, population in network.populations.items():
            if population.spikes is not None:
                self.variables[name] = {}
            elif population.values is not None:
                value = Declared("1", frozenset(), "parameter", "", 0, 0)
                self.variables[name] = {population.values: value}
            elif population.neuron is not None:
                try:
                    self.neurons[name] = models.neuron(network, name)
                    self.variables[name] = models.variables(self.neurons[name])
                except (InputError, ExpressionError):
                    continue

    def reference(
        self, faults: Faults, path: Path, text: str, what: str = "", key: bool = False
    ) -> tuple[str, str] | None:
        """Return the population and variable that `population.variable` names, or note a fault."""
        population, dot, variable = text.partition(".")
        if population not in self.network.populations:
            hint = nearest(population, self.network.populations)
            faults.add(path, f"Unknown population '{population}'.", hint, key)
        elif not dot or not variable:
            variables = self.variables.get(population, {})
            hint = f"write '{population}.VARIABLE'; {nearest('', variables)}"
            faults.add(path, f"'{text}' does not say which variable{what}.", hint, key)
        elif variable not in self.variables.get(population, {variable: None}):
            message = f"Population '{population}' has no variable '{variable}'."
            faults.add(path, message, nearest(variable, self.variables[population]), key)
        else:
            return population, variable
        return None

    def having(self, variable: str) -> list[str]:
        """Return the populations that have a variable."""
        return [name for name, variables in self.variables.items() if variable in variables]

    def spiking(self, population: str) -> bool:
        """Return whether a population has a threshold; True where it cannot be known."""
        if self.network.populations[population].values is not None:
            return False
        neuron = self.neurons.get(population)
        return neuron is None or neuron.threshold is not None


def sentence(text: str) -> str:
    """Return a message with a capital letter and a full stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?")) else ".")


def variants(package: str) -> tuple[str, ...]:
    """Return the names of the variants in `package`; none where the package is absent."""
    try:
        return registry.names(package)
    except ModuleNotFoundError:
        return ()


def check_quantity(faults: Faults, path: Path, text: str, replaced: str | None = None) -> None:
    """Note a fault unless `text` is a number with an optional unit, that of what it replaces."""
    try:
        found = units.parse(text)
    except ValueError as error:
        faults.add(path, sentence(str(error)))
        return
    with suppress(ValueError):  # Noted where it stands.
        wanted = units.parse(replaced) if replaced is not None else found
        if found.dimensions != wanted.dimensions:
            what, instead = units.describe(found.dimensions), units.describe(wanted.dimensions)
            message = f"'{text}' is in {what}, but '{replaced}', which it replaces, in {instead}."
            faults.add(path, message)
