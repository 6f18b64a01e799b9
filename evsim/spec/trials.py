"""Checks of what ties trials and phases together: `keep`, `reduce`, `repeat`, tests' constants."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

from evsim import expressions, units
from evsim.errors import nearest
from evsim.expressions import ExpressionError, ValueUndefinedError
from evsim.spec.faults import Faults, Scope
from evsim.spec.plasticity import assigned
from evsim.spec.source import Path
from evsim.syntax import is_condition

SPIKES = re.compile(r"\bspikes\(\s*(\w+)\s*\)")


def check_keep(faults: Faults, scope: Scope) -> None:
    """Check `keep` and `reduce`."""
    protocol = faults.network.protocol
    for index, key in enumerate(protocol.keep):
        _check_kept(faults, scope, ("protocol", "keep", index), key)
    if protocol.keep and protocol.batch > 1 and protocol.reduce is None:
        message = f"What a batch of {protocol.batch} trials leaves cannot all be kept."
        hint = "add `reduce: mean` (or sum) of the changes, or run trials in turn with `batch: 1`"
        faults.add(("protocol", "keep"), message, hint, key=True)
    if protocol.reduce is not None and not protocol.keep:
        message = "Nothing is kept from trial to trial: there is nothing to reduce."
        faults.add(("protocol", "reduce"), message, "name variables with `keep`", key=True)


def _check_kept(faults: Faults, scope: Scope, path: Path, key: str) -> None:
    network = faults.network
    owner, _, variable = key.partition(".")
    for projection in network.projections:
        if projection.name == owner:
            rule = network.plasticity.get(projection.learn or "")
            changing = assigned(rule) if rule is not None else set()
            if variable == "w" and rule is not None and rule.update is not None:
                message = f"The updates of plasticity '{projection.learn}' keep '{key}'."
                faults.add(path, message, "leave it out of `keep`")
            elif variable not in changing:
                message = f"No code at spikes changes '{variable}' of projection '{owner}'."
                faults.add(path, message, nearest(variable, changing - {"g", "target"}))
            return
    if owner not in network.populations and not network.projections:
        faults.unknown(path, "population", owner, network.populations)
        return
    if owner not in network.populations:
        known = [*network.populations, *(p.name for p in network.projections)]
        faults.unknown(path, "population or projection", owner, known)
        return
    found = scope.reference(faults, path, key)
    if found is None:
        return
    declared = scope.variables.get(owner, {}).get(variable)
    setting = [name for name, phase in network.protocol.phases.items() if key in phase.set]
    if declared is not None and declared.kind == "subexpression":
        message = f"'{key}' follows from its equation: there is nothing to keep."
        faults.add(path, message, "leave it out")
    elif setting:
        message = f"Phase '{setting[0]}' sets '{key}' in every trial: there is nothing to keep."
        faults.add(path, message, "leave it out")
    elif variable in network.populations[owner].learn:
        message = f"'{key}' is learned by plasticity '{network.populations[owner].learn[variable]}'"
        faults.add(path, f"{message}, which keeps it.", "leave it out of `keep`")


def check_repeat(faults: Faults, scope: Scope, constants: dict[str, Any]) -> None:
    """Check every phase's `repeat`; `constants` are their values in a trial's first step."""
    phases = faults.network.protocol.phases
    order, inside = list(phases), set[str]()
    for at, (name, phase) in enumerate(phases.items()):
        if phase.repeat is None:
            continue
        path: Path = ("protocol", "phases", name, "repeat")
        back = phase.repeat.from_ or name
        if back not in order[: at + 1]:
            message = f"Phase '{back}' does not run before the end of '{name}'."
            faults.add((*path, "from"), message, nearest(back, order[: at + 1]))
            continue
        stretch = order[order.index(back) : at + 1]
        for before, after in zip(stretch, stretch[1:], strict=False):
            if phases[after].from_ != before:
                message = f"Phase '{after}' is repeated after '{before}', but starts elsewhere."
                faults.add(("protocol", "phases", after), message, f"add `from: {before}`", True)
        for later in order[at + 1 :]:
            if phases[later].from_ in stretch:
                message = f"Phase '{later}' starts from '{phases[later].from_}', which is repeated."
                hint = "leave `from` out, or let the phase end early (`settle`)"
                faults.add(("protocol", "phases", later, "from"), message, hint)
        if inside & set(stretch):
            faults.add(path, "Two stretches that are repeated overlap.", key=True)
        inside |= set(stretch)
        _check_until(faults, scope, (*path, "until"), phase.repeat.until)
        check_constants(faults, (*path, "set"), phase.repeat.set, constants)


def _check_until(faults: Faults, scope: Scope, path: Path, text: str) -> None:
    populations = faults.network.populations
    for match in SPIKES.finditer(text):
        problem, hint = "", ""
        if match[1] not in populations:
            problem, hint = f"unknown population '{match[1]}'", nearest(match[1], populations)
        elif not scope.spiking(match[1]):
            problem = f"population '{match[1]}' sends no spikes"
        if problem:
            faults.inside(path, text, ExpressionError(problem, match.start(1), hint=hint))
            return
    # A name as long as the call, so that columns stay.
    plain = SPIKES.sub(lambda match: "s" + "_" * (len(match[0]) - 1), text)
    known = {"s" + "_" * (len(m[0]) - 1): 1.0 for m in SPIKES.finditer(text)}
    hint = "conditions are over `spikes(population)`"
    try:
        for name, column in expressions.names(plain).items():
            if name not in known and name not in units.UNITS | units.CONSTANTS:
                raise ExpressionError(f"undefined name '{name}'", column, hint=hint)
        with suppress(ValueUndefinedError):
            expressions.evaluate(plain, known)
        if not known:
            raise ExpressionError("the condition does not depend on what happens", 0, hint=hint)
        if not is_condition(plain):
            message = f"'{text}' is no condition"
            raise ExpressionError(message, hint=f"compare it, for example '{text} > 0'")
    except ExpressionError as error:
        faults.inside(path, text, error)


def named_spikes(condition: str) -> str:
    """Return a condition with `spikes_of_population` in place of every `spikes(population)`."""
    return SPIKES.sub(r"spikes_of_\1", condition)


def check_constants(
    faults: Faults, path: Path, settings: dict[str, str], values: dict[str, Any]
) -> None:
    """Check a section that gives constants of the protocol other values."""
    constants = faults.network.protocol.constants
    for key, text in settings.items():
        if key not in constants:
            message = f"'{key}' is not a constant of the protocol."
            faults.add((*path, key), message, nearest(key, constants), key=True)
            continue
        try:
            found = expressions.evaluate_quantity(text, values)
            before = values[key]
            if hasattr(before, "dimensions"):
                expressions.require(found, before.dimensions, text)
        except ExpressionError as error:
            faults.inside((*path, key), text, error)
