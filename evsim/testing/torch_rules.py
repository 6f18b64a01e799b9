"""Learning code at a phase's end, with tensors: what it adds to `g`, summed over trials."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

import torch

from evsim.build.code import Block
from evsim.build.plan import Plan, Rule
from evsim.engines.fused.separable import Product, separate
from evsim.testing.torch_code import assigned, evaluate
from evsim.testing.torch_layers import Layer
from evsim.testing.torch_network import Key, Names

Values = Mapping[Key, torch.Tensor]


def applies(plan: Plan) -> str | None:
    """Return why the rules of a plan have no dense code, or None."""
    for name, rule in plan.rules.items():
        if rule.at_spikes or rule.every_step:
            when = "at spikes" if rule.at_spikes else "in every step"
            return f"'{name}' learns {when}, not at a phase's end"
        for block in rule.at_end.values() if rule.projection else ():
            found = separate(block)
            if isinstance(found, str):
                return f"the code of '{name}' is no sum of products of both sides: {found}"
    return None


def contributions(
    plan: Plan, layers: Mapping[str, Layer], phase: str, values: Values, row: Mapping[Key, float]
) -> dict[str, torch.Tensor]:
    """Return what a phase's code adds to `g`, summed over trials, in the parameters' shapes.

    Parameters
    ----------
    values : (population, variable) -> (trial, *shape), what the code reads.
    row : values of the shared inputs.
    """
    found = {}
    for name, rule in plan.rules.items():
        block = rule.at_end.get(phase)
        if block is not None and rule.projection is not None:
            found[name] = _of_synapses(plan, rule, block, layers[rule.projection], values, row)
        elif block is not None:
            found[name] = _of_neurons(plan, rule, block, values, row)
    return found


def _names(
    block: Block, ends: Mapping[str, str], values: Values, row: Mapping[Key, float]
) -> Names:
    names: Names = {}
    for name, symbol in block.symbols.items():
        if symbol.role == "literal":
            names[name] = symbol.value
        elif symbol.role == "state" and name != "g":
            owner = ends.get(symbol.side, "")
            shared = row.get((owner, symbol.variable), row.get(("", symbol.variable)))
            names[name] = values[owner, symbol.variable] if shared is None else shared
    for statement in block.scalar:
        names[statement.var] = evaluate(statement.expr, names)
    return names


def _of_synapses(
    plan: Plan, rule: Rule, block: Block, layer: Layer, values: Values, row: Mapping[Key, float]
) -> torch.Tensor:
    projection = plan.projections[rule.parameter]
    names = _names(block, {"pre": projection.source, "post": projection.target}, values, row)
    products = separate(block)
    assert not isinstance(products, str), "see `applies`"
    one = next(v for v in values.values() if v.ndim and v.is_floating_point())
    trials, dtype = one.shape[0], one.dtype
    total = torch.zeros(projection.geometry.weight_shape, dtype=dtype)
    for product in products:
        ones = (
            torch.ones((trials, *shape), dtype=dtype)
            for shape in (layer.geometry.source_shape, layer.geometry.target_shape)
        )
        pre, post = (
            reduce(lambda found, text: found * evaluate(text, names), factors, one)
            for factors, one in zip((product.pre, product.post), ones, strict=True)
        )
        total = total + _factor(product, names) * layer.correlate(pre, post)
    return total


def _factor(product: Product, names: Names) -> float:
    factors = [float(evaluate(text, names)) for text in product.shared]
    return reduce(lambda found, factor: found * factor, factors, -1.0 if product.negative else 1.0)


def _of_neurons(
    plan: Plan, rule: Rule, block: Block, values: Values, row: Mapping[Key, float]
) -> torch.Tensor:
    population = plan.populations[rule.population]
    assert rule.variable is not None
    names = _names(block, {"": rule.population}, values, row) | {"g": 0.0}
    for statement in block.vector:
        value = evaluate(statement.expr, names)
        names[statement.var] = assigned(statement.op, names.get(statement.var), value)
    found: torch.Tensor = names["g"].sum(0)
    share = population.variables[rule.variable].share
    if share == "channel":
        return found.flatten(1).sum(1)
    return found.sum() if share == "all" else found.flatten()


def variables(plan: Plan) -> list[Key]:
    """Return the variables of populations that learning code reads."""
    found = set()
    for rule in plan.rules.values():
        ends = {"": rule.population}
        if rule.projection is not None:
            projection = plan.projections[rule.projection]
            ends = {"pre": projection.source, "post": projection.target}
        for block in rule.at_end.values():
            for symbol in block.symbols.values():
                owner = ends.get(symbol.side, "")
                if symbol.role == "state" and symbol.variable in _declared(plan, owner):
                    found.add((owner, symbol.variable))
    return sorted(found)


def _declared(plan: Plan, owner: str) -> set[str]:
    """Return a population's variables, without those that the protocol sets in every step."""
    if owner not in plan.populations:
        return set()
    return {name for name in plan.variables(owner) if (owner, name) not in plan.shared}
