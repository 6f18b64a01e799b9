"""Projections: geometry from shapes and options, initial weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evsim import expressions, units
from evsim.build.code import Block, SynapseCode
from evsim.build.delays import delay_steps
from evsim.build.faults import Faults
from evsim.build.plan import Pathway, Population, Projection
from evsim.build.synapses import pathways, synapse_variables
from evsim.build.weights import DEFAULT_WEIGHTS, draw, largest_of, normalised
from evsim.projections.base import Geometry
from evsim.spec import schema
from evsim.spec.wiring import infer_geometry


def build_projections(
    network: schema.Network,
    populations: Mapping[str, Population],
    known: Mapping[str, Mapping[str, tuple[float, ...]]],
    codes: Mapping[str, SynapseCode],
    synapses: Mapping[str, Any],
    blocks: list[Block],
    faults: Faults,
) -> tuple[dict[str, Projection], dict[str, NDArray[Any]]]:
    """Return the projections and their initial weights, in file order.

    Parameters
    ----------
    known : population -> name -> dimensions.
    codes, synapses : projection -> code of its synapses and the Brian2 object, where it has any.
    blocks : captured code.
    """
    projections, parameters = {}, {}
    for at, declared in enumerate(network.projections):
        name = declared.name
        source, _, source_variable = declared.from_.partition(".")
        target, _, target_variable = declared.to.partition(".")
        geometry = infer_geometry(network, declared)
        feedback = (declared.feedback or target_variable) if declared.symmetric else None
        code, variables = codes.get(name), {}
        if code is not None:
            variables = synapse_variables(
                network, declared, synapses[name], code, blocks, geometry, faults
            )
        projections[name] = Projection(
            name=name,
            geometry=geometry,
            source=source,
            source_variable=source_variable,
            target=target,
            target_variable=target_variable,
            sends=declared.sends,
            feedback_variable=feedback,
            pathways=_pathways(network, at, code, blocks, geometry, faults),
            code=code,
            variables=variables,
        )
        wanted = known[target][target_variable]
        if declared.sends == "value":
            of = known[source][source_variable]
            wanted = tuple(a - b for a, b in zip(wanted, of, strict=True))
            _check_sent_back(projections[name], at, wanted, known, faults)
        names = {"fan_in": float(geometry.fan_in)}
        text = declared.weights or DEFAULT_WEIGHTS
        try:
            parameters[name] = draw(
                text,
                geometry.weight_shape,
                names,
                wanted,
                network.seed,
                "weights",
                name,
                largest=largest_of("float", network.precision),
            )
        except ValueError as error:
            path = ("projections", at, "weights" if declared.weights else "to")
            faults.add(path, str(error))
            continue
        if declared.normalise is not None:
            projections[name], parameters[name] = _normalised(
                network, at, projections[name], parameters[name], wanted, faults
            )
    return projections, parameters


def _check_sent_back(
    projection: Projection,
    at: int,
    weights: tuple[float, ...],
    known: Mapping[str, Mapping[str, tuple[float, ...]]],
    faults: Faults,
) -> None:
    """Refuse a symmetric projection of values whose weights fit to one direction only."""
    variable = projection.feedback_variable
    if variable is None:
        return
    back = known[projection.target][projection.source_variable]
    arrives = tuple(a + b for a, b in zip(weights, back, strict=True))
    if arrives != known[projection.source][variable]:
        name, unit = f"{projection.source}.{variable}", units.describe
        message = (
            f"'{name}' is in {unit(known[projection.source][variable])}, but what comes back is in "
            f"{unit(arrives)}."
        )
        faults.add(("projections", at, "symmetric"), message)


def _normalised(
    network: schema.Network,
    at: int,
    projection: Projection,
    weights: NDArray[Any],
    dimensions: tuple[float, ...],
    faults: Faults,
) -> tuple[Projection, NDArray[Any]]:
    """Return a projection with what its weights add up to, and weights that do."""
    text = str(network.projections[at].normalise)
    try:
        found = expressions.evaluate_quantity(text, {})
        expressions.require(found, dimensions, text)
        if found.value <= 0:
            raise expressions.ExpressionError(f"'{text}' is not greater than 0")
    except ValueError as error:
        faults.add(("projections", at, "normalise"), str(error))
        return projection, weights
    total = float(found.value)
    size = int(np.prod(projection.geometry.target_shape))
    made = normalised(weights, projection.geometry.synapses(), size, total)
    return dataclasses.replace(projection, normalise=total), made


def _pathways(
    network: schema.Network,
    at: int,
    code: SynapseCode | None,
    blocks: list[Block],
    geometry: Geometry,
    faults: Faults,
) -> tuple[Pathway, ...]:
    declared = network.projections[at]
    delays = {}
    fields: tuple[Literal["delay", "delay_post"], ...] = ("delay", "delay_post")
    for field in fields:
        try:
            delays[field] = delay_steps(network, declared, field, geometry)
        except ValueError as error:
            faults.add(("projections", at, field), str(error))
            delays[field] = np.zeros((), np.int64)
    own = {
        block.name.removeprefix(f"{declared.name}_"): block
        for block in blocks
        if block.owner == declared.name and block.template == "synapses"
    }
    return pathways(declared, code, own, delays["delay"], delays["delay_post"])
