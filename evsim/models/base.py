"""What a neuron model and a plasticity rule say, and which variables equations declare."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from evsim import expressions, units
from evsim.errors import nearest
from evsim.expressions import ExpressionError

FLAGS = frozenset(
    {
        "shared", "constant", "constant over dt", "unless refractory", "event-driven",
        "clock-driven",
    }
)  # fmt: skip
TYPES = frozenset({"boolean", "integer"})

_LEFT = re.compile(r"\s*(?:d(?P<rate>[A-Za-z_]\w*)\s*/\s*dt|(?P<name>[A-Za-z_]\w*))\s*(?P<rest>.*)")
_START = re.compile(r"\s*(?:d[A-Za-z_]\w*\s*/\s*dt\s*=|[A-Za-z_]\w*\s*[:=])")
_RIGHT = re.compile(r"(?P<unit>[^()]*)(?:\((?P<flags>[^()]*)\))?\s*")


@dataclass(frozen=True)
class NeuronModel:
    """A neuron as Brian2 text; all fields as in the `neurons` section of network files.

    Attributes
    ----------
    equations : Brian2 equations.
    threshold, reset, refractory : conditions and code; None where there is none.
    method : integrator; None leaves the choice to Brian2.
    run : Brian2 slot -> code that runs there in every step.
    events, on_event : event -> its condition, and the code that runs where it holds.
    parameters : name -> quantity as text.
    reference : the publication that the model follows.
    """

    equations: str
    threshold: str | None = None
    reset: str | None = None
    refractory: str | None = None
    method: str | None = None
    run: Mapping[str, str] = field(default_factory=dict)
    events: Mapping[str, str] = field(default_factory=dict)
    on_event: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    reference: str = ""


@dataclass(frozen=True)
class PlasticityModel:
    """A learning rule as Brian2 code; fields as in the `plasticity` section of network files.

    Attributes
    ----------
    at_end, every_step : phase -> code that adds to `g`, the direction in which w moves.
    equations : of the synapses, besides their weight `w`.
    on_pre, on_post : code for every synapse of a neuron that spikes; None where there is none.
    method : integrator of equations that are not event-driven.
    parameters : name -> quantity as text.
    like_weight : those of the parameters that have the weight's unit, whatever that is.
    init : variable of the equations -> start value as text.
    reference : the publication that the rule follows.
    """

    at_end: Mapping[str, str] = field(default_factory=dict)
    every_step: Mapping[str, str] = field(default_factory=dict)
    equations: str = ""
    on_pre: str | None = None
    on_post: str | None = None
    method: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    like_weight: frozenset[str] = frozenset()
    init: Mapping[str, str] = field(default_factory=dict)
    reference: str = ""


@dataclass(frozen=True)
class Declared:
    """A variable that equations declare.

    Attributes
    ----------
    unit_text : as written: a unit, `boolean` or `integer`.
    flags : Brian2's, such as `shared`.
    kind : of the equation.
    expression : right side of the equation, "" for a parameter.
    line, column : of the name in the equations, from 0.
    expression_line, expression_column : of the right side.
    """

    unit_text: str
    flags: frozenset[str]
    kind: Literal["differential", "subexpression", "parameter"]
    expression: str
    line: int
    column: int
    expression_line: int = 0
    expression_column: int = 0


def dimensions(unit_text: str) -> units.Dimensions:
    """Return the dimensions of what is declared as `unit_text`; those of a type are none."""
    return units.NONE if unit_text in TYPES else units.dimensions(unit_text)


def declarations(equations: str) -> dict[str, Declared]:
    """Return the variables that equations declare, in their order.

    Raises
    ------
    ExpressionError : a line is no equation, a unit or flag is unknown, a name is declared twice.
    """
    found, errors = read_equations(equations)
    if errors:
        raise errors[0]
    return found


def read_equations(equations: str) -> tuple[dict[str, Declared], list[ExpressionError]]:
    """Return the variables that equations declare, and what is wrong with the other equations."""
    found: dict[str, Declared] = {}
    errors: list[ExpressionError] = []
    for text, line in _statements(equations):
        try:
            name, declared = _declaration(text, line)
        except ExpressionError as error:
            errors.append(error)
            continue
        if name in found:
            first = found[name].line + 1
            message = f"'{name}' is declared a second time (first in line {first} of the equations)"
            errors.append(ExpressionError(message, declared.column, line))
        found.setdefault(name, declared)
    return found, errors


def _statements(equations: str) -> Iterator[tuple[str, int]]:
    """Yield each equation, whose right side may run over several lines, with its first line."""
    pending, first = "", 0
    for number, line in enumerate(expressions.blank_comments(equations).split("\n")):
        if pending and _is_complete(pending) and _START.match(line):
            yield pending, first
            pending = ""
        if not pending:
            pending, first = line, number
        else:
            pending += "\n" + line
        if not pending.strip():
            pending = ""
        elif ":" in pending or "=" not in pending:
            yield pending, first
            pending = ""
    if pending:
        yield pending, first


def _is_complete(equation: str) -> bool:
    """Return whether the right side of an equation without unit is an expression already."""
    try:
        expressions.names(equation.partition("=")[2])
    except ExpressionError:
        return False
    return True


def _declaration(text: str, line: int) -> tuple[str, Declared]:
    left, colon, right = text.partition(":")
    if not colon:
        column = len(text) - len(text.lstrip())
        hint = "end it with ': unit', for example 'v : volt'; ': 1' for plain numbers"
        raise ExpressionError("this equation has no unit", column, line, hint)
    match = _LEFT.match(left)
    column = len(left) - len(left.lstrip())
    rest = left[match.start("rest") :] if match else ""
    if match is None or (rest.strip() and not rest.lstrip().startswith("=")):
        hint = "write 'dx/dt = ... : unit', 'x = ... : unit' or 'x : unit'"
        raise ExpressionError(f"'{text.strip()}' is not an equation", column, line, hint)
    rate, name = match["rate"], match["rate"] or match["name"]
    start = match.start("rate") if rate else match.start("name")
    body = rest.lstrip()[1:] if rest.strip() else ""
    if rate and not body.strip():
        raise ExpressionError(f"'d{name}/dt' has no right side", start, line)
    unit, flags = _unit_and_flags(right, line, len(left) + 1)
    before = left[: len(left) - len(body)]
    return name, Declared(
        unit_text=unit,
        flags=flags,
        kind="differential" if rate else "subexpression" if body.strip() else "parameter",
        expression=body,
        line=line,
        column=start,
        expression_line=line + before.count("\n"),
        expression_column=len(before) - before.rfind("\n") - 1,
    )


def _unit_and_flags(text: str, line: int, start: int) -> tuple[str, frozenset[str]]:
    match = _RIGHT.fullmatch(text)
    if not match:
        hint = "write 'name : unit (flags)'"
        raise ExpressionError(f"'{text.strip()}' is not a unit", start, line, hint)
    unit = match["unit"].strip()
    column = start + len(text) - len(text.lstrip())
    if unit not in TYPES:
        try:
            found = units.parse(unit)
        except units.UnitError as error:
            raise ExpressionError(str(error), column, line) from None
        if found.value != 1.0:
            base = units.describe(found.dimensions)
            hint = f"declare it in SI units: '{base}'"
            raise ExpressionError(f"'{unit}' is a scaled unit", column, line, hint)
    flags = frozenset(flag.strip() for flag in (match["flags"] or "").split(",") if flag.strip())
    for flag in sorted(flags - FLAGS):
        message, hint = f"unknown flag '{flag}'", nearest(flag, FLAGS)
        raise ExpressionError(message, start + text.find(flag), line, hint)
    return unit, flags
