"""Checks of where trials come from: the data set, its split, and what its fields set."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from types import ModuleType

import numpy as np

from evsim import expressions, registry
from evsim.datasets import FieldText, read_field
from evsim.errors import nearest
from evsim.expressions import ExpressionError, ValueUndefinedError
from evsim.models import Declared
from evsim.models.base import dimensions
from evsim.replay import SPIKES
from evsim.spec.faults import DATASETS, Faults, Scope, variants
from evsim.spec.schema import Data, Network
from evsim.spec.source import Path

Shapes = Mapping[str, tuple[int, ...]]


def check_data(faults: Faults, scope: Scope) -> None:
    """Check the `data` section."""
    data = faults.network.data
    if data is None:
        return
    known = variants(DATASETS)
    module: ModuleType | None = None
    if known and data.name not in known:
        faults.unknown(("data", "name"), "data set", data.name, known)
    elif known:
        module = registry.load(DATASETS, data.name)
        _check_sizes(faults, data, getattr(module, "SIZES", {}))
    for key, text in data.fields.items():
        place: Path = ("data", "fields", key)
        replays = _replays(faults.network, key)
        found = None if replays else scope.reference(faults, place, key, " it sets", key=True)
        try:
            fields = read_field(text)
            _check_names(fields, data.name, getattr(module, "FIELDS", {}))
            _check_kind(fields, replays, getattr(module, "EVENTS", None))
            if found:
                _check_value(faults, scope, fields, getattr(module, "FIELDS", {}), *found)
        except ExpressionError as error:
            faults.inside(place, text, error)
    _check_augment(faults, data, getattr(module, "FIELDS", {}))


def _check_augment(faults: Faults, data: Data, known: Shapes) -> None:
    """Refuse changes of fields that set nothing or hold no images."""
    used: set[str] = set()
    for text in data.fields.values():
        with suppress(ExpressionError):  # Noted already.
            used |= read_field(text).numbers.keys()
    for field in data.augment:
        path: Path = ("data", "augment", field)
        if field not in used:
            message = f"Field '{field}' sets nothing."
            faults.add(path, message, nearest(field, used), key=True)
        elif len(known.get(field, (1, 1))) < 2:
            message = f"Field '{field}' holds no images, which have rows and columns."
            faults.add(path, message, key=True)


def _replays(network: Network, key: str) -> bool:
    """Return whether a key of `fields` stands for the spikes of a population that replays them."""
    name, _, variable = key.partition(".")
    population = network.populations.get(name)
    return variable == SPIKES and population is not None and population.spikes is not None


def _check_kind(fields: FieldText, replays: bool, events: frozenset[str] | None) -> None:
    """Refuse values where spikes are wanted and spikes where values are, as far as it is known."""
    if replays and not (fields.plain and fields.numbers):
        raise ExpressionError(
            f"'{fields.text.strip()}' is not a field", hint="spikes are taken as they are"
        )
    for field, column in {**fields.numbers, **fields.classes}.items():
        if replays and events is not None and field not in events:
            hint = nearest(field, events)
            raise ExpressionError(f"Field '{field}' holds no spikes", column, hint=hint)
        if not replays and field in (events or ()):
            hint = "set 'POPULATION.spikes' of a population with `spikes` to it"
            raise ExpressionError(f"Field '{field}' holds spikes", column, hint=hint)


def _check_sizes(faults: Faults, data: Data, sizes: dict[str, dict[str, int]]) -> None:
    if not sizes:
        return
    if data.subset not in sizes:
        known = " or ".join(f"`subset: {name}`" for name in sorted(sizes))
        message = f"Data set '{data.name}' has no {data.subset} subset."
        faults.add(("data", "subset"), message, f"write {known}")
        return
    available, split = sizes[data.subset], data.split
    for part, wanted in (("train", (split.train or 0) + split.validation), ("test", split.test)):
        if part in available and wanted is not None and wanted > available[part]:
            parts = "train and validation" if part == "train" else "test"
            message = f"The split asks for {wanted:,} {parts} samples of {available[part]:,}."
            faults.add(("data", "split"), message, key=True)


def _check_names(fields: FieldText, dataset: str, known: Shapes) -> None:
    """Refuse a field that the data set does not have, as far as its fields are known."""
    for field, column in {**fields.numbers, **fields.classes}.items():
        if known and field not in known:
            message = f"Unknown field of data set '{dataset}': '{field}'"
            raise ExpressionError(message, column, hint=nearest(field, known))


def _check_value(
    faults: Faults, scope: Scope, fields: FieldText, known: Shapes, population: str, variable: str
) -> None:
    """Refuse samples of another size than the population, and values of another unit."""
    declared = scope.variables.get(population, {}).get(variable)
    if declared is None:
        return
    if declared.kind == "subexpression":
        raise ExpressionError(f"'{variable}' follows from its equation and cannot be set")
    shared = "shared" in declared.flags
    neurons = 1 if shared else math.prod(faults.network.populations[population].shape)
    for field, column in fields.numbers.items():
        size = math.prod(known.get(field, ()))
        counts_for_all = known.get(field) == () and not fields.plain
        if field in known and size != neurons and not counts_for_all:
            line = faults.network.source.mark(("populations", population), key=True).line
            has = "one value of" if shared else f"{neurons} neurons"
            has += f" '{variable}'" if shared else ""
            raise ExpressionError(
                f"A sample of '{field}' has {size} values, but population '{population}' "
                f"(line {line}) has {has}",
                column,
            )
    _check_unit(fields, declared)


def _check_unit(fields: FieldText, declared: Declared) -> None:
    names = dict.fromkeys(fields.numbers, np.array([0.3, 0.7])) | dict.fromkeys(fields.classes, 1.0)
    one_hot = {"one_hot": lambda label: np.array([0.0, 1.0])}
    try:
        found = expressions.evaluate_quantity(fields.text, names, one_hot)
    except ValueUndefinedError:
        return
    try:
        expressions.require(found, dimensions(declared.unit_text), fields.text)
    except ExpressionError as error:
        text = fields.text.strip()
        hint = f"write '{text}*{declared.unit_text}'" if fields.plain else ""
        raise ExpressionError(error.message, error.column, hint=hint) from None
