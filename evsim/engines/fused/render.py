"""Render Brian2 expressions as typed scalar source for Numba.

Every literal and conversion is written out, since float32 code would otherwise run in double.
Types are those of the field's arithmetic: "f" (the plan's precision), "d" (float64, times), "i"
and "b". Operations stand in the order and association of the captured statements.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from evsim.errors import EngineError

Type = Literal["f", "d", "i", "b"]

_BINARY = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//"}
_COMPARE = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
_STEP_COMPARE = {
    ast.GtE: (">=", ""),
    ast.Gt: (">=", " + I(1)"),
    ast.Lt: ("<", ""),
    ast.LtE: ("<", " + I(1)"),
}
"""Comparison of a time's step -> that of the time with the first time of a step."""
_FLOAT_FUNCTIONS = {
    "exp": "exp",
    "log": "log",
    "log10": "log10",
    "sqrt": "sqrt",
    "sin": "sin",
    "cos": "cos",
    "tan": "tan",
    "sinh": "sinh",
    "cosh": "cosh",
    "tanh": "tanh",
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
    "expm1": "expm1",
    "log1p": "log1p",
}
_COUNTS = {"_poisson_at": "poisson", "_binomial_at": "binomial"}
POWERS = {2: "square", 3: "cube", 4: "fourth"}
"""Whole exponents with functions of their own in generated programs."""

FUNCTIONS = frozenset(
    {
        *_FLOAT_FUNCTIONS,
        *_COUNTS,
        "abs",
        "floor",
        "ceil",
        "sign",
        "int",
        "clip",
        "timestep",
        "exprel",
    }  # fmt: skip
)


@dataclass(frozen=True)
class Term:
    """A piece of source and its type.

    `digits` are those of a floating-point literal; `uniform` says that the value is the same for
    all neurons of a loop.
    """

    text: str
    type: Type
    digits: str = ""
    uniform: bool = False

    def to(self, wanted: Type) -> str:
        """Return source of the wanted type."""
        if self.type == wanted:
            return self.text
        return f"{wanted.upper()}({self.digits or self.text})"


def literal(value: float | int | bool) -> Term:
    """Return a literal; floats take the precision of what they are combined with."""
    if isinstance(value, bool | np.bool_):
        return Term(str(bool(value)), "b")
    if isinstance(value, int | np.integer):
        return Term(f"I({int(value)})", "i", uniform=True)
    digits = repr(float(value)).replace("inf", "INF").replace("nan", "NAN")
    return Term(f"F({digits})", "f", digits)


class Renderer:
    """Renders expressions.

    Parameters
    ----------
    resolve : turns a name into a term.
    read : turns an array's name and the terms of its arguments into a term, or gives None.
    share : turns the call of a function into a name for its value, or leaves it.
    hoist : as `share`, for calls whose value is the same in the whole loop; None outside of loops.
    """

    def __init__(
        self,
        resolve: Callable[[str], Term],
        read: Callable[[str, list[Term]], Term | None] = lambda name, args: None,
        share: Callable[[str], str] = lambda call: call,
        hoist: Callable[[str], str] | None = None,
    ):
        self.resolve, self.read, self.share, self.hoist = resolve, read, share, hoist

    def expression(self, text: str) -> Term:
        """Return the source of a captured expression."""
        return self._node(ast.parse(text.strip(), mode="eval").body)

    def _node(self, node: ast.expr) -> Term:
        method: Mapping[type, Callable[..., Term]] = {
            ast.Constant: self._constant,
            ast.Name: lambda n: self.resolve(n.id),
            ast.BinOp: self._binary,
            ast.UnaryOp: self._unary,
            ast.BoolOp: self._bool,
            ast.Compare: self._compare,
            ast.Call: self._call,
        }
        if type(node) not in method:
            raise EngineError(f"Cannot lower the expression `{ast.unparse(node)}`.")
        return method[type(node)](node)

    def _constant(self, node: ast.Constant) -> Term:
        if not isinstance(node.value, bool | int | float):
            raise EngineError(f"Cannot lower the literal {node.value!r}.")
        return literal(node.value)

    def _float(self, *terms: Term) -> Type:
        return "d" if any(t.type == "d" for t in terms) else "f"

    def _common(self, *terms: Term) -> Type:
        if all(t.type in ("i", "b") for t in terms):
            return "i"
        return self._float(*terms)

    def _binary(self, node: ast.BinOp) -> Term:
        left, right = self._node(node.left), self._node(node.right)
        if isinstance(node.op, ast.Pow):
            kind = self._float(left, right)
            base = node.left
            if isinstance(base, ast.Call) and getattr(base.func, "id", "") == "exp":
                inner = self._node(base.args[0])
                product = f"exp_product({inner.to(kind)}, {right.to(kind)})"
                return Term(self.share(self._cast(product, kind)), kind)
            exponent = node.right.value if isinstance(node.right, ast.Constant) else None
            if isinstance(exponent, int | float) and exponent in POWERS:
                function = POWERS[int(exponent)]
                return Term(self._cast(f"{function}({left.to(kind)})", kind), kind)
            return Term(self._cast(f"pow({left.to(kind)}, {right.to(kind)})", kind), kind)
        if isinstance(node.op, ast.Mod):
            kind = self._common(left, right)
            return Term(f"modulo({left.to(kind)}, {right.to(kind)})", kind)
        kind = self._common(left, right)
        if isinstance(node.op, ast.Div) and kind == "i":
            kind = "f"
        return Term(f"({left.to(kind)} {_BINARY[type(node.op)]} {right.to(kind)})", kind)

    @staticmethod
    def _cast(text: str, kind: Type) -> str:
        return f"{kind.upper()}({text})"

    def _unary(self, node: ast.UnaryOp) -> Term:
        operand = self._node(node.operand)
        if isinstance(node.op, ast.Not):
            return Term(f"(not {operand.to('b')})", "b")
        if isinstance(node.op, ast.UAdd):
            return operand
        kind = "i" if operand.type == "b" else operand.type
        return Term(f"(-{operand.to(kind)})", kind)

    def _bool(self, node: ast.BoolOp) -> Term:
        sign = " & " if isinstance(node.op, ast.And) else " | "
        return Term("(" + sign.join(self._node(v).to("b") for v in node.values) + ")", "b")

    def _compare(self, node: ast.Compare) -> Term:
        left, right = self._node(node.left), self._node(node.comparators[0])
        if (found := self._compare_step(node, right)) is not None:
            return found
        kind = self._common(left, right)
        return Term(f"({left.to(kind)} {_COMPARE[type(node.ops[0])]} {right.to(kind)})", "b")

    def _compare_step(self, node: ast.Compare, step: Term) -> Term | None:
        """Return a comparison of a time's step with one for the whole loop as one of times.

        Refractoriness takes this form; divisions and conversions to integers are slow.
        """
        call, operator = node.left, type(node.ops[0])
        if not isinstance(call, ast.Call) or getattr(call.func, "id", "") != "timestep":
            return None
        time, dt = (self._node(argument) for argument in call.args)
        if self.hoist is None or operator not in _STEP_COMPARE:
            return None
        if not (step.uniform and dt.uniform):
            return None
        sign, later = _STEP_COMPARE[operator]
        edge = self.hoist(f"first_time({step.to('i')}{later}, {dt.to('d')})")
        return Term(f"({time.to('d')} {sign} {edge})", "b")

    def _call(self, node: ast.Call) -> Term:
        assert isinstance(node.func, ast.Name)
        name, args = node.func.id, [self._node(a) for a in node.args]
        if (value := self.read(name, args)) is not None:
            return value
        if name not in FUNCTIONS:
            raise EngineError(f"The function '{name}' has no fused form.")
        if name == "int":
            return Term(args[0].to("i"), "i")
        if name == "timestep":
            return Term(f"timestep({args[0].to('d')}, {args[1].to('d')})", "i")
        if name in _COUNTS:
            return Term(f"{_COUNTS[name]}({', '.join(a.to('d') for a in args)})", "i")
        if name == "clip":
            kind = args[0].type if args[0].type in ("f", "d") else self._float(*args)
            return Term(f"clip({', '.join(a.to(kind) for a in args)})", kind)
        if name in ("abs", "sign"):
            kind = self._common(args[0])
            return Term(f"{'abs' if name == 'abs' else 'sign'}({args[0].to(kind)})", kind)
        kind = self._float(args[0])
        function = _FLOAT_FUNCTIONS.get(name, name)
        return Term(self.share(self._cast(f"{function}({args[0].to(kind)})", kind)), kind)
