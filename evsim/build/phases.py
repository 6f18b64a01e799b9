"""Phases: their steps, what is set in them, and the shared inputs of every step."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from evsim import expressions, units
from evsim.build.faults import Faults
from evsim.build.plan import Phase, Repeat
from evsim.build.shared import PIECE, SharedInputs, constant_value, constant_values
from evsim.build.weights import largest_of
from evsim.expressions import ExpressionError
from evsim.spec import schema
from evsim.spec.running import varies

Column = tuple[str, str]


def build_phases(
    network: schema.Network,
    columns: tuple[Column, ...],
    variables: Mapping[str, Mapping[str, Any]],
    faults: Faults,
) -> dict[str, Phase]:
    """Return the phases in the order of the file.

    Parameters
    ----------
    columns : the shared inputs, (population, variable), with population "" for protocol constants.
    variables : population -> its plan variables.
    faults : gets expressions without a finite value, with the step.
    """
    phases: dict[str, Phase] = {}
    for name, phase in network.protocol.phases.items():
        first = 0
        if phase.from_ is not None:
            before = phases[phase.from_]
            first = before.first + before.steps
        make = _Maker(network, name, columns, variables, faults)
        made = make.phase(network.protocol.constants, first, phase.from_)
        repeat = None
        if phase.repeat is not None:
            back = phase.repeat.from_ or name
            repeat = Repeat(back, phase.repeat.until, phase.repeat.at_most)
        phases[name] = dataclasses.replace(made, repeat=repeat)
    for name in network.protocol.phases:
        make = _Maker(network, name, columns, variables, faults)
        variants = _variants(network, phases, make)
        phases[name] = dataclasses.replace(phases[name], variants=variants)
    return phases


@dataclasses.dataclass(frozen=True)
class _Maker:
    """Makes the phase of one name, with one or the other constants."""

    network: schema.Network
    name: str
    columns: tuple[Column, ...]
    variables: Mapping[str, Mapping[str, Any]]
    faults: Faults

    def phase(self, constants: Mapping[str, str], first: int, start: str | None) -> Phase:
        network, columns = self.network, self.columns
        phase = network.protocol.phases[self.name]
        shared = SharedInputs(
            steps=phase.count(network.dt),
            first=first,
            dt=network.dt,
            constants={name: phase.set.get(name, text) for name, text in constants.items()},
            columns=tuple(_column(phase, column, self.variables) for column in columns),
            seed=network.seed,
        )
        settle = network.protocol.settle
        sets: Mapping[Column, float] = {}
        try:
            sets = _sets(shared, phase, columns)
            failing = _failing_piece(shared)
        except ExpressionError:
            failing = 0
        if failing is not None:
            _locate(network, self.name, shared, failing, self.faults)
        self._check_values(sets)
        return Phase(
            name=self.name,
            steps=shared.steps,
            start=start,
            first=first,
            shared=shared,
            sets=sets,
            average=phase.average.variables if phase.average else (),
            average_last=phase.average.last if phase.average else 0,
            window=settle.window if settle and self.name in settle.early else 0,
        )

    def _check_values(self, sets: Mapping[Column, float]) -> None:
        path = ("protocol", "phases", self.name, "set")
        for (population, name), value in sets.items():
            kind = self.variables[population][name].kind
            largest = largest_of(kind, self.network.precision)
            key = f"{population}.{name}"
            if abs(value) > largest:
                message = f"{value:g} is too large for '{key}': {largest:.2g} at most."
                self.faults.add((*path, key), message)
            elif kind == "integer" and value != round(value):
                hint = "int() makes one"
                self.faults.add((*path, key), f"{value:g} is no whole number, as '{key}' is.", hint)


def _variants(
    network: schema.Network, phases: Mapping[str, Phase], make: _Maker
) -> dict[tuple[bool, int], Phase]:
    """Return a phase as it runs in tests with constants of their own, and when it is repeated."""
    phase, constants = phases[make.name], network.protocol.constants
    test = network.protocol.test
    passes = {True: constants}
    if test is not None and test.set:
        passes[False] = {**constants, **test.set}
    found = {}
    stretch = _stretch(phases, make.name)
    repeat = phases[stretch[-1]].repeat if stretch else None
    steps = sum(phases[name].steps for name in stretch)
    for learns, base in passes.items():
        changing = dict(base)
        for attempt in range(repeat.at_most if repeat else 1):
            start = phase.start
            if attempt and make.name == stretch[0]:
                start = stretch[-1]
            if attempt or not learns:
                first = phase.first + attempt * steps
                found[learns, attempt] = make.phase(changing, first, start)
            if repeat is not None:
                settings = network.protocol.phases[stretch[-1]].repeat
                assert settings is not None
                try:
                    changing = {**changing, **_next(settings.set, changing, network.dt)}
                except _NoValue as error:
                    path = ("protocol", "phases", stretch[-1], "repeat", "set", error.constant)
                    make.faults.add(path, f"For attempt {attempt + 2}: {error}.")
                    break
    if False not in passes:
        found |= {(False, attempt): made for (_, attempt), made in found.items()}
    return found


def _stretch(phases: Mapping[str, Phase], name: str) -> list[str]:
    """Return the phases that are repeated together with one, in order; none where it is not."""
    order = list(phases)
    for last, phase in enumerate(phases.values()):
        if phase.repeat is not None:
            stretch = order[order.index(phase.repeat.back_to) : last + 1]
            if name in stretch:
                return stretch
    return []


def _next(settings: Mapping[str, str], constants: Mapping[str, str], dt: float) -> dict[str, str]:
    """Return constants as the next attempt has them; names in them mean the last attempt's.

    As values where they are the same in all steps and trials: as texts they would grow.

    Raises
    ------
    _NoValue : one has no value, or is too long a text.
    """

    def last(name: re.Match[str]) -> str:
        return f"({constants[name[0]]})" if name[0] in settings else name[0]

    fixed = {name: text for name, text in constants.items() if not varies(text, constants)}
    found = {}
    for key, text in settings.items():
        found[key] = re.sub(r"[A-Za-z_]\w*", last, text)
        try:
            if varies(text, constants):
                expressions.names(found[key])  # Raises where it is too long.
            else:
                found[key] = _literal(text, constant_values(fixed, dt, 0, 1, seed=0))
        except ExpressionError as error:
            raise _NoValue(key, error.message) from None
    return found


class _NoValue(Exception):
    """A constant has no value in an attempt."""

    def __init__(self, constant: str, why: str):
        self.constant = constant
        super().__init__(why)


def _literal(text: str, values: Mapping[str, Any]) -> str:
    found = expressions.evaluate_quantity(text, values)
    unit = units.describe(found.dimensions)
    return repr(float(found.value)) + ("" if unit == "1" else f"*{unit}")


def constant_dimensions(network: schema.Network) -> dict[str, tuple[float, ...]]:
    """Return the dimensions of every protocol constant, and of `k`."""
    values = constant_values(network.protocol.constants, network.dt, 0, 1, network.seed)
    dimensionless = (0.0,) * 7
    return {
        name: getattr(value, "dimensions", dimensionless)
        for name, value in values.items()
        if name not in ("t", "dt")
    }


def _column(
    phase: schema.Phase, column: Column, variables: Mapping[str, Mapping[str, Any]]
) -> str | float:
    population, name = column
    if not population:
        return name
    text = phase.set.get(f"{population}.{name}")
    return text if text is not None else float(variables[population][name].initial)


def _sets(
    shared: SharedInputs, phase: schema.Phase, columns: tuple[Column, ...]
) -> dict[Column, float]:
    """Values for per-neuron variables, set once at the phase's start."""
    found: dict[Column, float] = {}
    values = constant_values(shared.constants, shared.dt, shared.first, 1, shared.seed)
    for key, text in phase.set.items():
        population, _, variable = key.partition(".")
        if variable and (population, variable) not in columns:
            value = np.asarray(expressions.evaluate_quantity(text, values).value)
            found[population, variable] = float(value.ravel()[0])
    return found


def _failing_piece(shared: SharedInputs) -> int | None:
    """Return the first step of the first piece in which a value is not finite, or None."""
    texts = (*shared.constants.values(), *(c for c in shared.columns if isinstance(c, str)))
    varies = any({"k", "t"} & set(expressions.names(text)) for text in texts)
    for begin in range(0, shared.steps if varies else 1, PIECE):
        try:
            shared.piece(begin)
        except ExpressionError:
            return begin
    return None


def _locate(
    network: schema.Network, name: str, shared: SharedInputs, begin: int, faults: Faults
) -> None:
    """Note which expression of a phase has no value, and in which step from `begin` on."""
    settings = network.protocol.phases[name].set
    for step in range(begin, shared.steps):
        values = constant_values({}, shared.dt, shared.first + step, 1, shared.seed)
        for key, text in {**shared.constants, **settings}.items():
            try:
                values[key] = constant_value(key, text, values, shared.seed)
            except ExpressionError as error:
                inside = ("phases", name, "set") if key in settings else ("constants",)
                place = f"in step {step} of phase '{name}' (k = {shared.first + step + 1})"
                message = f"'{units.shorten(text)}' {place}: {error.message}."
                faults.add(("protocol", *inside, key), message)
                return
