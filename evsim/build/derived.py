"""Variables that follow from others: Brian2's subexpressions, which recordings ask for."""

from __future__ import annotations

from typing import Any

import numpy as np

from evsim.build import brian2_compat as compat
from evsim.build.code import CLOCK, Derived
from evsim.spec import schema


def build_derived(
    network: schema.Network, population: str, group: Any, drives: frozenset[str]
) -> dict[str, Derived]:
    """Return the subexpressions of a population that `record` asks for.

    Parameters
    ----------
    group : its NeuronGroup.
    drives : protocol constants that its code sees.
    """
    found = {}
    for entry in network.record.states:
        for name in entry.variables:
            if entry.population != population or not compat.is_derived(group, name):
                continue
            text, symbols = compat.expanded(group, name)
            variable = group.variables[name]
            states = {n for n, value in symbols.items() if value is None}
            found[name] = Derived(
                name=name,
                kind=compat.kind_of(variable),
                shared=bool(variable.scalar),
                unit=compat.unit_text(compat.dimensions_of(variable)),
                size=int(np.prod(network.populations[population].shape)),
                text=text,
                states=tuple(sorted(states - drives - CLOCK)),
                drives=tuple(sorted(states & drives)),
                namespace={n: value for n, value in symbols.items() if value is not None},
            )
    return found
