"""Every touch of Brian2's objects and internals outside code capture.

Written against Brian2 2.9 to 2.11. Groups get an explicit namespace, so that nothing is looked up in
the frames of callers.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from typing import Any

import brian2
from brian2.core.functions import DEFAULT_CONSTANTS, DEFAULT_FUNCTIONS
from brian2.units.fundamentalunits import get_or_create_dimension
from brian2.utils.stringtools import get_identifiers

from evsim import units
from evsim.build.plan import NeuronCode

brian2.BrianLogger.suppress_hierarchy("brian2.stateupdaters.base")
logging.getLogger("brian2").setLevel(logging.ERROR)

BASE_UNITS = ("metre", "kilogram", "second", "amp", "kelvin", "mole", "candela")
FUNCTIONS = frozenset(DEFAULT_FUNCTIONS)
CONSTANTS = frozenset(DEFAULT_CONSTANTS)
RANDOM = frozenset({"rand", "randn", "poisson", "binomial"})


def quantity(value: float, dimensions: tuple[float, ...]) -> Any:
    """Return a Brian2 quantity from an SI value and its dimensions."""
    return brian2.Quantity(value, dim=get_or_create_dimension(list(dimensions)))


def unit_text(dimensions: Iterable[float]) -> str:
    """Return dimensions as a product of base units that Brian2's equations accept.

    Examples
    --------
    >>> unit_text((0, 0, 1, 0, 0, 0, 0))
    'second**1'
    """
    powers = [
        f"{unit}**{power:g}" for unit, power in zip(BASE_UNITS, dimensions, strict=True) if power
    ]
    return "*".join(powers) or "1"


def dimensions_of(variable: Any) -> tuple[float, ...]:
    """Return the seven exponents of a Brian2 variable or quantity."""
    return tuple(float(d) for d in variable.dim._dims)


def identifiers(*texts: str | None) -> set[str]:
    """Return every name that occurs in code or equations."""
    return {name for text in texts if text for name in get_identifiers(text)}


def clock(dt: float, name: str) -> Any:
    """Return a clock with steps of `dt` seconds."""
    return brian2.Clock(dt=dt * brian2.second, name=name)


def equations_text(code: NeuronCode, extra: Iterable[str] = ()) -> str:
    """Return the equations with protocol constants as shared variables."""
    drives = [f"{name} : {unit_text(dims)} (shared)" for name, dims in code.drives.items()]
    return "\n".join([code.equations, *drives, *extra])


def neuron_group(
    name: str, size: int, code: NeuronCode, clock: Any, extra: Iterable[str] = ()
) -> Any:
    """Return the NeuronGroup of a population, with its `run` code in Brian2's slots.

    `extra` lines are added to the equations.
    """
    group = brian2.NeuronGroup(
        size,
        equations_text(code, extra),
        threshold=code.threshold,
        reset=code.reset,
        refractory=_refractory(code),
        clock=clock,
        name=name,
        namespace=namespace(code.namespace),
        **({"method": code.method} if code.method else {}),
    )
    for slot, text in code.run.items():
        group.run_regularly(text, when=slot, clock=clock, name=f"{name}_{slot}")
    return group


def mark_connected(synapses: Any) -> None:
    """Let Brian2 prepare the code of Synapses that have no synapse and never run."""
    synapses._connect_called = True


def namespace(values: Mapping[str, tuple[float, tuple[float, ...]]]) -> dict[str, Any]:
    """Return Brian2's namespace for constants given as (SI value, dimensions)."""
    return {name: quantity(value, dims) for name, (value, dims) in values.items()}


def _refractory(code: NeuronCode) -> Any:
    if code.refractory is None:
        return False
    try:
        return units.parse(code.refractory, unit="second").value * brian2.second
    except ValueError:
        return code.refractory


_UNRESOLVED = re.compile(r"[Tt]he identifier [\"']?(\w+)[\"']? could not be resolved")


def culprit(error: BaseException) -> str | None:
    """Return the name that Brian2's error is about, where it names one."""
    chain: BaseException | None = error
    while chain is not None:
        found = _UNRESOLVED.search(str(chain))
        if found:
            return found.group(1)
        chain = chain.__cause__
    return None


def message(error: BaseException) -> str:
    """Return the innermost text of an error that Brian2 wrapped."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = str(error.args[0]) if error.args else str(error)
    return " ".join(text.split()).rstrip(".") + "."
