"""Phases: their steps, what is set in them, and the shared inputs of every step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from evsim import expressions
from evsim.build.faults import Faults
from evsim.build.plan import Phase
from evsim.build.shared import PIECE, SharedInputs, constant_values
from evsim.expressions import ExpressionError
from evsim.spec import schema

Column = tuple[str, str]


def build_phases(
    network: schema.Network,
    columns: tuple[Column, ...],
    variables: Mapping[str, Mapping[str, Any]],
    faults: Faults,
) -> dict[str, Phase]:
    """Return the phases in the order of the file.

    Parameters
    ----------
    columns : the shared inputs, (population, variable), with population "" for protocol constants.
    variables : population -> its plan variables.
    faults : gets expressions without a finite value, with the step.
    """
    phases: dict[str, Phase] = {}
    for name, phase in network.protocol.phases.items():
        first = 0
        if phase.from_ is not None:
            before = phases[phase.from_]
            first = before.first + before.steps
        shared = SharedInputs(
            steps=phase_steps(phase, network.dt),
            first=first,
            dt=network.dt,
            constants=_constants(network, phase),
            columns=tuple(_column(phase, column, variables) for column in columns),
        )
        sets: Mapping[Column, float] = {}
        try:
            sets = _sets(shared, phase, columns)
            failing = _failing_piece(shared)
        except ExpressionError:
            failing = 0
        if failing is not None:
            _locate(network, name, shared, failing, faults)
        phases[name] = Phase(
            name=name,
            steps=shared.steps,
            start=phase.from_,
            first=first,
            shared=shared,
            sets=sets,
            average=phase.average.variables if phase.average else (),
            average_last=phase.average.last if phase.average else 0,
        )
    return phases


def phase_steps(phase: schema.Phase, dt: float) -> int:
    """Return the number of steps of a phase."""
    return phase.steps if phase.steps is not None else round((phase.duration or 0.0) / dt)


def constant_dimensions(network: schema.Network) -> dict[str, tuple[float, ...]]:
    """Return the dimensions of every protocol constant, and of `k`."""
    values = constant_values(network.protocol.constants, network.dt, 0, 1)
    dimensionless = (0.0,) * 7
    return {
        name: getattr(value, "dimensions", dimensionless)
        for name, value in values.items()
        if name not in ("t", "dt")
    }


def _constants(network: schema.Network, phase: schema.Phase) -> dict[str, str]:
    return {name: phase.set.get(name, text) for name, text in network.protocol.constants.items()}


def _column(
    phase: schema.Phase, column: Column, variables: Mapping[str, Mapping[str, Any]]
) -> str | float:
    population, name = column
    if not population:
        return name
    text = phase.set.get(f"{population}.{name}")
    return text if text is not None else float(variables[population][name].initial)


def _sets(
    shared: SharedInputs, phase: schema.Phase, columns: tuple[Column, ...]
) -> dict[Column, float]:
    """Values for per-neuron variables, set once at the phase's start."""
    found: dict[Column, float] = {}
    values = constant_values(shared.constants, shared.dt, shared.first, 1)
    for key, text in phase.set.items():
        population, _, variable = key.partition(".")
        if variable and (population, variable) not in columns:
            value = np.asarray(expressions.evaluate_quantity(text, values).value)
            found[population, variable] = float(value.ravel()[0])
    return found


def _failing_piece(shared: SharedInputs) -> int | None:
    """Return the first step of the first piece in which a value is not finite, or None."""
    texts = (*shared.constants.values(), *(c for c in shared.columns if isinstance(c, str)))
    varies = any({"k", "t"} & set(expressions.names(text)) for text in texts)
    for begin in range(0, shared.steps if varies else 1, PIECE):
        try:
            shared.piece(begin)
        except ExpressionError:
            return begin
    return None


def _locate(
    network: schema.Network, name: str, shared: SharedInputs, begin: int, faults: Faults
) -> None:
    """Note which expression of a phase has no value, and in which step from `begin` on."""
    settings = network.protocol.phases[name].set
    for step in range(begin, shared.steps):
        values = constant_values({}, shared.dt, shared.first + step, 1)
        for key, text in {**shared.constants, **settings}.items():
            try:
                values[key] = expressions.evaluate_quantity(text, values)
            except ExpressionError as error:
                inside = ("phases", name, "set") if key in settings else ("constants",)
                faults.add(
                    ("protocol", *inside, key),
                    f"'{text}' in step {step} of phase '{name}' (k = {shared.first + step + 1}): "
                    f"{error.message}.",
                )
                return
