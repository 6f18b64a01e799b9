"""The syntax of expressions and code as users write them: what is allowed, and where it stands.

Nothing here runs text as Python. An expression is numbers, names, arithmetic, comparisons and calls
of Brian2's functions; code is lines of `name = expression` and its like.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from evsim.errors import nearest
from evsim.units import parse_python, shorten

MAX_DEPTH = 100
MAX_LENGTH = 10_000

RANDOM = frozenset({"rand", "randn", "uniform"})
NUMPY_FUNCTIONS = frozenset(
    {
        "abs", "arccos", "arcsin", "arctan", "ceil", "clip", "cos", "cosh", "exp", "expm1", "floor",
        "int", "log", "log10", "log1p", "sign", "sin", "sinh", "sqrt", "tan", "tanh",
    }
)  # fmt: skip
CODE_FUNCTIONS = NUMPY_FUNCTIONS | {
    "binomial", "exprel", "rand", "randn", "poisson", "timestep",
}  # fmt: skip
"""Functions that neuron and plasticity code may call: those of Brian2."""

_ASSIGNMENT = re.compile(r"^(\s*)([A-Za-z_]\w*)(\s*)(\+=|-=|\*\*=|\*=|//=|/=|%=|=(?!=))(.*)$")
_COMMENT = re.compile(r"#[^\n]*")
_REFUSED = {
    ast.Attribute: "attribute access",
    ast.Subscript: "indexing",
    ast.Lambda: "lambda",
    ast.IfExp: "`if ... else`",
    ast.ListComp: "a comprehension",
    ast.SetComp: "a comprehension",
    ast.DictComp: "a comprehension",
    ast.GeneratorExp: "a comprehension",
    ast.Await: "await",
    ast.Yield: "yield",
    ast.JoinedStr: "text in quotes",
    ast.NamedExpr: "`:=`",
    ast.Starred: "`*`",
    ast.Tuple: "a list of values",
    ast.List: "a list of values",
    ast.Set: "a list of values",
    ast.Dict: "a list of values",
}


class ExpressionError(ValueError):
    """Text is not an allowed expression.

    Attributes
    ----------
    line, column : position of the mistake in the text, from 0.
    hint : what to write instead, or "".
    """

    def __init__(self, message: str, column: int = 0, line: int = 0, hint: str = ""):
        super().__init__(message)
        self.message, self.column, self.line, self.hint = message, column, line, hint


@dataclass(frozen=True)
class Assignment:
    """One line of code, `target operator expression`; positions count from 0."""

    target: str
    operator: str
    expression: str
    line: int
    column: int
    expression_column: int


def names(text: str) -> dict[str, int]:
    """Return every name that `text` uses, except functions that it calls, with its first column.

    Raises
    ------
    ExpressionError : the text is not an expression.
    """
    found: dict[str, int] = {}
    for node in _walk(parse(text)):
        if isinstance(node, ast.Name):
            at = column(text, node)
            found[node.id] = min(at, found.get(node.id, at))
    return found


def functions(text: str) -> dict[str, int]:
    """Return every function that `text` calls with its first column.

    Raises
    ------
    ExpressionError : the text is not an expression.
    """
    found: dict[str, int] = {}
    for node in _walk(parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            at = column(text, node.func)
            found[node.func.id] = min(at, found.get(node.func.id, at))
    return found


def is_random(text: str) -> bool:
    """Return whether an expression draws random numbers."""
    return not RANDOM.isdisjoint(functions(text))


def is_condition(text: str) -> bool:
    """Return whether an expression is true or false."""
    node = parse(text)
    negated = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
    return negated or isinstance(node, ast.Compare | ast.BoolOp)


def check(text: str, functions: frozenset[str] = CODE_FUNCTIONS | RANDOM) -> None:
    """Refuse everything but numbers, names, operators and calls of `functions`.

    Raises
    ------
    ExpressionError : with the position of the first construct that is not allowed.
    """
    for node in _walk(parse(text)):
        check_node(text, node, functions)


def assignments(code: str) -> Iterator[Assignment]:
    """Yield the statements of a block of code, which `;` and line ends separate.

    Raises
    ------
    ExpressionError : a statement is not an assignment.
    """
    for number, line in enumerate(blank_comments(code).split("\n")):
        start = 0
        for statement in line.split(";"):
            if statement.strip():
                yield _assignment(statement, number, start)
            start += len(statement) + 1


def check_code(code: str, functions: frozenset[str] = CODE_FUNCTIONS) -> None:
    """Check every statement of a block of code, which may call `functions`.

    Raises
    ------
    ExpressionError : with line and column of the first construct that is not allowed.
    """
    for statement in assignments(code):
        try:
            check(statement.expression, functions)
        except ExpressionError as error:
            column = error.column + statement.expression_column
            raise ExpressionError(error.message, column, statement.line, error.hint) from None


def blank_comments(text: str) -> str:
    """Return `text` with comments replaced by spaces, so that positions stay."""
    return _COMMENT.sub(lambda match: " " * len(match[0]), text)


def _assignment(statement: str, line: int, start: int) -> Assignment:
    match = _ASSIGNMENT.match(statement)
    if not match:
        column = start + len(statement) - len(statement.lstrip())
        raise ExpressionError(
            f"'{statement.strip()}' is not an assignment",
            column,
            line,
            "code is lines of `name = expression`, `name += expression` and the like",
        )
    indent, target, gap, operator, expression = match.groups()
    column = start + len(indent)
    after = column + len(target) + len(gap) + len(operator)
    return Assignment(target, operator, expression, line, column, after)


@lru_cache(1024)
def parse(text: str) -> ast.expr:
    """Return the syntax tree of `text`, not to be changed; columns count in the stripped text."""
    body = text.strip().replace("\n", " ")
    if not body:
        raise ExpressionError("an expression is missing")
    if len(body) > MAX_LENGTH:
        raise ExpressionError(f"the expression is longer than {MAX_LENGTH} characters")
    for column, character in enumerate(text):
        if not (character.isascii() and (character.isprintable() or character.isspace())):
            hint = "write 'u' for micro" if character in "µμ" else ""
            raise ExpressionError(f"the character {character!r} is not allowed", column, hint=hint)
    try:
        tree = parse_python(body)
    except SyntaxError as error:
        offset = min(max((error.offset or 1) - 1, 0), len(body) - 1)
        column = len(text) - len(text.lstrip()) + offset
        raise ExpressionError(f"'{shorten(body)}' cannot be read ({error.msg})", column) from None
    except (ValueError, MemoryError, RecursionError):
        raise ExpressionError(f"'{shorten(body)}' cannot be read") from None
    if _depth_exceeds(tree, MAX_DEPTH):
        raise ExpressionError(f"'{shorten(body)}' is nested too deeply")
    return tree


def _depth_exceeds(tree: ast.expr, limit: int) -> bool:
    level: list[ast.AST] = [tree]
    for _ in range(limit):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return False
    return True


def _walk(tree: ast.expr) -> Iterator[ast.expr]:
    """Yield every expression node but the names of called functions, in the order of the text."""
    yield tree
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.expr) and not (
            isinstance(tree, ast.Call) and child is tree.func and isinstance(child, ast.Name)
        ):
            yield from _walk(child)


def check_node(text: str, node: ast.expr, functions: frozenset[str]) -> None:
    """Refuse one node of the tree of `text` if it is not allowed; see `check`."""

    def refuse(what: str, hint: str = "") -> None:
        raise ExpressionError(f"{what} is not allowed here", column(text, node), hint=hint)

    match node:
        case ast.Constant(value=bool() | int() | float()) | ast.Name():
            return
        case ast.Constant():
            refuse("text in quotes" if isinstance(node.value, str | bytes) else repr(node.value))
        case ast.Call(func=ast.Name(id=name)):
            if name not in functions:
                hint = nearest(name, functions)
                raise ExpressionError(
                    f"unknown function '{shorten(name)}'", column(text, node), hint=hint
                )
            if node.keywords or any(isinstance(a, ast.Starred) for a in node.args):
                refuse("a keyword argument")
        case ast.Call(func=function):
            refuse(_REFUSED.get(type(function), "calling anything but a function"))
        case ast.BinOp(op=operator):
            known = ast.Add | ast.Sub | ast.Mult | ast.Div | ast.FloorDiv | ast.Mod | ast.Pow
            if not isinstance(operator, known):
                power = isinstance(operator, ast.BitXor)
                hint = "write '**' for a power" if power else "use + - * / // % **"
                refuse("this operator", hint)
        case ast.UnaryOp(op=operator):
            if isinstance(operator, ast.Invert):
                refuse("the operator '~'")
        case ast.Compare(ops=operators):
            if any(isinstance(o, ast.Is | ast.IsNot | ast.In | ast.NotIn) for o in operators):
                refuse("`is` or `in`")
            if len(operators) > 1:
                hint = "compare two values at a time: 'a < b and b < c'"
                refuse("a chain of comparisons", hint)
        case ast.BoolOp():
            return
        case _:
            refuse(_REFUSED.get(type(node), type(node).__name__))


def column(text: str, node: ast.expr) -> int:
    """Return the place in `text` where a node of its tree begins."""
    return len(text) - len(text.lstrip()) + node.col_offset
