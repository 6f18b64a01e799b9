"""Captured expressions evaluated with PyTorch tensors."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch

from evsim.errors import EngineError

_BINARY: dict[type, Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_ASSIGNING: dict[str, type] = {"+=": ast.Add, "-=": ast.Sub, "*=": ast.Mult, "/=": ast.Div}


def tensor(value: Any) -> torch.Tensor:
    """Return a value as a tensor."""
    return value if isinstance(value, torch.Tensor) else torch.tensor(value)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "clip": lambda x, low, high: torch.clamp(tensor(x), low, high),
    "int": lambda x: tensor(x).to(torch.int64),
    "abs": abs,
    "exp": lambda x: torch.exp(tensor(x)),
    "log": lambda x: torch.log(tensor(x)),
    "sqrt": lambda x: torch.sqrt(tensor(x)),
    "tanh": lambda x: torch.tanh(tensor(x)),
    "sin": lambda x: torch.sin(tensor(x)),
    "cos": lambda x: torch.cos(tensor(x)),
    "timestep": lambda t, dt: ((tensor(t) + 1e-3 * dt) / dt).to(torch.int64),
}


def evaluate(expression: str, names: Mapping[str, Any]) -> Any:
    """Return the value of a captured expression; only what Brian2's language has.

    Raises
    ------
    EngineError : the expression has what tensors have no code for.
    """
    return _evaluate(_parse(expression), names)


def assigned(op: str, old: Any, value: Any) -> Any:
    """Return what a variable that held `old` holds after `op value`, such as `+= value`."""
    return value if op in (":=", "=") else _BINARY[_ASSIGNING[op]](old, value)


@cache
def _parse(expression: str) -> ast.expr:
    return ast.parse(expression, mode="eval").body


def _evaluate(node: ast.expr, names: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.Name() if node.id in names:
            return names[node.id]
        case ast.BinOp():
            return _BINARY[type(node.op)](_evaluate(node.left, names), _evaluate(node.right, names))
        case ast.Compare():
            return _BINARY[type(node.ops[0])](
                _evaluate(node.left, names), _evaluate(node.comparators[0], names)
            )
        case ast.UnaryOp():
            value = _evaluate(node.operand, names)
            return ~value if isinstance(node.op, ast.Not) else -value
        case ast.BoolOp():
            first, *others = (_evaluate(value, names) for value in node.values)
            for other in others:
                first = first & other if isinstance(node.op, ast.And) else first | other
            return first
        case ast.Call(func=ast.Name(id=name)) if name in _FUNCTIONS:
            return _FUNCTIONS[name](*(_evaluate(argument, names) for argument in node.args))
    raise EngineError(f"there is no dense code for `{ast.unparse(node)}`")
