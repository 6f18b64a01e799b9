"""Projections: geometry from shapes and options, initial weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from evsim import registry
from evsim.build.faults import Faults
from evsim.build.plan import Population, Projection
from evsim.build.weights import DEFAULT_WEIGHTS, draw
from evsim.projections.base import Geometry
from evsim.spec import schema
from evsim.spec.wiring import geometry_options


def build_projections(
    network: schema.Network,
    populations: Mapping[str, Population],
    known: Mapping[str, Mapping[str, tuple[float, ...]]],
    faults: Faults,
) -> tuple[dict[str, Projection], dict[str, NDArray[Any]]]:
    """Return the projections and their initial weights, in file order.

    Parameters
    ----------
    known : population -> name -> dimensions.
    """
    projections, parameters = {}, {}
    for at, declared in enumerate(network.projections):
        source, _, source_variable = declared.from_.partition(".")
        target, _, target_variable = declared.to.partition(".")
        geometry = infer_geometry(network, declared)
        feedback = (declared.feedback or target_variable) if declared.symmetric else None
        projections[declared.name] = Projection(
            name=declared.name,
            geometry=geometry,
            source=source,
            source_variable=source_variable,
            target=target,
            target_variable=target_variable,
            sends=declared.sends,
            feedback_variable=feedback,
        )
        wanted = known[target][target_variable]
        if declared.sends == "value":
            of = known[source][source_variable]
            wanted = tuple(a - b for a, b in zip(wanted, of, strict=True))
        names = {"fan_in": float(geometry.fan_in)}
        text = declared.weights or DEFAULT_WEIGHTS
        try:
            parameters[declared.name] = draw(
                text, geometry.weight_shape, names, wanted, network.seed, "weights", declared.name
            )
        except ValueError as error:
            path = ("projections", at, "weights" if declared.weights else "to")
            faults.add(path, str(error))
    return projections, parameters


def infer_geometry(network: schema.Network, projection: schema.Projection) -> Geometry:
    """Return the geometry of a projection that the checks accepted."""
    module = registry.load("evsim.projections", projection.kind)
    geometry: Geometry = module.GEOMETRY.infer(
        network.populations[projection.from_.partition(".")[0]].shape,
        network.populations[projection.to.partition(".")[0]].shape,
        geometry_options(network, projection),
    )
    return geometry
