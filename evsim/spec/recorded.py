"""Checks of the `record` section."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from evsim.errors import nearest
from evsim.models.base import read_equations
from evsim.spec.faults import Faults, Scope
from evsim.spec.schema import Network, RecordSpikes, RecordStates
from evsim.spec.source import Path


def check_record(faults: Faults, scope: Scope) -> None:
    """Check the `record` section."""
    network, record = faults.network, faults.network.record
    if record.spikes is not None:
        _check_spikes(faults, scope, record.spikes)
    for at, states in enumerate(record.states):
        _check_states(faults, scope, ("record", "states", at), states)
    if record.weights is not None:
        known = [projection.name for projection in network.projections]
        known += [f"{n}.{v}" for n, p in network.populations.items() for v in p.learn]
        parameters = record.weights.parameters
        _check_names(faults, ("record", "weights", "parameters"), "parameter", parameters, known)


def _check_spikes(faults: Faults, scope: Scope, spikes: RecordSpikes) -> None:
    path: Path = ("record", "spikes")
    network = faults.network
    _check_names(
        faults, (*path, "populations"), "population", spikes.populations, network.populations
    )
    if spikes.populations != "all":
        for index, name in enumerate(spikes.populations):
            if name in network.populations and not scope.spiking(name):
                message = f"Population '{name}' sends no spikes."
                faults.add((*path, "populations", index), message)
    _check_names(faults, (*path, "phases"), "phase", spikes.phases, network.protocol.phases)


def _check_states(faults: Faults, scope: Scope, path: Path, states: RecordStates) -> None:
    network, owner = faults.network, states.population
    synaptic = _synaptic_variables(network)
    variables = synaptic.get(owner, scope.variables.get(owner))
    if owner in {projection.name for projection in network.projections} - synaptic.keys():
        message = f"The synapses of '{owner}' run no code and have no states."
        hint = f"`record: {{weights: {{parameters: [{owner}]}}}}` records learned weights"
        faults.add((*path, "population"), message, hint)
    elif owner not in network.populations and owner not in synaptic:
        known = [*network.populations, *synaptic]
        faults.unknown((*path, "population"), "population", owner, known)
    for index, name in enumerate(states.variables):
        if variables is not None and name not in variables:
            what = "Projection" if owner in synaptic else "Population"
            message = f"{what} '{owner}' has no variable '{name}'."
            faults.add((*path, "variables", index), message, nearest(name, variables))
    _refuse_twice(faults, (*path, "variables"), states.variables)
    _check_names(faults, (*path, "phases"), "phase", states.phases, network.protocol.phases)
    if owner in network.populations and isinstance(states.neurons, tuple):
        size = math.prod(network.populations[owner].shape)
        for index, neuron in enumerate(states.neurons):
            if neuron >= size:
                message = f"Population '{owner}' has {size} neurons, from 0."
                faults.add((*path, "neurons", index), message)
    if isinstance(states.neurons, tuple):
        _refuse_twice(faults, (*path, "neurons"), states.neurons)


def _synaptic_variables(network: Network) -> dict[str, Collection[str]]:
    """Return the variables of synapses with code, by projection."""
    found: dict[str, Collection[str]] = {}
    for projection in network.projections:
        rule = network.plasticity.get(projection.learn or "")
        if rule is not None and (rule.on_pre or rule.on_post or rule.equations):
            declared, _ = read_equations(rule.equations)
            states = {n for n, v in declared.items() if v.kind != "subexpression"}
            found[projection.name] = {"w", *states}
    return found


def _check_names(
    faults: Faults, path: Path, what: str, names: str | tuple[str, ...], known: Collection[str]
) -> None:
    if isinstance(names, str):
        return
    for index, name in enumerate(names):
        if name not in known:
            faults.unknown((*path, index), what, name, known)
    _refuse_twice(faults, path, names)


def _refuse_twice(faults: Faults, path: Path, names: Sequence[str | int]) -> None:
    seen = set[str | int]()
    for index, name in enumerate(names):
        if name in seen:
            faults.add((*path, index), f"'{name}' stands here twice.", "leave one out")
        seen.add(name)
