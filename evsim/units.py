"""Physical units as text: `10*ms`, `-70*mV`, `0.5*nA/cm**2`.

The names are Brian2's; the table is built here so that reading a network file does not import
Brian2. Text is walked as a syntax tree of numbers, unit names and arithmetic: it is never run.
"""

from __future__ import annotations

import ast
import difflib
import itertools
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

Dimensions = tuple[float, ...]
"""Exponents of metre, kilogram, second, ampere, kelvin, mole, candela."""

NONE: Dimensions = (0.0,) * 7

MAX_LENGTH = 2000

_PARSER = threading.Lock()


class UnitError(ValueError):
    """Quantities do not fit together, or text is not a quantity."""


class NotFiniteError(UnitError):
    """The arithmetic has no finite value: a division by zero, an overflow, a negative root."""


class Measure(NamedTuple):
    """A value, or an array of values, in SI units with its dimensions."""

    value: Any
    dimensions: Dimensions


@dataclass(frozen=True)
class Quantity:
    """A number with its unit, as a user wrote it.

    Attributes
    ----------
    value : in SI units.
    dimensions : exponents of the seven SI base units.
    text : as written.
    """

    value: float
    dimensions: Dimensions
    text: str


_SCALES = {
    "": 0, "Y": 24, "Z": 21, "E": 18, "P": 15, "T": 12, "G": 9, "M": 6, "k": 3, "h": 2, "da": 1,
    "d": -1, "c": -2, "m": -3, "u": -6, "n": -9, "p": -12, "f": -15, "a": -18, "z": -21, "y": -24,
}  # fmt: skip
_PREFIXES = [p for p in _SCALES if p not in ("h", "da", "d", "c")]

# Name -> power of ten and exponents (m, kg, s, A, K, mol, cd).
_BASE: dict[str, tuple[int, tuple[int, ...]]] = {
    "metre": (0, (1, 0, 0, 0, 0, 0, 0)),
    "meter": (0, (1, 0, 0, 0, 0, 0, 0)),
    "gram": (-3, (0, 1, 0, 0, 0, 0, 0)),
    "gramme": (-3, (0, 1, 0, 0, 0, 0, 0)),
    "second": (0, (0, 0, 1, 0, 0, 0, 0)),
    "amp": (0, (0, 0, 0, 1, 0, 0, 0)),
    "ampere": (0, (0, 0, 0, 1, 0, 0, 0)),
    "mole": (0, (0, 0, 0, 0, 0, 1, 0)),
    "mol": (0, (0, 0, 0, 0, 0, 1, 0)),
    "candle": (0, (0, 0, 0, 0, 0, 0, 1)),
    "molar": (3, (-3, 0, 0, 0, 0, 1, 0)),
    "radian": (0, (0, 0, 0, 0, 0, 0, 0)),
    "steradian": (0, (0, 0, 0, 0, 0, 0, 0)),
    "hertz": (0, (0, 0, -1, 0, 0, 0, 0)),
    "newton": (0, (1, 1, -2, 0, 0, 0, 0)),
    "pascal": (0, (-1, 1, -2, 0, 0, 0, 0)),
    "joule": (0, (2, 1, -2, 0, 0, 0, 0)),
    "watt": (0, (2, 1, -3, 0, 0, 0, 0)),
    "coulomb": (0, (0, 0, 1, 1, 0, 0, 0)),
    "volt": (0, (2, 1, -3, -1, 0, 0, 0)),
    "farad": (0, (-2, -1, 4, 2, 0, 0, 0)),
    "ohm": (0, (2, 1, -3, -2, 0, 0, 0)),
    "siemens": (0, (-2, -1, 3, 2, 0, 0, 0)),
    "weber": (0, (2, 1, -2, -1, 0, 0, 0)),
    "tesla": (0, (0, 1, -2, -1, 0, 0, 0)),
    "henry": (0, (2, 1, -2, -2, 0, 0, 0)),
    "lumen": (0, (0, 0, 0, 0, 0, 0, 1)),
    "lux": (0, (-2, 0, 0, 0, 0, 0, 1)),
    "becquerel": (0, (0, 0, -1, 0, 0, 0, 0)),
    "gray": (0, (2, 0, -2, 0, 0, 0, 0)),
    "sievert": (0, (2, 0, -2, 0, 0, 0, 0)),
    "katal": (0, (0, 0, -1, 0, 0, 1, 0)),
}
_UNSCALED: dict[str, tuple[int, tuple[int, ...]]] = {
    "kelvin": (0, (0, 0, 0, 0, 1, 0, 0)),
    "kilogram": (0, (0, 1, 0, 0, 0, 0, 0)),
    "kilogramme": (0, (0, 1, 0, 0, 0, 0, 0)),
}
_SHORT = {
    "Hz": "hertz", "kHz": "khertz", "MHz": "Mhertz", "mV": "mvolt", "mA": "mamp", "uA": "uamp",
    "nA": "namp", "pA": "pamp", "pF": "pfarad", "uF": "ufarad", "nF": "nfarad", "nS": "nsiemens",
    "uS": "usiemens", "ms": "msecond", "us": "usecond", "mm": "mmetre", "um": "umetre",
    "mM": "mmolar", "uM": "umolar", "nM": "nmolar", "mm2": "mmetre2", "mm3": "mmetre3",
    "um2": "umetre2", "um3": "umetre3",
}  # fmt: skip


def _table() -> dict[str, Measure]:
    table: dict[str, Measure] = {}

    def add(name: str, scale: int, exponents: tuple[int, ...]) -> None:
        for power in (1, 2, 3):
            dimensions = tuple(float(power * n) for n in exponents)
            suffix = "" if power == 1 else str(power)
            table[name + suffix] = Measure(float(f"1e{power * scale}"), dimensions)

    for name, (scale, exponents) in _UNSCALED.items():
        add(name, scale, exponents)
    for (name, (scale, exponents)), prefix in itertools.product(_BASE.items(), _PREFIXES):
        add(prefix + name, scale + _SCALES[prefix], exponents)
    for name, prefix in itertools.product(("liter", "litre"), _SCALES):
        table[prefix + name] = Measure(float(f"1e{_SCALES[prefix] - 3}"), (3.0, *NONE[1:]))
    for power, name in enumerate(("cm", "cm2", "cm3"), start=1):
        table[name] = Measure(float(f"1e{-2 * power}"), (float(power), *NONE[1:]))
    table.update({short: table[name] for short, name in _SHORT.items()})
    return table


UNITS = _table()
"""Every unit name of Brian2's equations with its SI value and dimensions."""

CONSTANTS = {"pi": np.pi, "e": np.e, "inf": np.inf}
"""The named numbers of Brian2's equations."""

_MISSING_STAR = re.compile(r"^([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?) *([A-Za-z][A-Za-z0-9]*)$")

_FAVOURITES = [
    "1", "second", "metre", "kilogram", "volt", "amp", "ohm", "siemens", "farad", "hertz",
    "coulomb", "watt", "joule", "molar", "newton", "mole", "kelvin", "metre2", "metre3",
]  # fmt: skip
_DESCRIPTIONS = {UNITS[n].dimensions if n != "1" else NONE: n for n in reversed(_FAVOURITES)}


def describe(dimensions: Dimensions) -> str:
    """Return the SI unit with `dimensions` as text that `parse` reads.

    Examples
    --------
    >>> describe(UNITS["mV"].dimensions)
    'volt'
    >>> describe(NONE)
    '1'
    """
    known = _DESCRIPTIONS.get(tuple(dimensions))
    if known:
        return known
    base = ("metre", "kilogram", "second", "amp", "kelvin", "mole", "candle")
    parts = [
        name if power == 1 else f"{name}**{power:g}"
        for name, power in zip(base, dimensions, strict=True)
        if power
    ]
    return "*".join(parts)


def dimensions(unit: str) -> Dimensions:
    """Return the dimensions of a unit such as `volt`, `1` or `amp/metre**2`.

    Raises
    ------
    UnitError : the text is not a unit.
    """
    return parse(unit).dimensions


def parse(value: Any, unit: str | None = None) -> Quantity:
    """Read a quantity.

    Parameters
    ----------
    value : text such as `10*ms`, or a number.
    unit : the unit whose dimensions the quantity must have; None for any.

    Raises
    ------
    UnitError : the text is not a quantity, or has the wrong unit; the message is for users.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UnitError(f"expected a quantity{_such_as(unit)}, not {_shown(value)}")
    text = value.strip() if isinstance(value, str) else repr(value)
    measure = _walk(_tree(text, unit), text)
    if unit is not None:
        expected = dimensions(unit)
        if measure.dimensions != expected:
            wanted = describe(expected)
            if measure.dimensions == NONE:
                problem = f"'{text}' has no unit, expected {wanted}"
            else:
                problem = f"'{text}' is in {describe(measure.dimensions)}, expected {wanted}"
            raise UnitError(problem + _such_as(unit, measure, text))
    return Quantity(float(measure.value), measure.dimensions, text)


def combine(operator: ast.operator, left: Measure, right: Measure) -> Measure:
    """Return `left operator right`, with numpy's broadcasting.

    Raises
    ------
    UnitError : the dimensions do not fit.
    NotFiniteError : the result is not finite.
    """
    (a, p), (b, q) = left, right
    with arithmetic():
        match operator:
            case ast.Add() | ast.Sub() | ast.Mod():
                result = same_dimensions(left, right)
                if isinstance(operator, ast.Mod):
                    return Measure(np.mod(a, b), result)
                return Measure(a + b if isinstance(operator, ast.Add) else a - b, result)
            case ast.Mult():
                return Measure(a * b, tuple(x + y for x, y in zip(p, q, strict=True)))
            case ast.Div():
                return Measure(a / b, tuple(x - y for x, y in zip(p, q, strict=True)))
            case ast.FloorDiv():
                return Measure(a // b, tuple(x - y for x, y in zip(p, q, strict=True)))
            case ast.Pow():
                return _power(left, right)
    raise UnitError(f"the operator {type(operator).__name__} is not allowed")


@contextmanager
def arithmetic() -> Iterator[None]:
    """Raise `NotFiniteError` where numpy's arithmetic has no finite value."""
    try:
        with np.errstate(divide="raise", over="raise", invalid="raise", under="ignore"):
            yield
    except FloatingPointError as error:
        raise NotFiniteError(f"the result is not finite ({error})") from None


def same_dimensions(left: Measure, right: Measure) -> Dimensions:
    """Return the common dimensions; zero and infinity fit to every unit, as in Brian2."""
    if left.dimensions == right.dimensions or _fits_all(right):
        return left.dimensions
    if _fits_all(left):
        return right.dimensions
    first, second = (
        "a number without unit" if m.dimensions == NONE else describe(m.dimensions)
        for m in (left, right)
    )
    raise UnitError(f"{first} and {second} do not go together")


def _fits_all(measure: Measure) -> bool:
    value = measure.value
    return np.ndim(value) == 0 and (value == 0 or bool(np.isinf(value)))


def _power(base: Measure, exponent: Measure) -> Measure:
    if exponent.dimensions != NONE:
        raise UnitError(f"an exponent has no unit, not {describe(exponent.dimensions)}")
    if base.dimensions == NONE:
        return Measure(base.value**exponent.value, NONE)
    if np.ndim(exponent.value):
        raise UnitError("a quantity with a unit takes a single number as exponent")
    power = float(exponent.value)
    return Measure(base.value**power, tuple(x * power for x in base.dimensions))


@lru_cache(4096)
def parse_python(text: str) -> ast.expr:
    """Return the syntax tree of an expression, which all callers share and none may change.

    Python's warnings about style are not for users.

    Raises
    ------
    SyntaxError, ValueError, MemoryError, RecursionError : Python cannot parse the text.
    """
    # The filter of warnings and, in Python 3.11, the parser's depth are those of all threads.
    with _PARSER, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text, mode="eval").body


def _tree(text: str, unit: str | None) -> ast.expr:
    if not text or len(text) > MAX_LENGTH:
        raise UnitError(f"expected a quantity{_such_as(unit)}, not {_shown(text)}")
    try:
        return parse_python(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        split = _MISSING_STAR.match(text)
        if split and (unit is None or _fits(split[2], unit)):
            hint = f"{split[1]}*{split[2]}"
            raise UnitError(f"'{text}' is not a quantity, write '{hint}'") from None
        raise UnitError(f"'{shorten(text)}' is not a quantity{_such_as(unit)}") from None


def _walk(node: ast.expr, text: str, depth: int = 0) -> Measure:
    if depth > 100:
        raise UnitError(f"'{shorten(text)}' is nested too deeply")
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return Measure(to_float(number), NONE)
        case ast.Name(id=name):
            if name not in UNITS:
                raise UnitError(f"unknown unit '{name}'{_closest(name)}")
            return UNITS[name]
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
            value, found = _walk(operand, text, depth + 1)
            return Measure(-value if isinstance(sign, ast.USub) else value, found)
        case ast.BinOp(left=left, op=operator, right=right):
            return combine(operator, _walk(left, text, depth + 1), _walk(right, text, depth + 1))
    raise UnitError(f"'{shorten(text)}' is not a quantity: use numbers, unit names and + - * / **")


def to_float(number: int | float) -> np.float64:
    """Return `number` in double precision.

    Raises
    ------
    NotFiniteError : it is too large.
    """
    try:
        found = np.float64(number)
    except OverflowError:
        found = np.float64("inf")
    if not np.isfinite(found):
        raise NotFiniteError("a number is too large")
    return found


def _fits(name: str, unit: str) -> bool:
    return name in UNITS and UNITS[name].dimensions == dimensions(unit)


def _closest(name: str) -> str:
    by_case = {known.lower(): known for known in UNITS}
    close = difflib.get_close_matches(name, UNITS, n=1, cutoff=0.6)
    guess = by_case.get(name.lower()) or (close[0] if close else "")
    guess = {"s": "second", "V": "volt", "A": "amp", "m": "metre", "S": "siemens"}.get(name, guess)
    return f": did you mean '{guess}'?" if guess else ""


def _such_as(unit: str | None, measure: Measure | None = None, text: str = "") -> str:
    if unit is None:
        return "" if measure else " such as '10*ms'"
    examples = {"second": "ms", "volt": "mV", "amp": "nA", "hertz": "Hz", "siemens": "nS"}
    short = examples.get(unit, unit)
    number = text if measure and measure.dimensions == NONE and text else "10"
    return f", write for example '{number}*{short}'" if measure else f" such as '10*{short}'"


def shorten(text: str) -> str:
    """Return text cut to what fits into a message."""
    return text if len(text) <= 60 else text[:57] + "..."


def _shown(value: Any) -> str:
    if value is None or value == "":
        return "nothing"
    return f"'{shorten(str(value))}'"
