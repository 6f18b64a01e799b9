"""Build a Plan from a Network: make Brian2 objects, capture their code, draw initial values."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim import models
from evsim.build import brian2_compat as compat
from evsim.build.arrays import check_columns, digests, read_arrays
from evsim.build.code import SynapseCode, TimedValues
from evsim.build.derived import build_derived
from evsim.build.faults import Faults
from evsim.build.phases import build_phases, constant_dimensions
from evsim.build.plan import Plan, Population
from evsim.build.populations import build_population, capture_blocks, mark_written
from evsim.build.projections import build_projections
from evsim.build.replay import build_replay
from evsim.build.rules import build_rules
from evsim.build.storage import build_storage
from evsim.build.synapses import name_weight, synapse_code
from evsim.spec import schema


def build(network: schema.Network, beside: Path | None = None) -> Plan:
    """Return the Plan of a network.

    Parameters
    ----------
    beside : folder that relative paths of `arrays` and of spikes start from; by default the
        network file's.

    Raises
    ------
    BuildError : equations, units or initial values are wrong; names every fault with its place.
    """
    faults = Faults(network)
    dimensions = constant_dimensions(network)
    folder = beside or Path(network.source.name).parent
    arrays = read_arrays(network, folder, faults)
    faults.check()
    clock = compat.clock(network.dt, "evsim_clock")
    populations, known, groups = _populations(network, dimensions, arrays, folder, clock, faults)
    faults.check()
    codes, synapses = _synapses(network, known, dimensions, groups, clock, faults)
    faults.check()
    blocks = capture_blocks(network, groups, populations, synapses, faults)
    blocks = [name_weight(block, codes) for block in blocks]
    check_columns(blocks, populations, faults)
    faults.check()
    projections, parameters = build_projections(
        network, populations, known, codes, synapses, blocks, faults
    )
    populations = {
        name: mark_written(population, blocks, projections)
        for name, population in populations.items()
    }
    rules = build_rules(network, populations, dimensions, faults.brian2)
    faults.check()
    for name, declared in network.populations.items():
        for variable in declared.learn:
            parameters[f"{name}.{variable}"] = _learned(network, populations[name], variable)
    columns = _columns(network, populations, dimensions)
    storage = build_storage(network, parameters, faults)
    variables = {name: population.variables for name, population in populations.items()}
    phases = build_phases(network, columns, variables, faults)
    faults.check()
    dtype = np.dtype(network.precision)
    return Plan(
        name=network.name,
        dt=network.dt,
        seed=network.seed,
        precision=network.precision,
        populations=populations,
        projections=projections,
        blocks=tuple(block for block in blocks if block.template != "synapses"),
        rules=rules,
        phases=phases,
        shared=columns,
        inputs=_pairs(network.data.fields if network.data else ()),
        parameters={
            name: storage[name].write(values, 0).astype(dtype)
            for name, values in parameters.items()
        },
        storage=storage,
        fingerprint=_fingerprint(network, populations, arrays),
        constants=dimensions,
        kept=_pairs(network.protocol.keep),
    )


def _populations(
    network: schema.Network,
    constants: Mapping[str, tuple[float, ...]],
    arrays: Mapping[str, TimedValues],
    folder: Path,
    clock: Any,
    faults: Faults,
) -> tuple[dict[str, Population], dict[str, Mapping[str, tuple[float, ...]]], list[Any]]:
    """Return the populations, the dimensions of their variables, and their Brian2 groups."""
    populations: dict[str, Population] = {}
    known: dict[str, Mapping[str, tuple[float, ...]]] = {}
    groups = []
    for name, declared in network.populations.items():
        if declared.spikes is not None:
            populations[name], known[name] = build_replay(network, name, folder, faults), {}
            continue
        population, group, dims = build_population(network, name, constants, arrays, clock, faults)
        if group is not None:
            derived = build_derived(network, name, group, frozenset(constants))
            populations[name] = dataclasses.replace(population, derived=derived)
            known[name] = dims
            groups.append(group)
    return populations, known, groups


def _pairs(keys: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return `owner.variable` as (owner, variable)."""
    return tuple((key.partition(".")[0], key.partition(".")[2]) for key in keys)


def _synapses(
    network: schema.Network,
    known: Mapping[str, Mapping[str, tuple[float, ...]]],
    constants: Mapping[str, tuple[float, ...]],
    groups: list[Any],
    clock: Any,
    faults: Faults,
) -> tuple[dict[str, SynapseCode], dict[str, Any]]:
    """Return the code of projections whose synapses have any, and their Brian2 objects."""
    by_name = {group.name: group for group in groups}
    for name, declared in network.populations.items():
        if declared.spikes is not None:
            by_name[name] = compat.senders(name, int(np.prod(declared.shape)), clock)
    codes, made = {}, {}
    for projection in network.projections:
        code = synapse_code(network, projection, known, constants)
        if code is None:
            continue
        source, target = projection.from_.partition(".")[0], projection.to.partition(".")[0]
        try:
            made[projection.name] = compat.synapses(
                projection.name, code, by_name[source], by_name[target], clock
            )
            codes[projection.name] = code
        except Exception as error:
            faults.brian2(("plasticity", projection.learn), error)
    return codes, made


def _learned(network: schema.Network, population: Population, name: str) -> NDArray[Any]:
    variable = population.variables[name]
    values = variable.initial
    if variable.share == "channel":
        return values.reshape(population.shape[0], -1)[:, 0].copy()
    return values[0].copy() if variable.share == "all" else values.copy()


def _columns(
    network: schema.Network,
    populations: Mapping[str, Population],
    constants: Mapping[str, tuple[float, ...]],
) -> tuple[tuple[str, str], ...]:
    columns = [("", name) for name in constants]
    for phase in network.protocol.phases.values():
        for key in phase.set:
            name, _, variable = key.partition(".")
            if variable and populations[name].variables[variable].shared:
                columns.append((name, variable))
    return tuple(dict.fromkeys(columns))


def _fingerprint(
    network: schema.Network,
    populations: Mapping[str, Population],
    arrays: Mapping[str, TimedValues],
) -> str:
    """Return a hash of what decides a run's numbers: not recording, not how long it goes on."""
    content = network.model_dump(mode="json", exclude={"record": True, "protocol": {"epochs"}})
    for name, population in network.populations.items():
        if population.neuron is not None:
            content[f"neuron of {name}"] = dataclasses.asdict(models.neuron(network, name))
        replay = populations[name].replay
        if replay is not None and replay.spikes is not None:
            digest = hashlib.sha256(replay.spikes.tobytes()).hexdigest()
            content[f"spikes of {name}"] = digest
    content["content of arrays"] = digests(arrays.values())
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
