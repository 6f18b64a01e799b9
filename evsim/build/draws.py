"""Random numbers in code: each call becomes a variable that engines fill.

Brian2 resolves code, the noise `xi` included, into calls. Replacing each call by a variable of its
own before the code is captured or compiled gives every engine the same numbers: those of the stream
that is named by the object and the variable. Calls with arguments become functions of such a
variable and the arguments: `poisson(lam)` is `_poisson_at(_chance_0, lam)`, see `engines.counts`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

Kind = Literal["uniform", "normal", "chance"]
"""Uniform and normal numbers, and chances: uniform numbers in double precision."""

_CALL = re.compile(r"\b(?:(rand|randn)\s*\(\s*\)|(poisson|binomial)\s*\()")
_KINDS: dict[str, Kind] = {"rand": "uniform", "randn": "normal"}
_VARIABLE = re.compile(r"_(uniform|normal|chance)_\d+")


def kind_of(name: str) -> Kind | None:
    """Return what a variable of `name_draws` holds; None for any other name."""
    found = _VARIABLE.fullmatch(name)
    return found[1] if found else None  # type: ignore[return-value]


def name_draws(description: dict[str, Any], functions: Mapping[str, Any]) -> list[str]:
    """Replace the calls in what Brian2 hands to a device; return the variables, in order.

    Parameters
    ----------
    description : arguments of Brian2's `Device.code_object`; its code and variables are changed.
    functions : that calls with arguments become, by name.
    """
    names: list[str] = []

    def replace(call: re.Match[str]) -> str:
        names.append(f"_{_KINDS[call[1]] if call[1] else 'chance'}_{len(names)}")
        return names[-1] if call[1] else f"_{call[2]}_at({names[-1]}, "

    code = description["abstract_code"]
    if isinstance(code, str):
        description["abstract_code"] = _CALL.sub(replace, code)
    else:
        description["abstract_code"] = {
            block: _CALL.sub(replace, text) for block, text in code.items()
        }
    if names:
        owner = description["owner"]
        description["variables"] = {**description["variables"], **functions}
        for name in ("poisson", "binomial"):
            description["variables"].pop(name, None)
        for name in names:
            if name not in owner.variables:
                owner.variables.add_array(name, size=len(owner), dtype=np.float64)
            description["variables"][name] = owner.variables[name]
            description["variable_indices"][name] = "_idx"
    return names
