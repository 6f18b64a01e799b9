"""What a sample gives to a variable: an expression over the fields of the data set."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from evsim import syntax, units
from evsim.syntax import ExpressionError

ONE_HOT = "one_hot"


@dataclass(frozen=True)
class FieldText:
    """An entry of `data.fields`.

    Attributes
    ----------
    text : as written.
    numbers : fields whose values count -> their first column in the text.
    classes : fields that stand in `one_hot(field)` -> their first column.
    plain : the text is a field or `one_hot(field)` and nothing else.
    """

    text: str
    numbers: Mapping[str, int]
    classes: Mapping[str, int]
    plain: bool


@lru_cache(256)
def read_field(text: str) -> FieldText:
    """Read `field`, `one_hot(field)`, or an expression over both with units.

    In an expression the names of units and constants stand for these; all others are fields.

    Raises
    ------
    ExpressionError : the text is none of these, with the column of what is wrong.
    """
    tree = syntax.parse(text)
    syntax.check(text, syntax.NUMPY_FUNCTIONS | {ONE_HOT})
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    encoded = [_class_field(text, call) for call in calls if _is_one_hot(call)]
    apart = {id(call.func) for call in calls} | {id(name) for name in encoded}
    numbers = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and id(node) not in apart and _is_field(node, tree)
    ]
    if not numbers and not encoded:
        raise ExpressionError(
            f"'{text.strip()}' names no field of the data set",
            len(text) - len(text.lstrip()),
            hint="values that are the same in every trial are set with `init`",
        )
    plain = isinstance(tree, ast.Name) or _is_one_hot(tree)
    return FieldText(text, _columns(text, numbers), _columns(text, encoded), plain)


def _is_one_hot(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == ONE_HOT
    )


def _class_field(text: str, call: ast.Call) -> ast.Name:
    if len(call.args) != 1 or not isinstance(call.args[0], ast.Name):
        at = syntax.column(text, call.args[0] if call.args else call)
        raise ExpressionError("one_hot() takes one field", at, hint="write 'one_hot(labels)'")
    return call.args[0]


def _is_field(node: ast.Name, tree: ast.expr) -> bool:
    return node is tree or not (node.id in units.UNITS or node.id in units.CONSTANTS)


def _columns(text: str, nodes: list[ast.Name]) -> dict[str, int]:
    found: dict[str, int] = {}
    for node in nodes:
        at = syntax.column(text, node)
        found[node.id] = min(at, found.get(node.id, at))
    return found
