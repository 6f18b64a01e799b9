"""Updates as sums of products: which learning code is a correlation of two vectors."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from evsim.build.code import Block


@dataclass(frozen=True)
class Product:
    """A term of an update: scalar factors, factors of the source, factors of the target."""

    shared: tuple[str, ...]
    pre: tuple[str, ...]
    post: tuple[str, ...]
    negative: bool


def separate(block: Block) -> tuple[Product, ...] | str:
    """Return an update as products of source and target terms, or why it is none.

    The precondition of the correlation path: every line adds to `g` a sum of products whose factors
    belong to one side each.
    """
    products: list[Product] = []
    for statement in block.vector:
        if statement.var != "g" or statement.op not in ("+=", "-="):
            return f"`{statement}` is not an addition to g"
        terms: list[tuple[ast.expr, bool]] = []
        _terms(ast.parse(statement.expr, mode="eval").body, statement.op == "-=", terms)
        for node, negative in terms:
            product = _product(node, negative, block)
            if isinstance(product, str):
                return product
            products.append(product)
    return tuple(products)


def _terms(node: ast.expr, negative: bool, found: list[tuple[ast.expr, bool]]) -> None:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        _terms(node.left, negative, found)
        _terms(node.right, negative != isinstance(node.op, ast.Sub), found)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        _terms(node.operand, not negative, found)
    else:
        found.append((node, negative))


def _factors(node: ast.expr, found: list[ast.expr]) -> None:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        _factors(node.left, found)
        _factors(node.right, found)
    else:
        found.append(node)


def _product(node: ast.expr, negative: bool, block: Block) -> Product | str:
    factors: list[ast.expr] = []
    _factors(node, factors)
    sides: dict[str, list[str]] = {"": [], "pre": [], "post": []}
    for factor in factors:
        names = {n.id for n in ast.walk(factor) if isinstance(n, ast.Name)}
        touched = set()
        for name in names:
            symbol = block.symbols[name]
            if symbol.role == "local" and not symbol.shared:
                return f"`{name}` is a value of the synapse"
            if symbol.role == "state" and not symbol.shared:
                touched.add(symbol.side or name)
        if not touched <= {"pre", "post"} or len(touched) > 1:
            return f"`{ast.unparse(factor)}` mixes {' and '.join(sorted(touched))}"
        sides[touched.pop() if touched else ""].append(ast.unparse(factor))
    return Product(tuple(sides[""]), tuple(sides["pre"]), tuple(sides["post"]), negative)
