"""Checks of what learns by updates: nothing else may change it."""

from __future__ import annotations

from collections.abc import Iterator

from evsim.models.base import TYPES
from evsim.spec.faults import Faults, Scope
from evsim.spec.neurons import assigned_by_neuron
from evsim.spec.plasticity import assigned
from evsim.spec.schema import Network, Projection
from evsim.spec.source import Path


def check_learned(faults: Faults, scope: Scope) -> None:
    """Check the `learn` sections of populations, and rates of projections that learn."""
    network = faults.network
    for name, population in network.populations.items():
        for variable, rule in population.learn.items():
            path: Path = ("populations", name, "learn", variable)
            if rule not in network.plasticity:
                faults.unknown(path, "plasticity", rule, network.plasticity)
            elif name in scope.neurons and variable in scope.variables[name]:
                _check_variable(faults, scope, path, name, variable)
    for index, projection in enumerate(network.projections):
        _check_rate(faults, ("projections", index, "rate"), projection)


def _check_variable(
    faults: Faults, scope: Scope, path: Path, population: str, variable: str
) -> None:
    declared = scope.variables[population][variable]
    if declared.kind == "subexpression":
        return
    if declared.kind == "differential":
        message = f"'{variable}' changes by its own equation and cannot be learned."
        faults.add(path, message, key=True)
    elif "shared" in declared.flags:
        message = f"'{variable}' is shared: what is learned has a value for every neuron."
        hint = f"leave (shared) out, and write `share: {{{variable}: all}}`"
        faults.add(path, message, hint, key=True)
    elif declared.unit_text in TYPES:
        message = f"'{variable}' is {declared.unit_text}: updates are of real numbers."
        faults.add(path, message, key=True)
    elif writer := next(_writers(faults.network, scope, population, variable), None):
        message = f"'{variable}' is learned by updates, but {writer}."
        faults.add(path, message, "keep one of the two", key=True)


def _writers(network: Network, scope: Scope, population: str, variable: str) -> Iterator[str]:
    """Yield what else changes a variable."""
    key = f"{population}.{variable}"
    if variable in assigned_by_neuron(scope.neurons[population]):
        yield "its neuron's code assigns it"
    for projection in network.projections:
        ends = _ends(projection)
        back = projection.feedback or ends["post"][1]
        fed = projection.symmetric and (ends["pre"][0], back) == (population, variable)
        if fed or ends["post"] == (population, variable):
            yield f"projection '{projection.name}' adds to it"
        rule = network.plasticity.get(projection.learn or "")
        names = {f"{variable}_{side}" for side, end in ends.items() if end[0] == population}
        if rule is not None and names & assigned(rule):
            yield f"code of projection '{projection.name}' assigns it"
    for name, phase in network.protocol.phases.items():
        if key in phase.set:
            yield f"phase '{name}' sets it"
    if network.data is not None and key in network.data.fields:
        yield "a field of the data sets it"


def _ends(projection: Projection) -> dict[str, tuple[str, str]]:
    """Return population and variable ("" where spikes are sent) of each end."""
    ends = {}
    for side, text in (("pre", projection.from_), ("post", projection.to)):
        population, _, variable = text.partition(".")
        ends[side] = population, variable
    return ends


def _check_rate(faults: Faults, path: Path, projection: Projection) -> None:
    if projection.rate is None:
        return
    rule = faults.network.plasticity.get(projection.learn or "")
    if projection.learn is None:
        hint = "add `learn`, or leave `rate` out"
        faults.add(path, "A projection that does not learn has no rate.", hint)
    elif rule is not None and rule.update is None:
        message = f"Plasticity '{projection.learn}' has no `update` whose rate this could be."
        faults.add(path, message, "leave `rate` out", key=True)
