"""Checks of populations: shapes, start values, what they share and learn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np

from evsim import expressions, models
from evsim.errors import nearest
from evsim.expressions import ExpressionError, ValueUndefinedError
from evsim.models import Declared
from evsim.models.base import dimensions
from evsim.spec.faults import Faults, Scope, check_quantity, variants
from evsim.spec.neurons import built_in
from evsim.spec.replay import check_spikes
from evsim.spec.schema import Population
from evsim.spec.source import Path
from evsim.spec.types import MAX_NEURONS


def check_populations(faults: Faults, scope: Scope) -> None:
    """Check the `populations` section."""
    total = 0
    known = {*faults.network.neurons, *variants(models.NEURONS)}
    for name, population in faults.network.populations.items():
        path: Path = ("populations", name)
        total += math.prod(population.shape)
        kinds = (population.neuron, population.values, population.spikes)
        if sum(kind is not None for kind in kinds) != 1:
            message = f"Population '{name}' needs exactly one of `neuron`, `values` and `spikes`."
            faults.add(path, message, key=True)
        elif population.spikes is not None:
            check_spikes(faults, path, population, population.spikes)
        elif population.values is not None:
            _check_values(faults, path, population)
        elif population.neuron not in known:
            faults.unknown((*path, "neuron"), "neuron", str(population.neuron), known)
        neuron = scope.neurons.get(name)
        for key, text in population.set.items():
            replaced = neuron.parameters.get(key) if neuron is not None else None
            check_quantity(faults, (*path, "set", key), text, replaced)
        if name in scope.variables and population.spikes is None:
            _check_variables(faults, path, population, scope.variables[name])
    if total > MAX_NEURONS:
        message = f"The populations have {total:,} neurons, more than {MAX_NEURONS:,}."
        faults.add(("populations",), message, key=True)


def _check_values(faults: Faults, path: Path, population: Population) -> None:
    for field in ("share", "learn", "set"):
        if getattr(population, field):
            message = f"A population of values has no dynamics: `{field}` means nothing here."
            faults.add((*path, field), message, key=True)
    if meaning := built_in(population.values or ""):
        faults.add((*path, "values"), f"'{population.values}' would hide {meaning}.")


def _check_variables(
    faults: Faults, path: Path, population: Population, variables: Mapping[str, Declared]
) -> None:
    fields: tuple[Literal["init", "share", "learn"], ...] = ("init", "share", "learn")
    for field in fields:
        for key in getattr(population, field):
            place = (*path, field, key)
            if key not in variables:
                message = f"Population '{path[1]}' has no variable '{key}'."
                faults.add(place, message, nearest(key, variables), key=True)
            elif variables[key].kind == "subexpression":
                message = f"'{key}' follows from its equation: `{field}` means nothing here."
                faults.add(place, message, key=True)
            elif field == "init":
                unit = variables[key].unit_text
                check_drawn(faults, place, population.init[key], unit, ("i", "N"))
    for key, along in population.share.items():
        if along == "channel" and len(population.shape) != 3:
            shape = list(population.shape)
            message = f"Shape {shape} has no channels; they need [channels, rows, columns]."
            faults.add((*path, "share", key), message)


def check_drawn(
    faults: Faults, path: Path, text: str, unit: str | None, names: tuple[str, ...]
) -> None:
    """Check an expression of `init` or `weights`; `unit` None leaves its dimensions open."""
    try:
        generator = np.random.default_rng(0)
        numbers = dict.fromkeys(names, 2.0)
        found = expressions.evaluate_quantity(text, numbers, shape=(), generator=generator)
        if unit is not None:
            expressions.require(found, dimensions(unit), text)
            if unit == "integer" and np.any(found.value != np.rint(found.value)):
                raise ExpressionError(f"'{text}' is no whole number", hint="int() makes one")
    except ValueUndefinedError:
        return
    except ExpressionError as error:
        faults.inside(path, text, error)
