"""Populations: their variables from Brian2 groups, their code as captured blocks."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim import models, units
from evsim.build import brian2_compat as compat
from evsim.build.capture import Unsupported, capture
from evsim.build.code import DTYPES, Block, NeuronCode, TimedValues, Variable
from evsim.build.faults import Faults, Path
from evsim.build.plan import Population, Projection
from evsim.build.weights import draw, largest_of, shared_shape, spread
from evsim.errors import BuildError, Fault
from evsim.spec import schema

RESERVED = frozenset({"i", "N", "t", "dt", "t_in_timesteps"})


def build_population(
    network: schema.Network,
    name: str,
    constants: Mapping[str, tuple[float, ...]],
    arrays: Mapping[str, TimedValues],
    clock: Any,
    faults: Faults,
) -> tuple[Any, Any, dict[str, tuple[float, ...]]]:
    """Return a population, its Brian2 group and the dimensions of every name in it.

    The group is None where Brian2 refuses the equations; `faults` then says why.
    """
    declared = network.populations[name]
    code = _neuron_code(network, name, constants, arrays)
    size = int(np.prod(declared.shape))
    try:
        group = compat.neuron_group(name, size, code, clock)
        compat.check_method(group, code)
    except Exception as error:
        faults.brian2(_equations_path(network, name), error)
        return None, None, {}
    dims = {
        key: compat.dimensions_of(variable)
        for key, variable in group.variables.items()
        if hasattr(variable, "dim")
    }
    variables = {
        key: _variable(network, name, key, variable, dims[key], faults)
        for key, variable in sorted(group.variables.items())
        if _is_state(group, key, variable) and key not in code.drives
    }
    population = Population(
        name=name,
        shape=declared.shape,
        variables=variables,
        neuron=code if declared.neuron else None,
        spikes=code.threshold is not None,
    )
    return population, group, dims


def _is_state(group: Any, name: str, variable: Any) -> bool:
    return (
        getattr(variable, "owner", None) is not None
        and variable.owner.name == group.name
        and type(variable).__name__ == "ArrayVariable"
        and name not in RESERVED
        and not name.startswith("_")
    )


def _equations_path(network: schema.Network, population: str) -> Path:
    declared = network.populations[population]
    if declared.neuron is None or declared.neuron not in network.neurons:
        return ("populations", population)
    neuron = network.neurons[declared.neuron]
    path = ("neurons", declared.neuron)
    return (*path, "equations") if neuron.equations else (*path, "model")


def _neuron_code(
    network: schema.Network,
    name: str,
    constants: Mapping[str, tuple[float, ...]],
    arrays: Mapping[str, TimedValues],
) -> NeuronCode:
    declared = network.populations[name]
    if declared.neuron is None:
        return NeuronCode(f"{declared.values} : 1", None, None, None, None, {}, {}, {})
    neuron = models.neuron(network, name)
    texts = (
        neuron.equations,
        neuron.threshold,
        neuron.reset,
        neuron.refractory,
        *neuron.run.values(),
        *neuron.events.values(),
        *neuron.on_event.values(),
    )
    used = compat.identifiers(*texts)
    own = set(models.variables(neuron))
    parameters = {**neuron.parameters, **declared.set}
    values = {}
    for key, text in parameters.items():
        found = units.parse(text)
        values[key] = (found.value, found.dimensions)
    drives = {
        key: dims
        for key, dims in sorted(constants.items())
        if key in used and key not in own and key not in values
    }
    return NeuronCode(
        equations=neuron.equations,
        threshold=neuron.threshold,
        reset=neuron.reset,
        refractory=neuron.refractory,
        method=neuron.method,
        run=dict(neuron.run),
        namespace=values,
        drives=drives,
        events=dict(neuron.events),
        on_event=dict(neuron.on_event),
        arrays={key: array for key, array in arrays.items() if key in used},
    )


def _variable(
    network: schema.Network,
    population: str,
    name: str,
    variable: Any,
    dims: tuple[float, ...],
    faults: Faults,
) -> Variable:
    declared = network.populations[population]
    share = declared.share.get(name)
    shared = bool(variable.scalar)
    kind = compat.kind_of(variable)
    shape = () if shared else (int(np.prod(declared.shape)),)
    initial: NDArray[Any] = np.zeros(shape)
    if name == "lastspike":
        initial = np.full(shape, -1e4)
    elif name == "not_refractory":
        initial = np.ones(shape)
    text = declared.init.get(name)
    if text is not None:
        own = shape if shared or share is None else shared_shape(declared.shape, share)
        stream = ("init", population, name)
        count = int(np.prod(own))
        names = {"i": np.arange(count), "N": float(count)}
        largest, whole = largest_of(kind, network.precision), kind == "integer"
        try:
            drawn = draw(
                text, own, names, dims, network.seed, *stream, largest=largest, whole=whole
            )
            initial = drawn if share is None else spread(drawn, declared.shape, share)
        except ValueError as error:
            faults.add(("populations", population, "init", name), str(error))
    return Variable(
        name=name,
        kind=kind,
        shared=shared,
        constant=bool(variable.constant or variable.read_only),
        initial=initial.astype(DTYPES[kind]),
        unit=compat.unit_text(dims),
        share=share,
        guard=getattr(variable.conditional_write, "name", None),
    )


def _code_fields(neuron: schema.Neuron | None) -> dict[str, Path]:
    """Return the fields that hold the code of Brian2's objects, by the ends of their names."""
    if neuron is None:
        return {}
    found: dict[str, Path] = {slot: ("run", slot) for slot in neuron.run}
    found |= {f"{event}_thresholder": ("events", event) for event in neuron.events}
    found |= {f"{event}_resetter": ("on_event", event) for event in neuron.on_event}
    for suffix, field in (("spike_thresholder", "threshold"), ("spike_resetter", "reset")):
        if getattr(neuron, field):
            found[suffix] = (field,)
    return found


def capture_blocks(
    network: schema.Network,
    groups: list[Any],
    populations: Mapping[str, Population],
    synapses: Mapping[str, Any],
    faults: Faults,
) -> list[Block]:
    """Return the code of all groups in the order of Brian2's schedule; mistakes go to `faults`.

    Parameters
    ----------
    synapses : projection -> its Synapses, where they have code.
    """
    origins: dict[str, Path] = {}
    for projection in network.projections:
        if projection.name in synapses:
            path = ("plasticity", projection.learn)
            origins[projection.name] = origins[f"{projection.name}_stateupdater"] = path
            for suffix in ("pre", "post"):
                origins[f"{projection.name}_{suffix}"] = (*path, f"on_{suffix}")
    for name in populations:
        path = _equations_path(network, name)
        neuron = network.populations[name].neuron
        for suffix, field in _code_fields(network.neurons.get(str(neuron))).items():
            origins[f"{name}_{suffix}"] = ("neurons", neuron, *field)
        for suffix in ("", "_stateupdater", "_subexpression_update"):
            origins[f"{name}{suffix}"] = path

    def failed(item: str, error: Exception) -> None:
        if item in origins and origins[item][0] == "plasticity":
            faults.brian2(origins[item], error)
            return
        owner = next(n for n in sorted(populations, key=len, reverse=True) if item.startswith(n))
        known = {v for v in populations[owner].variables}
        code = populations[owner].neuron
        known |= set(code.namespace) if code else set()
        known |= set(network.protocol.constants)
        faults.brian2(origins.get(item, origins[owner]), error, known)

    try:
        return capture([*groups, *synapses.values()], failed)
    except Unsupported as error:
        raise BuildError(Fault(f"{error}.")) from None


def mark_written(
    population: Population, blocks: list[Block], projections: Mapping[str, Projection]
) -> Population:
    """Mark variables that neither code nor a projection writes as constant."""
    touched = {s.var for b in blocks if b.owner == population.name for s in b.vector + b.scalar} | {
        "lastspike",
        "not_refractory",
    }
    for projection in projections.values():
        if projection.target == population.name:
            touched.add(projection.target_variable)
        if projection.source == population.name and projection.feedback_variable:
            touched.add(projection.feedback_variable)
        ends = {"pre": projection.source, "post": projection.target}
        for block in (b for b in blocks if b.owner == projection.name):
            symbols = [block.symbols[s.var] for s in (*block.scalar, *block.vector)]
            touched |= {s.variable for s in symbols if ends.get(s.side) == population.name}
    variables = {
        name: dataclasses.replace(variable, constant=name not in touched)
        for name, variable in population.variables.items()
    }
    return dataclasses.replace(population, variables=variables)
