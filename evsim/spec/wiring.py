"""Checks of projections: both ends, shapes, options, delays."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from evsim import registry
from evsim.errors import nearest
from evsim.models.base import TYPES
from evsim.projections.base import Geometry, GeometryError, Pairs
from evsim.spec.faults import PROJECTIONS, Faults, Scope, variants
from evsim.spec.plasticity import assigned
from evsim.spec.populations import check_drawn
from evsim.spec.schema import Network, Projection
from evsim.spec.source import Path
from evsim.spec.types import MAX_WEIGHTS

OPTIONS = (
    "kernel",
    "stride",
    "padding",
    "pool",
    "probability",
    "in_degree",
    "pairs",
    "self_connections",
)


def check_projections(faults: Faults, scope: Scope) -> None:
    """Check the `projections` section."""
    counts = Counter(projection.name for projection in faults.network.projections)
    for index, projection in enumerate(faults.network.projections):
        path: Path = ("projections", index)
        if counts[projection.name] > 1:
            message = f"{counts[projection.name]} projections are named '{projection.name}'."
            faults.add((*path, "name"), message, "give each its own name")
        source = _source(faults, scope, path, projection)
        target = _target(faults, scope, path, projection)
        if projection.symmetric and source is not None and target is not None:
            _symmetric(faults, scope, path, projection, source, target)
        elif projection.feedback is not None and not projection.symmetric:
            hint = "add `symmetric: true`"
            faults.add((*path, "feedback"), "Only symmetric projections feed back.", hint)
        _geometry(faults, path, projection)
        if projection.weights is not None:
            check_drawn(faults, (*path, "weights"), projection.weights, None, ("fan_in",))
        plasticity = faults.network.plasticity
        if projection.learn is not None and projection.learn not in plasticity:
            faults.unknown((*path, "learn"), "plasticity", projection.learn, plasticity)
        _delays(faults, path, projection)
        if projection.name in faults.network.populations:
            message = f"'{projection.name}' is the name of a population, too."
            faults.add((*path, "name"), message, "give the projection its own name")


def _source(faults: Faults, scope: Scope, path: Path, projection: Projection) -> str | None:
    """Return the source population, or note why there is none."""
    place = (*path, "from")
    if projection.sends == "value":
        found = scope.reference(faults, place, projection.from_, " to send")
        if found is not None:
            _sent(faults, scope, place, *found)
        return found[0] if found else None
    name, dot, variable = projection.from_.partition(".")
    if name not in faults.network.populations:
        faults.unknown(place, "population", name, faults.network.populations)
        return None
    if not scope.spiking(name):
        hint = "add `sends: value`, or give its neuron a `threshold`"
        faults.add(place, f"Population '{name}' sends no spikes.", hint)
        return None
    if dot:
        hint = f"write '{name}' for its spikes, or add `sends: value` for '{variable}'"
        faults.add(place, "Spikes come from a population, not from a variable.", hint)
    return name


def _sent(faults: Faults, scope: Scope, place: Path, population: str, name: str) -> None:
    """Refuse to send what is not stored."""
    declared = scope.variables.get(population, {}).get(name)
    if declared is not None and declared.kind == "subexpression":
        message = (
            f"'{population}.{name}' follows from its equation: only stored variables are sent."
        )
        faults.add(place, message, f"send a variable that `run: {{end: ...}}` sets to '{name}'")


def _target(faults: Faults, scope: Scope, path: Path, projection: Projection) -> str | None:
    """Return the target population, or note why there is none."""
    place = (*path, "to")
    found = scope.reference(faults, place, projection.to, " receives")
    if found is None:
        return None
    name, variable = found
    if faults.network.populations[name].values is not None:
        faults.add(place, f"Population '{name}' only holds values: nothing can arrive there.")
        return None
    _receives(faults, scope, place, projection, name, variable)
    return name


def _receives(
    faults: Faults, scope: Scope, place: Path, projection: Projection, population: str, name: str
) -> None:
    """Refuse a variable that cannot take what arrives."""
    declared = scope.variables.get(population, {}).get(name)
    if declared is None:
        return
    if declared.kind == "subexpression":
        why = "follows from its equation: nothing can arrive there."
    elif "constant" in declared.flags:
        why = "is constant: nothing can arrive there."
    elif "shared" in declared.flags:
        why = "is shared, but each neuron receives its own sum."
    elif declared.unit_text in TYPES:
        kind = {"integer": "whole numbers", "boolean": "true or false"}[declared.unit_text]
        why = f"holds {kind}: weighted sums cannot arrive there."
    elif projection.sends == "value" and declared.kind != "parameter":
        why = "has its own equation: a sum cannot be assigned."
    else:
        return
    faults.add(place, f"'{population}.{name}' {why}")


def _symmetric(
    faults: Faults, scope: Scope, path: Path, projection: Projection, source: str, target: str
) -> None:
    place = (*path, "symmetric")
    if faults.network.populations[source].values is not None:
        message = f"Population '{source}' has no dynamics: nothing can feed back to it."
        faults.add(place, message, "leave `symmetric` out")
        return
    sent = projection.from_.partition(".")[2]
    if projection.sends == "value":
        if target in scope.variables and sent not in scope.variables[target]:
            message = f"Population '{target}' has no variable '{sent}' to send back."
            faults.add(place, message, nearest(sent, scope.variables[target]))
            return
        _sent(faults, scope, place, target, sent)
    elif not scope.spiking(target):
        message = f"Population '{target}' sends no spikes: nothing can feed back from it."
        faults.add(place, message, "give its neuron a `threshold`")
    variable = projection.feedback or projection.to.partition(".")[2]
    if source in scope.variables and variable not in scope.variables[source]:
        place = (*path, "feedback" if projection.feedback else "symmetric")
        message = f"Feedback needs a variable '{variable}' in population '{source}'."
        hint = f"name one with `feedback`; {nearest(variable, scope.variables[source])}"
        faults.add(place, message, hint)
        return
    _receives(faults, scope, place, projection, source, variable)


def _delays(faults: Faults, path: Path, projection: Projection) -> None:
    rule = faults.network.plasticity.get(projection.learn or "")
    for field in ("delay", "delay_post"):
        text = getattr(projection, field)
        if text is None:
            continue
        if projection.sends == "value":
            message = "Values are sent without delay."
            faults.add((*path, field), message, "leave it out", key=True)
        elif field == "delay_post" and (rule is None or not rule.on_post):
            message = (
                "Spikes of the target run no code of this projection: there is nothing to delay."
            )
            faults.add((*path, field), message, "leave it out", key=True)
        check_drawn(faults, (*path, field), text, "second", ("i", "j"))


def _geometry(faults: Faults, path: Path, projection: Projection) -> None:
    kinds = variants(PROJECTIONS)
    if projection.kind not in kinds:
        faults.unknown((*path, "kind"), "projection kind", projection.kind, kinds)
        return
    module = registry.load(PROJECTIONS, projection.kind)
    unused = [o for o in OPTIONS if o in projection.model_fields_set and o not in module.OPTIONS]
    for option in unused:
        known = ", ".join(f"`{o}`" for o in sorted(module.OPTIONS)) or "no options"
        message = f"A projection of kind '{projection.kind}' has no `{option}`."
        faults.add((*path, option), message, f"it takes {known}", key=True)
    populations = faults.network.populations
    source, target = projection.from_.partition(".")[0], projection.to.partition(".")[0]
    if source not in populations or target not in populations or unused:
        return
    if projection.pool is not None and not _one_pool(faults, path, projection):
        return
    try:
        shapes = populations[source].shape, populations[target].shape
        geometry = module.GEOMETRY.infer(*shapes, geometry_options(faults.network, projection))
        if isinstance(geometry, Pairs):
            return
        weights = math.prod(int(side) for side in geometry.weight_shape)
        if weights > MAX_WEIGHTS:
            message = f"Projection '{projection.name}' has {weights:,} weights, more than "
            faults.add((*path, "name"), message + f"{MAX_WEIGHTS:,}.")
        shares = weights != geometry.synapse_count
        if projection.normalise is not None and shares:
            message = f"Synapses of kind '{projection.kind}' share weights, whose sums at different"
            faults.add((*path, "normalise"), f"{message} targets cannot all be one number.")
        rule = faults.network.plasticity.get(projection.learn or "")
        if rule is not None and "w" in assigned(rule) and shares:
            message = f"Synapses of kind '{projection.kind}' share weights, which code at spikes"
            hint = "let the code add to `g`, and give the rule an `update`"
            faults.add((*path, "learn"), f"{message} cannot change.", hint)
    except GeometryError as error:
        lines = [
            f"'{name}' {list(populations[name].shape)} in line "
            f"{faults.network.source.mark(('populations', name), key=True).line}"
            for name in dict.fromkeys((source, target))
        ]
        message = f"Projection '{projection.name}': {error}."
        faults.add((*path, error.option), message, "see " + " and ".join(lines))


def _one_pool(faults: Faults, path: Path, projection: Projection) -> bool:
    """Refuse pools that say nothing or too much, and code that pooled synapses cannot serve."""
    pool = projection.pool
    assert pool is not None
    if (pool.average is None) == (pool.max is None):
        message = "A pool is of windows of one size, by their `average` or by their `max`."
        faults.add((*path, "pool"), message, "write 'pool: {average: 2}' or 'pool: {max: 2}'")
        return False
    rule = faults.network.plasticity.get(projection.learn or "")
    if rule is not None and (rule.equations or rule.on_pre or rule.on_post):
        what = "has equations of synapses" if rule.equations else "runs code at spikes"
        message = f"Rule '{projection.learn}' {what}, and pooled synapses have none of their own."
        faults.add((*path, "pool"), message, "learn in `at_end`, or leave `pool` out")
        return False
    return True


def geometry_options(network: Network, projection: Projection) -> dict[str, Any]:
    """Return what a projection kind may read of a projection, and the stream it may draw from."""
    options: dict[str, Any] = {name: getattr(projection, name) for name in OPTIONS}
    pool = projection.pool
    options["pool"] = (pool.average or pool.max) if pool else None
    options["maximum"] = pool is not None and pool.max is not None
    return {**options, "seed": network.seed, "name": projection.name}


def infer_geometry(network: Network, projection: Projection) -> Geometry:
    """Return the geometry of a projection that the checks accepted."""
    module = registry.load("evsim.projections", projection.kind)
    geometry: Geometry = module.GEOMETRY.infer(
        network.populations[projection.from_.partition(".")[0]].shape,
        network.populations[projection.to.partition(".")[0]].shape,
        geometry_options(network, projection),
    )
    return geometry
