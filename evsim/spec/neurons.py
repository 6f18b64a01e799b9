"""Checks of neurons: equations, code, and what their names stand for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress

from evsim import expressions, models, units
from evsim.errors import nearest
from evsim.expressions import ExpressionError
from evsim.models import Declared, NeuronModel
from evsim.models.base import read_equations
from evsim.spec.faults import Faults, Scope, check_quantity, variants
from evsim.spec.schema import Neuron
from evsim.spec.source import Path
from evsim.spec.types import SCHEDULE

CLOCK = frozenset({"k", "t", "dt", "t_in_timesteps", "i", "N"})
NOISE = re.compile(r"xi(_\w+)?$")
METHODS = frozenset(
    {
        "euler", "exact", "exponential_euler", "heun", "independent", "linear", "milstein", "rk2",
        "rk4",
    }
)  # fmt: skip


def check_neurons(faults: Faults, scope: Scope) -> None:
    """Check the `neurons` section and the code of every population's neuron."""
    network = faults.network
    library = variants(models.NEURONS)
    readable = {network.populations[p].neuron for p in scope.variables if p in scope.neurons}
    for name, entry in network.neurons.items():
        path: Path = ("neurons", name)
        if entry.model is not None and entry.model not in library:
            faults.unknown((*path, "model"), "neuron model", entry.model, library)
            continue
        if not entry.equations and entry.model is None:
            faults.add(path, f"Neuron '{name}' has no equations.", "give `equations` or `model`")
        for slot in entry.run:
            if slot not in SCHEDULE:
                hint = nearest(slot, SCHEDULE)
                faults.add((*path, "run", slot), f"Unknown slot '{slot}'.", hint, key=True)
        _check_events(faults, path, entry)
        if entry.method is not None and entry.method not in METHODS:
            faults.unknown((*path, "method"), "integration method", entry.method, METHODS)
        model = entry.model if not entry.equations else None
        base = models.neuron_model(model).parameters if model is not None else {}
        for parameter, text in entry.parameters.items():
            place = (*path, "parameters", parameter)
            check_quantity(faults, place, text, base.get(parameter))
        if name not in readable:
            _check_text(faults, path, entry)
        if entry.reset and not _either(faults, name, "threshold"):
            faults.add((*path, "reset"), f"Neuron '{name}' has a reset but no `threshold`.")
    for population in scope.variables:
        if population in scope.neurons:
            _Code(faults, scope, population).check()


def _check_events(faults: Faults, path: Path, entry: Neuron) -> None:
    base = models.neuron_model(entry.model) if entry.model else NeuronModel("")
    known = {*base.events, *entry.events}
    if "spike" in entry.events:
        hint = "write the condition as `threshold`, the code as `reset`"
        message = "'spike' is the event that `threshold` stands for."
        faults.add((*path, "events", "spike"), message, hint, key=True)
    for event in entry.on_event:
        if event not in known:
            message = f"'{event}' has code but no condition in `events`."
            hint = "write it as `reset`" if event == "spike" else nearest(event, known)
            faults.add((*path, "on_event", event), message, hint, key=True)


def _check_text(faults: Faults, path: Path, entry: Neuron) -> None:
    """Check the syntax of a neuron whose names cannot be resolved."""
    functions = expressions.CODE_FUNCTIONS | frozenset(faults.network.arrays)
    declared, errors = read_equations(entry.equations)
    for variable in declared.values():
        try:
            expressions.check(variable.expression or "0", functions)
        except ExpressionError as error:
            start, line = variable.expression_column, variable.expression_line
            errors.append(moved(error, variable.expression, line, start))
    for mistake in errors:
        faults.inside((*path, "equations"), entry.equations, mistake)
    for field, text in _conditions(entry).items():
        try:
            expressions.check(text, functions)
        except ExpressionError as error:
            faults.inside((*path, *field), text, error)
    for field, code in _blocks(entry).items():
        try:
            expressions.check_code(code, functions)
        except ExpressionError as error:
            faults.inside((*path, *field), code, error)


def _conditions(neuron: Neuron | NeuronModel) -> dict[tuple[str, ...], str]:
    """Return the conditions of a neuron by their fields."""
    found: dict[tuple[str, ...], str | None] = {
        ("threshold",): neuron.threshold,
        ("refractory",): neuron.refractory,
        **{("events", event): text for event, text in neuron.events.items()},
    }
    return {field: text for field, text in found.items() if text is not None}


def _blocks(neuron: Neuron | NeuronModel) -> dict[tuple[str, ...], str]:
    """Return the blocks of code of a neuron by their fields."""
    found: dict[tuple[str, ...], str | None] = {
        ("reset",): neuron.reset,
        **{("run", slot): code for slot, code in neuron.run.items()},
        **{("on_event", event): code for event, code in neuron.on_event.items()},
    }
    return {field: code for field, code in found.items() if code is not None}


def assigned_by_neuron(neuron: NeuronModel) -> set[str]:
    """Return the names that a neuron's code assigns to, as far as it can be read."""
    found: set[str] = set()
    for code in _blocks(neuron).values():
        with suppress(ExpressionError):  # Noted where code is checked.
            found |= {line.target for line in expressions.assignments(code)}
    return found


def moved(error: ExpressionError, text: str, line: int, column: int) -> ExpressionError:
    """Return the error with its position in a block, in which `text` begins at `line`, `column`."""
    before = text[: error.column]
    breaks = before.count("\n")
    inner = error.column - (before.rfind("\n") + 1) + (0 if breaks else column)
    return ExpressionError(error.message, inner, line + breaks, error.hint)


def _either(faults: Faults, name: str, field: str) -> bool:
    entry = faults.network.neurons[name]
    base = models.neuron_model(entry.model) if entry.model else None
    return bool(getattr(entry, field) or getattr(base, field, None))


class _Code:
    """All text of one population's neuron, with what its names may stand for."""

    def __init__(self, faults: Faults, scope: Scope, population: str):
        network = faults.network
        self.faults, self.population = faults, population
        self.neuron: NeuronModel = scope.neurons[population]
        self.variables: Mapping[str, Declared] = scope.variables[population]
        self.set = network.populations[population].set
        self.constants = network.protocol.constants
        self.entry = network.populations[population].neuron or ""
        self.special = {"not_refractory", "lastspike"} if self.neuron.refractory else set()
        self.functions = expressions.CODE_FUNCTIONS | frozenset(network.arrays)
        self.used: set[str] = set()
        self.readable = True

    def check(self) -> None:
        self._shadowing()
        for name, declared in self.variables.items():
            self._equation(name, declared)
        for field, text in _conditions(self.neuron).items():
            self._expression(text, self._path(*field), text, 0, 0, set())
        for field, code in _blocks(self.neuron).items():
            self._block(code, self._path(*field))
        self._unused()

    def _path(self, field: str, key: str | None = None) -> Path:
        if self.entry not in self.faults.network.neurons:
            return ("populations", self.population, "neuron")
        value = getattr(self.faults.network.neurons[self.entry], field)
        if key is not None and key in value:
            return ("neurons", self.entry, field, key)
        return ("neurons", self.entry, field if key is None and value else "model")

    def _known(self) -> set[str]:
        return {*self.variables, *self.neuron.parameters, *self.set, *self.constants}

    def _shadowing(self) -> None:
        path = self._path("equations")
        for name, declared in self.variables.items():
            meaning = self._meaning(name)
            if meaning is None and name in self.neuron.parameters:
                meaning = f"a parameter of neuron '{self.entry}'"
            if meaning:
                error = ExpressionError(
                    f"variable '{name}' would hide {meaning}",
                    declared.column,
                    declared.line,
                    "choose another name",
                )
                self._at(path, self.neuron.equations, error)
        for name in self.faults.network.neurons.get(self.entry, self.neuron).parameters:
            place: Path = ("neurons", self.entry, "parameters", name)
            self._refuse_built_in(place, "parameter", name)
        for name in self.set:
            place = ("populations", self.population, "set", name)
            self._refuse_built_in(place, "name", name)
            if name in self.variables:
                hint = f"give its start value in `init: {{{name}: ...}}`"
                message = f"'{name}' is a variable of population '{self.population}'."
                self.faults.add(place, message, hint, key=True)

    def _meaning(self, name: str) -> str | None:
        """Return what a name means to all neurons, or None."""
        return f"the array '{name}'" if name in self.faults.network.arrays else built_in(name)

    def _refuse_built_in(self, path: Path, what: str, name: str) -> None:
        if meaning := self._meaning(name):
            message = f"{what.capitalize()} '{name}' would hide {meaning}."
            self.faults.add(path, message, "choose another name", key=True)

    def _equation(self, name: str, declared: Declared) -> None:
        if declared.expression:
            self._expression(
                declared.expression,
                self._path("equations"),
                self.neuron.equations,
                declared.expression_line,
                declared.expression_column,
                set(),
            )

    def _expression(
        self, text: str, path: Path, whole: str, line: int, column: int, local: set[str]
    ) -> None:
        """Check an expression that begins at `line` and `column` of the text `whole`."""
        try:
            expressions.check(text, self.functions)
            for name, at in expressions.names(text).items():
                self.used.add(name)
                if name not in local and not self._defined(name):
                    hint = nearest(name, self._known() | local)
                    if name in self.faults.network.arrays:
                        hint = f"an array is read as '{name}(t)' or '{name}(t, i)'"
                    raise ExpressionError(f"undefined name '{name}'", at, hint=hint)
        except ExpressionError as error:
            self._at(path, whole, moved(error, text, line, column))

    def _defined(self, name: str) -> bool:
        known = self._known() | self.special | CLOCK | set(units.UNITS) | set(units.CONSTANTS)
        return name in known or NOISE.match(name) is not None

    def _block(self, code: str, path: Path) -> None:
        local: set[str] = set()
        try:
            for line in expressions.assignments(code):
                self._expression(
                    line.expression, path, code, line.line, line.expression_column, local
                )
                problem = self._target_problem(line.target, line.operator, local)
                if problem:
                    self._at(path, code, ExpressionError(problem, line.column, line.line))
                local.add(line.target)
        except ExpressionError as error:
            self._at(path, code, error)

    def _target_problem(self, name: str, operator: str, local: set[str]) -> str:
        declared = self.variables.get(name)
        if declared is not None:
            if declared.kind == "subexpression":
                return f"'{name}' follows from its equation and cannot be assigned"
            fixed = "constant" in declared.flags
            return f"'{name}' is constant: no code may write it" if fixed else ""
        if name in local or name in self.special:
            return ""
        if name in self.neuron.parameters or name in self.set or name in self.constants:
            return f"'{name}' is not a variable of the neuron and cannot be assigned"
        if meaning := self._meaning(name):
            return f"'{name}' would hide {meaning}"
        return "" if operator == "=" else f"undefined name '{name}'"

    def _unused(self) -> None:
        free = self.used - set(self.variables)
        for name in self.set:
            if name not in self.used and name not in self.variables:
                path: Path = ("populations", self.population, "set", name)
                message = f"Neuron '{self.entry}' does not use '{name}'."
                candidates = {n for n in free if not built_in(n)}
                self.faults.add(path, message, nearest(name, candidates), key=True)
        own = self.faults.network.neurons.get(self.entry)
        candidates = {n for n in free & set(self.neuron.parameters) if not built_in(n)}
        # Where equations are the file's own, a name that is not defined tells of a misspelt one.
        if own is None or own.model is None or not self.readable:
            return
        for name in own.parameters:
            if name not in self.used:
                path = ("neurons", self.entry, "parameters", name)
                message = f"Neuron '{self.entry}' does not use '{name}'."
                self.faults.add(path, message, nearest(name, candidates), key=True)

    def _at(self, path: Path, text: str, error: ExpressionError) -> None:
        self.readable = False
        if path[-1] in ("model", "neuron"):
            message = f"In the library's model: {error.message}."
            self.faults.add(path, message, error.hint)
        else:
            self.faults.inside(path, text, error)


def built_in(name: str) -> str | None:
    """Return what a name means everywhere, such as `the unit 'ms'`, or None."""
    if name in CLOCK or NOISE.match(name):
        return f"Brian2's '{name}'" if name != "k" else "'k', the trial's step number"
    if name in expressions.CODE_FUNCTIONS | expressions.RANDOM:
        return f"the function '{name}'"
    if name in units.UNITS:
        return f"the unit '{name}'"
    return f"the constant '{name}'" if name in units.CONSTANTS else None
