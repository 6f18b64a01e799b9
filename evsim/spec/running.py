"""Checks of how a network is run: protocol, readout, recording."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from evsim import expressions, units
from evsim.errors import nearest
from evsim.expressions import ExpressionError
from evsim.models.base import TYPES, dimensions
from evsim.spec.faults import Faults, Scope
from evsim.spec.neurons import built_in
from evsim.spec.plasticity import TAKEN
from evsim.spec.schema import Phase, Split
from evsim.spec.source import Path
from evsim.spec.trials import check_constants, check_keep, check_repeat
from evsim.spec.types import MAX_STEPS
from evsim.syntax import is_random
from evsim.units import Measure

SECOND = units.dimensions("second")

_ARGMAX = re.compile(r"\s*argmax\(\s*(\w+\.\w+)\s*\)\s*")
_VOTE = re.compile(r"\s*vote\(\s*(\w+)\s*\)\s*")


def check_protocol(faults: Faults, scope: Scope) -> None:
    """Check the `protocol` section."""
    protocol, data = faults.network.protocol, faults.network.data
    if data is not None and protocol.trials is not None:
        message = "With `data` a pass has one trial a sample: `trials` means nothing here."
        faults.add(("protocol", "trials"), message, "choose the samples with `data.split`", True)
    constants = _constants(faults, scope)
    done: set[str] = set()
    for name, phase in protocol.phases.items():
        path: Path = ("protocol", "phases", name)
        _check_length(faults, path, phase)
        if phase.from_ is not None and phase.from_ not in done:
            late = phase.from_ in protocol.phases
            message = f"Phase '{phase.from_}' does not run before '{name}'."
            hint = "move it up" if late and phase.from_ != name else nearest(phase.from_, done)
            faults.add((*path, "from"), message, hint)
        done.add(name)
        for key, text in phase.set.items():
            _check_set(faults, scope, (*path, "set", key), key, text, constants)
        if phase.average is not None:
            _check_average(faults, scope, (*path, "average"), phase)
    _check_test(faults)
    if protocol.test is not None:
        check_constants(faults, ("protocol", "test", "set"), protocol.test.set, constants)
    _check_settle(faults, scope)
    check_keep(faults, scope)
    check_repeat(faults, scope, constants)


def _constants(faults: Faults, scope: Scope) -> dict[str, Any]:
    """Check the constants in order; return their values in a trial's first step."""
    values = _clock(faults)
    constants = faults.network.protocol.constants
    for name, text in constants.items():
        path: Path = ("protocol", "constants", name)
        meaning = built_in(name) or _meaning(faults, scope, name)
        if faults.network.plasticity:
            meaning = meaning or TAKEN.get(name)
        if meaning:
            message = f"Constant '{name}' would hide {meaning}."
            faults.add(path, message, "choose another name", key=True)
        found = _evaluate(faults, path, text, values, set(constants), np.random.default_rng(0))
        values[name] = found if found is not None else 1.0
    return values


def _clock(faults: Faults) -> dict[str, Any]:
    time = Measure(np.float64(0.0), SECOND)
    return {"k": 1.0, "t": time, "dt": Measure(np.float64(faults.network.dt), SECOND)}


def _meaning(faults: Faults, scope: Scope, name: str) -> str | None:
    for population, variables in scope.variables.items():
        if name in variables:
            return f"the variable '{name}' of population '{population}'"
    for population, neuron in scope.neurons.items():
        if name in neuron.parameters:
            return f"the parameter '{name}' of population '{population}'"
        if name in faults.network.populations[population].set:
            return f"'{name}' in the `set` of population '{population}'"
    return None


def _evaluate(
    faults: Faults,
    path: Path,
    text: str,
    values: dict[str, Any],
    later: Collection[str] = (),
    generator: np.random.Generator | None = None,
) -> Measure | None:
    try:
        used = expressions.names(text)
        for name, column in used.items():
            if name in later and name not in values:
                message = f"'{name}' is not defined before this line"
                raise ExpressionError(message, column, hint="constants use those above them")
        return expressions.evaluate_quantity(text, values, generator=generator)
    except ExpressionError as error:
        faults.inside(path, text, error)
    return None


def _check_length(faults: Faults, path: Path, phase: Phase) -> None:
    if (phase.steps is None) == (phase.duration is None):
        message = f"Phase '{path[-1]}' needs exactly one of `steps` and `duration`."
        faults.add(path, message, key=True)
    elif phase.duration is not None:
        dt = faults.network.dt
        exact = phase.duration / dt
        if round(exact) < 1 or abs(exact - round(exact)) > 1e-6 * max(1.0, exact):
            message = f"The duration is {exact:g} steps of dt = {dt:g} s."
            faults.add((*path, "duration"), message, "choose a multiple of `dt`")
    if (steps := phase.count(faults.network.dt)) > MAX_STEPS:
        message = f"The phase has {steps:,} steps, more than {MAX_STEPS:,}."
        faults.add((*path, "steps" if phase.steps else "duration"), message)


def _check_set(
    faults: Faults, scope: Scope, path: Path, key: str, text: str, values: dict[str, Any]
) -> None:
    constants = faults.network.protocol.constants
    found = _evaluate(faults, path, text, values)
    if "." not in key:
        if key in constants:
            before = values[key]
            if found is not None and isinstance(before, Measure):
                _require(faults, path, text, found, before.dimensions)
        elif owners := scope.having(key):
            hint = "write " + " or ".join(f"'{owner}.{key}'" for owner in owners)
            message = f"'{key}' does not say which population's variable it is."
            faults.add(path, message, hint, key=True)
        else:
            message = f"'{key}' is neither a constant of the protocol nor `population.variable`."
            faults.add(path, message, nearest(key, constants), key=True)
        return
    reference = scope.reference(faults, path, key, key=True)
    if reference is None or reference[0] not in scope.variables:
        return
    declared = scope.variables[reference[0]][reference[1]]
    if declared.kind == "subexpression":
        message = f"'{key}' follows from its equation and cannot be set."
        faults.add(path, message, key=True)
        return
    if found is not None:
        _require(faults, path, text, found, dimensions(declared.unit_text))
    if "shared" not in declared.flags and found is not None and varies(text, constants):
        hint = f"declare '{reference[1]}' with the flag (shared)"
        message = f"'{text}' is not the same in every step and trial, but '{key}' is set once."
        faults.add(path, message, hint)


def varies(text: str, constants: Mapping[str, str]) -> bool:
    """Return whether an expression depends on step or trial, directly or through constants."""
    names = set(expressions.names(text))
    return (
        bool(names & {"k", "t"})
        or is_random(text)
        or any(
            varies(constants[name], {n: c for n, c in constants.items() if n != name})
            for name in names & set(constants)
        )
    )


def _require(
    faults: Faults, path: Path, text: str, found: Measure, wanted: units.Dimensions
) -> None:
    try:
        expressions.require(found, wanted, text)
    except ExpressionError as error:
        faults.inside(path, text, error)


def _check_average(faults: Faults, scope: Scope, path: Path, phase: Phase) -> None:
    average = phase.average
    if average is None:
        return
    steps = phase.count(faults.network.dt)
    if steps and average.last > steps:
        message = f"The phase has {steps} steps, fewer than {average.last}."
        faults.add((*path, "last"), message)
    _check_any_variable(faults, scope, (*path, "variables"), average.variables)


def _check_any_variable(faults: Faults, scope: Scope, path: Path, names: tuple[str, ...]) -> None:
    """Refuse variables that no population stores for its neurons."""
    stored: dict[str, bool] = {}
    for variables in scope.variables.values():
        for name, declared in variables.items():
            own = declared.kind != "subexpression" and "shared" not in declared.flags
            stored[name] = stored.get(name, False) or own
    for index, name in enumerate(names):
        if stored and name not in stored:
            message = f"No population has a variable '{name}'."
            faults.add((*path, index), message, nearest(name, stored))
        elif stored and not stored[name]:
            message = f"No population stores '{name}' for each of its neurons."
            faults.add((*path, index), message, "name one that is neither derived nor shared")


def _check_test(faults: Faults) -> None:
    protocol, data = faults.network.protocol, faults.network.data
    if protocol.test is None:
        return
    path: Path = ("protocol", "test")
    if data is None:
        faults.add(path, "A test needs `data`.", key=True)
    done: set[str] = set()
    for field in ("phases", "split"):
        given: tuple[str, ...] = getattr(protocol.test, field)
        for index, name in enumerate(given):
            if name in given[:index]:
                faults.add((*path, field, index), f"'{name}' stands here twice.", "leave one out")
    for index, name in enumerate(protocol.test.phases):
        phase = protocol.phases.get(name)
        if phase is None:
            faults.unknown((*path, "phases", index), "phase", name, protocol.phases)
        elif phase.from_ is not None and phase.from_ not in done:
            message = f"Phase '{name}' starts from '{phase.from_}', which must stand before it."
            faults.add((*path, "phases", index), message)
        elif phase.repeat is not None and (phase.repeat.from_ or name) not in {*done, name}:
            message = f"Phase '{name}' repeats from '{phase.repeat.from_}', which is not tested."
            faults.add((*path, "phases", index), message)
        done.add(name)
    for index, split in enumerate(protocol.test.split):
        sizes: Split | None = data.split if data else None
        if sizes is not None and getattr(sizes, split) == 0:
            hint = f"set `data.split.{split}`"
            faults.add((*path, "split", index), f"There are no {split} samples.", hint)


def _check_settle(faults: Faults, scope: Scope) -> None:
    settle, phases = faults.network.protocol.settle, faults.network.protocol.phases
    if settle is None:
        return
    path: Path = ("protocol", "settle")
    _check_any_variable(faults, scope, (*path, "variables"), settle.variables)
    for at, name in enumerate(settle.variables):
        if any(scope.variables[owner][name].unit_text in TYPES for owner in scope.having(name)):
            message = f"'{name}' does not move by degrees: it cannot tell whether trials settle."
            faults.add((*path, "variables", at), message, "name one that is declared as a number")
    if settle.after not in phases:
        faults.unknown((*path, "after"), "phase", settle.after, phases)
    for index, name in enumerate(settle.early):
        if name not in phases:
            faults.unknown((*path, "early", index), "phase", name, phases)
        elif (average := phases[name].average) and average.last > settle.window:
            message = (
                f"Phase '{name}' averages its last {average.last} steps, but may end after every "
                f"{settle.window}."
            )
            faults.add((*path, "window"), message, f"write {average.last} or more")
    for name in {settle.after, *settle.early} & phases.keys():
        if settle.window > (steps := phases[name].count(faults.network.dt)):
            message = f"Phase '{name}' has {steps} steps, fewer than {settle.window}."
            faults.add((*path, "window"), message)


def check_weights(faults: Faults) -> None:
    """Check `weights`."""
    weights = faults.network.weights
    if weights.range and weights.bits and weights.grid is not None:
        message = "The range follows from `bits` and `grid`."
        faults.add(("weights", "range"), message, "leave one of the three out", key=True)
    if weights.rounding == "stochastic" and weights.bits is None and weights.grid is None:
        message = "Nothing is rounded."
        faults.add(("weights", "rounding"), message, "give `bits` or a `grid`", key=True)
    changed = {"bits", "range", "noise", "mismatch"} & weights.model_fields_set
    for projection in faults.network.projections:
        rule = faults.network.plasticity.get(projection.learn or "")
        if changed and rule is not None and rule.update is None:
            message = (
                f"Weights of '{projection.name}' change at spikes and not by updates: `weights` "
                "says nothing of them."
            )
            faults.add(("weights", min(changed)), message, "leave it out", key=True)
            break
    text = weights.grid
    if text is None:
        return
    path: Path = ("weights", "grid")
    found = _evaluate(faults, path, text, {})
    if found is not None:
        _require(faults, path, text, found, units.NONE)
        if found.value <= 0:
            faults.add(path, f"The grid must be greater than 0, not {found.value:g}.")
