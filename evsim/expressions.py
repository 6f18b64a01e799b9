"""The value of expressions, in double precision and with units, by a walk over their syntax."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from evsim import syntax, units
from evsim.errors import nearest
from evsim.syntax import (
    CODE_FUNCTIONS,
    NUMPY_FUNCTIONS,
    RANDOM,
    Assignment,
    ExpressionError,
    assignments,
    blank_comments,
    check,
    check_code,
    functions,
    names,
)
from evsim.units import NONE, Dimensions, Measure, UnitError

__all__ = [
    "CODE_FUNCTIONS",
    "RANDOM",
    "Assignment",
    "ExpressionError",
    "ValueUndefinedError",
    "assignments",
    "blank_comments",
    "check",
    "check_code",
    "evaluate",
    "evaluate_quantity",
    "functions",
    "names",
    "require",
]

_DIMENSIONLESS: dict[str, Callable[..., Any]] = {
    "exp": np.exp, "expm1": np.expm1, "log": np.log, "log10": np.log10, "log1p": np.log1p,
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "sinh": np.sinh, "cosh": np.cosh,
    "tanh": np.tanh, "arcsin": np.arcsin, "arccos": np.arccos, "arctan": np.arctan,
    "floor": np.floor, "ceil": np.ceil, "int": np.trunc,
}  # fmt: skip


class ValueUndefinedError(ExpressionError):
    """An allowed expression has no finite value."""


def evaluate(
    text: str,
    names: Mapping[str, Any],
    functions: Mapping[str, Callable[..., Any]] | None = None,
    shape: tuple[int, ...] | None = None,
    generator: np.random.Generator | None = None,
) -> Any:
    """Return the value of an expression in SI units; see `evaluate_quantity`."""
    return evaluate_quantity(text, names, functions, shape, generator).value


def evaluate_quantity(
    text: str,
    names: Mapping[str, Any],
    functions: Mapping[str, Callable[..., Any]] | None = None,
    shape: tuple[int, ...] | None = None,
    generator: np.random.Generator | None = None,
) -> Measure:
    """Evaluate an expression in double precision.

    Parameters
    ----------
    text : over `names`, Brian2's functions, units and constants.
    names : name -> number, array, or anything with `value` (SI) and `dimensions`.
    functions : further functions of dimensionless arguments.
    shape : of each draw of rand(), randn() and uniform(a, b).
    generator : that they draw from; without one they are refused.

    Returns
    -------
    Measure : a float, or an array where a name or a draw is one, and its dimensions.

    Raises
    ------
    ExpressionError : unknown name or function, forbidden construct, units that do not fit.
    """
    evaluator = _Evaluator(text, names, functions or {}, shape, generator)
    value, dimensions = evaluator.visit(syntax.parse(text))
    if np.ndim(value) == 0:
        return Measure(float(value), dimensions)
    return Measure(np.asarray(value, dtype=np.float64), dimensions)


def require(measure: Measure, dimensions: Dimensions, text: str) -> None:
    """Refuse a value that has other dimensions; zero fits to all.

    Raises
    ------
    ExpressionError : naming both units.
    """
    value = measure.value
    if measure.dimensions != dimensions and not (np.ndim(value) == 0 and value == 0):
        found, wanted = units.describe(measure.dimensions), units.describe(dimensions)
        state = f"is in {found}" if measure.dimensions != NONE else "has no unit"
        expected = f"expected {wanted}" if dimensions != NONE else "expected a number without unit"
        raise ExpressionError(f"'{text}' {state}, {expected}")


class _Evaluator:
    def __init__(
        self,
        text: str,
        names: Mapping[str, Any],
        functions: Mapping[str, Callable[..., Any]],
        shape: tuple[int, ...] | None,
        generator: np.random.Generator | None,
    ):
        self.text, self.names, self.functions = text, names, functions
        self.shape, self.generator = shape, generator
        random = RANDOM if generator is not None else frozenset()
        self.allowed = NUMPY_FUNCTIONS | random | frozenset(functions)

    def visit(self, node: ast.expr) -> Measure:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in RANDOM - self.allowed:
                message = f"'{node.func.id}' draws, and nothing is drawn here"
                hint = "constants of the protocol may draw"
                raise ExpressionError(message, syntax.column(self.text, node), hint=hint)
        syntax.check_node(self.text, node, self.allowed)
        try:
            return self._visit(node)
        except ExpressionError:
            raise
        except units.NotFiniteError as error:
            raise ValueUndefinedError(str(error), syntax.column(self.text, node)) from None
        except (UnitError, TypeError, ValueError) as error:
            raise ExpressionError(str(error), syntax.column(self.text, node)) from None

    def _visit(self, node: ast.expr) -> Measure:
        match node:
            case ast.Constant(value=bool() | int() | float() as number):
                return Measure(units.to_float(number), NONE)
            case ast.Name(id=name):
                return self._name(name, node)
            case ast.UnaryOp(op=operator, operand=operand):
                value, dimensions = self.visit(operand)
                if isinstance(operator, ast.Not):
                    return Measure(np.float64(np.logical_not(value)), NONE)
                return Measure(-value if isinstance(operator, ast.USub) else value, dimensions)
            case ast.BinOp(left=left, op=operator, right=right):
                return units.combine(operator, self.visit(left), self.visit(right))
            case ast.BoolOp(op=operator, values=parts):
                fold = np.logical_and if isinstance(operator, ast.And) else np.logical_or
                return Measure(fold.reduce([self.visit(part).value for part in parts]) * 1.0, NONE)
            case ast.Compare(left=left, ops=[operator], comparators=[right]):
                return _compare(operator, self.visit(left), self.visit(right))
            case ast.Call(func=ast.Name(id=name), args=arguments):
                return self._call(name, [self.visit(argument) for argument in arguments])
        raise ExpressionError("compare two values at a time", syntax.column(self.text, node))

    def _name(self, name: str, node: ast.expr) -> Measure:
        if name in self.names:
            value = self.names[name]
            if hasattr(value, "dimensions"):
                return Measure(_float64(value.value), tuple(value.dimensions))
            return Measure(_float64(value), NONE)
        if name in units.UNITS:
            return units.UNITS[name]
        if name in units.CONSTANTS:
            return Measure(np.float64(units.CONSTANTS[name]), NONE)
        raise ExpressionError(
            f"Undefined name '{name}'",
            syntax.column(self.text, node),
            hint=nearest(name, self.names),
        )

    def _call(self, name: str, arguments: list[Measure]) -> Measure:
        counts = {"clip": 3, "uniform": 2, "rand": 0, "randn": 0}
        if name not in self.functions and len(arguments) != counts.get(name, 1):
            raise UnitError(f"{name}() takes {counts.get(name, 1)} values, not {len(arguments)}")
        if self.generator is not None and name in RANDOM:
            return self._draw(name, arguments, self.generator)
        values = [argument.value for argument in arguments]
        with units.arithmetic():
            if name == "abs":
                return Measure(np.abs(values[0]), arguments[0].dimensions)
            if name == "sign":
                return Measure(np.sign(values[0]), NONE)
            if name == "sqrt":
                return units.combine(ast.Pow(), arguments[0], Measure(np.float64(0.5), NONE))
            if name == "clip":
                dimensions = arguments[0].dimensions
                for bound in arguments[1:]:
                    units.same_dimensions(arguments[0], bound)
                return Measure(np.clip(values[0], values[1], values[2]), dimensions)
            for argument in arguments:
                if argument.dimensions != NONE:
                    unit = units.describe(argument.dimensions)
                    raise UnitError(f"{name}() takes numbers without unit, not {unit}")
            function = self.functions.get(name) or _DIMENSIONLESS[name]
            return Measure(_float64(function(*values)), NONE)

    def _draw(self, name: str, arguments: list[Measure], generator: np.random.Generator) -> Measure:
        if name == "randn":
            return Measure(generator.standard_normal(self.shape), NONE)
        draw = generator.random(self.shape)
        if name == "rand":
            return Measure(draw, NONE)
        low, high = arguments
        dimensions = units.same_dimensions(low, high)
        return Measure(low.value + (high.value - low.value) * draw, dimensions)


def _compare(operator: ast.cmpop, left: Measure, right: Measure) -> Measure:
    comparisons: dict[type[ast.cmpop], Callable[..., Any]] = {
        ast.Lt: np.less, ast.LtE: np.less_equal, ast.Gt: np.greater, ast.GtE: np.greater_equal,
        ast.Eq: np.equal, ast.NotEq: np.not_equal,
    }  # fmt: skip
    units.same_dimensions(left, right)
    return Measure(_float64(comparisons[type(operator)](left.value, right.value)), NONE)


def _float64(value: Any) -> Any:
    return np.float64(value) if np.ndim(value) == 0 else np.asarray(value, dtype=np.float64)
