"""The text of a script: its lines, the names that stand in it, the arrays that it loads."""

from __future__ import annotations

import ast
import builtins
import json
import keyword
import re
from collections.abc import Iterable, Mapping
from typing import Any

import brian2
import numpy as np
from brian2.units import allunits
from numpy.typing import NDArray

from evsim import syntax, units

WIDTH = 100
"""Characters of a line of the script at most, where it can be broken."""

SHORT = 60
"""Characters of a list of numbers that is written down; longer ones go into a file."""

_PREFIXES = {"": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12, "k": 1e3, "M": 1e6}
_SHORT = {
    "msecond": "ms", "usecond": "us", "mvolt": "mV", "mamp": "mA", "uamp": "uA", "namp": "nA",
    "pamp": "pA", "pfarad": "pF", "nfarad": "nF", "ufarad": "uF", "nsiemens": "nS",
    "usiemens": "uS", "hertz": "Hz", "khertz": "kHz", "Mhertz": "MHz",
}  # fmt: skip
_OWN = {
    "Network", "NeuronGroup", "SpikeGeneratorGroup", "SpikeMonitor", "StateMonitor", "Synapses",
    "TimedArray", "attempt", "brian2", "data", "defaultclock", "dt", "g", "group", "k", "keep",
    "monitors", "name", "net", "np", "parameters", "post", "pre", "prefs", "recorded", "seed",
    "size", "t", "weight",
}  # fmt: skip
_RESERVED = (
    {*keyword.kwlist, *dir(builtins), *units.UNITS, *units.CONSTANTS}
    | syntax.CODE_FUNCTIONS
    | syntax.RANDOM
    | _OWN
)
_FUNCTIONS = syntax.NUMPY_FUNCTIONS - {"int"}
_NAME = re.compile(r"(?<![\w.])[A-Za-z_]\w*")


class Page:
    """A script that is being written.

    Attributes
    ----------
    lines : written so far, without the head.
    arrays : what the script loads, by name.
    imports : names that it takes from Brian2.
    notes : what it leaves out, for its reader.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.arrays: dict[str, NDArray[Any]] = {}
        self.imports: set[str] = {"defaultclock", "prefs"}
        self.notes: list[str] = []
        self._names: dict[tuple[str, str], str] = {}

    def add(self, *lines: str, indent: int = 0) -> None:
        """Write lines."""
        for line in "\n".join(lines).split("\n"):
            self.lines.append(" " * indent + line if line else "")

    def section(self, title: str) -> None:
        """Begin a part of the script."""
        self.add("", "", f"# {title}", "")

    def use(self, name: str) -> str:
        """Return a name of Brian2's, which the script imports."""
        self.imports.add(name)
        return name

    def name(self, kind: str, wanted: str) -> str:
        """Return the variable of the script for a thing of the network, the same every time."""
        if (kind, wanted) not in self._names:
            found, taken = wanted, {*self._names.values(), *_RESERVED}
            while found in taken:
                found += "_"
            self._names[kind, wanted] = found
        return self._names[kind, wanted]

    def unit(self, dimensions: Iterable[float]) -> str:
        """Return the SI unit of dimensions, "1" for none."""
        text = units.describe(tuple(dimensions))
        for name in _NAME.findall(text):
            self.use(name)
        return text

    def number(self, value: float, dimensions: Iterable[float] = units.NONE) -> str:
        """Return a value in SI units as a product that gives exactly this value."""
        dimensions = tuple(dimensions)
        value = float(value)
        if dimensions == units.NONE or value == 0:
            unit = "" if dimensions == units.NONE else "*" + self.unit(dimensions)
            return _digits(value) + unit
        unit = units.describe(dimensions)
        if not unit.isidentifier():
            return f"{_digits(value)}*{self.unit(dimensions)}"
        found = []
        for prefix, scale in _PREFIXES.items():
            digits = _digits(float(f"{value / scale:.15g}"))
            if float(digits) * scale == value:
                found.append((len(digits), digits, _SHORT.get(prefix + unit, prefix + unit)))
        _, digits, unit = min(found, default=(0, _digits(value), unit), key=lambda one: one[0])
        return f"{digits}*{self.use(unit)}"

    def values(
        self, name: str, values: NDArray[Any], dimensions: Iterable[float] = units.NONE
    ) -> str:
        """Return the text of an array in SI units: a list where it is short, else a stored one."""
        unit, text = self.unit(dimensions), ""
        if values.size < SHORT:
            numbers = [str(n) if values.dtype.kind in "iub" else _digits(n) for n in values.flat]
            text = f"[{', '.join(numbers)}]"
        if values.ndim != 1 or not text or len(text) > SHORT:
            text = self.stored(name, values)
        return text if unit == "1" else f"{text}*{factor(unit)}"

    def stored(self, name: str, values: NDArray[Any]) -> str:
        """Return the text of an array that the script loads."""
        while name in self.arrays and not np.array_equal(self.arrays[name], values):
            name += "_"
        self.arrays[name] = values
        return f'data["{name}"]'

    def expression(self, text: str, names: Mapping[str, str] | None = None) -> str | None:
        """Return an expression of a network file in Python, or None where it is not arithmetic.

        Parameters
        ----------
        names : what stands for names of the file.
        """
        names = names or {}
        text = " ".join(syntax.blank_comments(text).split())
        if not _is_arithmetic(text):
            return None
        for name in set(_NAME.findall(text)) - set(names):
            if hasattr(builtins, name):
                continue
            if not hasattr(brian2, name) and not hasattr(allunits, name):
                return None
            self.use(name)
        return replace_names(text, names)


def _is_arithmetic(text: str) -> bool:
    """Return whether Python computes an expression of numbers and arrays as network files do."""
    allowed = (
        ast.BinOp, ast.UnaryOp, ast.Call, ast.Constant, ast.Name, ast.operator, ast.expr_context,
        ast.USub, ast.UAdd,
    )  # fmt: skip
    try:
        walk = list(ast.walk(syntax.parse(text)))
    except syntax.ExpressionError:
        return False
    calls = {getattr(node.func, "id", "") for node in walk if isinstance(node, ast.Call)}
    return calls <= _FUNCTIONS and all(isinstance(node, allowed) for node in walk)


def factor(text: str) -> str:
    """Return an expression so that it can stand in a product, or with an attribute."""
    return text if re.fullmatch(r"[\w.]+|\w+\[[^][]*\]", text) else f"({text})"


def replace_names(text: str, names: Mapping[str, str]) -> str:
    """Return a text with other names."""
    return _NAME.sub(lambda found: names.get(found[0], found[0]), text)


def quoted(text: str) -> str:
    """Return text as a string literal, over several lines where it has several."""
    text = text.strip()
    if "\n" not in text:
        return json.dumps(text, ensure_ascii=False)
    text = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    lines = [line.rstrip() for line in text.split("\n")]
    return "\n".join(['"""', *lines, '"""'])


def call(head: str, arguments: Iterable[str]) -> str:
    """Return a call on one line where it fits, else with one argument a line."""
    arguments = list(arguments)
    line = f"{head}({', '.join(arguments)})"
    if "\n" not in line and len(line) <= WIDTH:
        return line
    return "\n".join([f"{head}(", *(f"{_indented(argument)}," for argument in arguments), ")"])


def listing(items: Mapping[str, str], *rest: str) -> str:
    """Return the text of a dictionary, on one line where it fits; `rest` ends it."""
    pairs = [*(f'"{key}": {text}' for key, text in items.items()), *rest]
    line = f"{{{', '.join(pairs)}}}"
    if len(line) <= WIDTH - 30:
        return line
    return "\n".join(["{", *(f"    {pair}," for pair in pairs), "}"])


def _indented(text: str) -> str:
    lines = text.split("\n")
    return "\n".join("    " + line if line else "" for line in lines)


def _digits(value: float) -> str:
    value = float(value)
    return str(int(value)) if value.is_integer() and abs(value) < 1e6 else repr(value)


def dimensions_of(unit: str) -> units.Dimensions:
    """Return the dimensions of a variable's unit."""
    return units.dimensions(unit or "1")


__all__ = ["Page", "call", "dimensions_of", "factor", "listing", "quoted", "replace_names"]
