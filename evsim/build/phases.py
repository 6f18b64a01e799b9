"""Phases as tables: the value of every shared input at every step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim import expressions, units
from evsim.build.plan import Phase
from evsim.spec import schema

Column = tuple[str, str]


def build_phases(
    network: schema.Network,
    columns: tuple[Column, ...],
    constants: Mapping[str, tuple[float, ...]],
    variables: Mapping[str, Mapping[str, Any]],
) -> dict[str, Phase]:
    """Return the phases in the order of the file.

    Parameters
    ----------
    columns : the shared inputs, (population, variable), with population "" for protocol constants.
    constants : protocol constants -> dimensions.
    variables : population -> its plan variables.
    """
    phases: dict[str, Phase] = {}
    for name, phase in network.protocol.phases.items():
        steps = phase_steps(phase, network.dt)
        first = 0
        if phase.from_ is not None:
            before = phases[phase.from_]
            first = before.first + before.steps
        phases[name] = Phase(
            name=name,
            steps=steps,
            start=phase.from_,
            first=first,
            shared=_table(network, phase, columns, first, steps, variables),
            sets=_sets(network, phase, columns),
            average=phase.average.variables if phase.average else (),
            average_last=phase.average.last if phase.average else 0,
        )
    return phases


def phase_steps(phase: schema.Phase, dt: float) -> int:
    """Return the number of steps of a phase."""
    return phase.steps if phase.steps is not None else round((phase.duration or 0.0) / dt)


def _names(network: schema.Network, first: int, steps: int) -> dict[str, Any]:
    k = np.arange(first + 1, first + steps + 1, dtype=np.float64)
    second = units.parse("1*second").dimensions
    return {
        "k": k,
        "t": units.Measure((k - 1) * network.dt, second),
        "dt": units.Measure(network.dt, second),
    }


def _table(
    network: schema.Network,
    phase: schema.Phase,
    columns: tuple[Column, ...],
    first: int,
    steps: int,
    variables: Mapping[str, Mapping[str, Any]],
) -> NDArray[np.float64]:
    table = np.zeros((steps, len(columns)))
    values = protocol_values(network, phase, first, steps)
    for at, (population, name) in enumerate(columns):
        if population:
            text = phase.set.get(f"{population}.{name}")
            if text is None:
                table[:, at] = variables[population][name].initial
            else:
                table[:, at] = expressions.evaluate_quantity(text, values).value
        else:
            found = values[name]
            table[:, at] = getattr(found, "value", found)
    return table


def protocol_values(
    network: schema.Network, phase: schema.Phase | None, first: int, steps: int
) -> dict[str, Any]:
    """Return `k`, `t`, `dt` and every protocol constant over a phase's steps."""
    values = _names(network, first, steps)
    for name, text in network.protocol.constants.items():
        override = phase.set.get(name) if phase else None
        values[name] = expressions.evaluate_quantity(override or text, values)
    return values


def _sets(
    network: schema.Network, phase: schema.Phase, columns: tuple[Column, ...]
) -> dict[Column, float]:
    """Values for per-neuron variables, set once at the phase's start."""
    values = protocol_values(network, phase, 0, 1)
    found = {}
    for key, text in phase.set.items():
        population, _, variable = key.partition(".")
        if variable and (population, variable) not in columns:
            value = np.asarray(expressions.evaluate_quantity(text, values).value)
            found[population, variable] = float(value.ravel()[0])
    return found


def constant_dimensions(network: schema.Network) -> dict[str, tuple[float, ...]]:
    """Return the dimensions of every protocol constant, and of `k`."""
    values = protocol_values(network, None, 0, 1)
    dimensionless = (0.0,) * 7
    return {
        name: getattr(value, "dimensions", dimensionless)
        for name, value in values.items()
        if name not in ("t", "dt")
    }
