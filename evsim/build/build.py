"""Build a Plan from a Network: make Brian2 objects, capture their code, draw initial values."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim import expressions, models, registry, units
from evsim.build import brian2_compat as compat
from evsim.build.capture import Unsupported, capture
from evsim.build.phases import build_phases, constant_dimensions
from evsim.build.plan import Block, NeuronCode, Plan, Population, Projection, Variable
from evsim.build.rules import build_rules
from evsim.build.weights import DEFAULT_WEIGHTS, draw, round_to_grid, shared_shape, spread
from evsim.errors import BuildError, Fault, nearest
from evsim.projections.base import Geometry
from evsim.spec import schema

DIMENSIONLESS = (0.0,) * 7
RESERVED = frozenset({"i", "N", "t", "dt", "t_in_timesteps", "_spikespace"})
Path = tuple[Any, ...]


class _Faults:
    """Mistakes found while building, with their places in the network file."""

    def __init__(self, network: schema.Network):
        self.network = network
        self.found: list[Fault] = []

    def add(self, path: Path, message: str, hint: str = "", name: str | None = None) -> None:
        """Note a fault at `path`; `name` points at its first use inside a block of code."""
        source = self.network.source
        mark = source.find(path, name) if name else source.mark(path)
        self.found.append(Fault(message, mark, source.excerpt(mark), hint))

    def brian2(self, path: Path, error: Exception, known: set[str] | None = None) -> None:
        """Note what Brian2 refused."""
        name = compat.culprit(error)
        if name is None:
            self.add(path, compat.message(error))
        else:
            self.add(path, f"Undefined name '{name}'.", nearest(name, known or set()), name)

    def check(self) -> None:
        """Raise what was found."""
        if self.found:
            raise BuildError(self.found)


def build(network: schema.Network) -> Plan:
    """Return the Plan of a network.

    Raises
    ------
    BuildError : equations, units or initial values are wrong; names every fault with its place.
    """
    faults = _Faults(network)
    dimensions = constant_dimensions(network)
    clock = compat.clock(network.dt, "evsim_clock")
    populations, groups, known = {}, [], {}
    for name in network.populations:
        population, group, dims = _population(network, name, dimensions, clock, faults)
        if group is not None:
            populations[name], known[name] = population, dims
            groups.append(group)
    faults.check()
    blocks = _capture(network, groups, populations, faults)
    faults.check()
    projections, parameters = _projections(network, populations, known, faults)
    populations = {
        name: _written(population, blocks, projections) for name, population in populations.items()
    }
    rules = build_rules(network, populations, dimensions, faults.brian2)
    faults.check()
    for name, declared in network.populations.items():
        for variable in declared.learn:
            parameters[f"{name}.{variable}"] = _learned(network, populations[name], variable)
    columns = _columns(network, populations, dimensions)
    grid = (
        expressions.evaluate_quantity(network.weights.grid, {}).value
        if (network.weights.grid is not None)
        else None
    )
    phases = build_phases(
        network, columns, dimensions, {n: p.variables for n, p in populations.items()}
    )
    dtype = np.dtype(network.precision)
    inputs = tuple(
        (key.partition(".")[0], key.partition(".")[2])
        for key in (network.data.fields if network.data else {})
    )
    return Plan(
        name=network.name,
        dt=network.dt,
        seed=network.seed,
        precision=network.precision,
        populations=populations,
        projections=projections,
        blocks=tuple(blocks),
        rules=rules,
        phases=phases,
        shared=columns,
        inputs=inputs,
        parameters={k: round_to_grid(v, grid).astype(dtype) for k, v in parameters.items()},
        weight_grid=grid,
        fingerprint=_fingerprint(network),
        constants=dimensions,
    )


def _population(
    network: schema.Network,
    name: str,
    constants: Mapping[str, tuple[float, ...]],
    clock: Any,
    faults: _Faults,
) -> tuple[Any, Any, dict[str, tuple[float, ...]]]:
    declared = network.populations[name]
    code = _neuron_code(network, name, constants, faults)
    size = int(np.prod(declared.shape))
    try:
        group = compat.neuron_group(name, size, code, clock)
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
    faults: _Faults,
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
    )
    used = compat.identifiers(*texts)
    own = set(models.variables(neuron))
    for random in sorted(used & compat.RANDOM - own):
        faults.add(
            _equations_path(network, name),
            f"'{random}()' in neuron code cannot be run yet.",
            "draw random values in `init` or `weights`",
            random,
        )
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
    )


def _variable(
    network: schema.Network,
    population: str,
    name: str,
    variable: Any,
    dims: tuple[float, ...],
    faults: _Faults,
) -> Variable:
    declared = network.populations[population]
    share = declared.share.get(name)
    shared = bool(variable.scalar)
    kind = _kind(variable)
    shape = () if shared else (int(np.prod(declared.shape)),)
    initial: NDArray[Any] = np.zeros(shape)
    if name == "lastspike":
        initial = np.full(shape, -1e4)
    elif name == "not_refractory":
        initial = np.ones(shape)
    text = declared.init.get(name)
    if text is not None:
        own = shape if shared or share is None else shared_shape(declared.shape, share)
        names = {"i": np.arange(int(np.prod(own))), "N": float(np.prod(declared.shape))}
        try:
            drawn = draw(text, own, names, dims, network.seed, "init", population, name)
            initial = drawn if share is None else spread(drawn, declared.shape, share)
        except ValueError as error:
            faults.add(("populations", population, "init", name), str(error))
    return Variable(
        name=name,
        kind=kind,
        shared=shared,
        constant=bool(variable.constant or variable.read_only),
        initial=initial.astype({"float": np.float64, "integer": np.int64}.get(kind, np.bool_)),
        unit=compat.unit_text(dims),
        share=share,
        guard=getattr(variable.conditional_write, "name", None),
    )


def _kind(variable: Any) -> Any:
    if variable.is_boolean:
        return "boolean"
    return "integer" if variable.is_integer else "float"


def _capture(
    network: schema.Network,
    groups: list[Any],
    populations: Mapping[str, Population],
    faults: _Faults,
) -> list[Block]:
    origins: dict[str, Path] = {}
    for name in populations:
        path = _equations_path(network, name)
        neuron = network.populations[name].neuron
        code = populations[name].neuron
        for slot in code.run if code else ():
            inside = neuron in network.neurons and slot in network.neurons[neuron].run
            origins[f"{name}_{slot}"] = ("neurons", neuron, "run", slot) if inside else path
        for suffix, field in (("spike_thresholder", "threshold"), ("spike_resetter", "reset")):
            inside = neuron in network.neurons and getattr(network.neurons[neuron], field)
            origins[f"{name}_{suffix}"] = ("neurons", neuron, field) if inside else path
        origins[name] = origins[f"{name}_stateupdater"] = path

    def failed(item: str, error: Exception) -> None:
        owner = next(n for n in sorted(populations, key=len, reverse=True) if item.startswith(n))
        known = {v for v in populations[owner].variables}
        code = populations[owner].neuron
        known |= set(code.namespace) if code else set()
        known |= set(network.protocol.constants)
        faults.brian2(origins.get(item, origins[owner]), error, known)

    try:
        return capture(groups, failed)
    except Unsupported as error:
        raise BuildError(Fault(f"{error}.")) from None


def _written(
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
    variables = {
        name: dataclasses.replace(variable, constant=name not in touched)
        for name, variable in population.variables.items()
    }
    return dataclasses.replace(population, variables=variables)


def _projections(
    network: schema.Network,
    populations: Mapping[str, Population],
    known: Mapping[str, Mapping[str, tuple[float, ...]]],
    faults: _Faults,
) -> tuple[dict[str, Projection], dict[str, NDArray[Any]]]:
    projections, parameters = {}, {}
    for at, declared in enumerate(network.projections):
        source, _, source_variable = declared.from_.partition(".")
        target, _, target_variable = declared.to.partition(".")
        geometry = infer_geometry(network, declared)
        feedback = (declared.feedback or target_variable) if declared.symmetric else None
        projections[declared.name] = Projection(
            name=declared.name,
            geometry=geometry,
            source=source,
            source_variable=source_variable,
            target=target,
            target_variable=target_variable,
            sends=declared.sends,
            feedback_variable=feedback,
        )
        wanted = known[target][target_variable]
        if declared.sends == "value":
            of = known[source][source_variable]
            wanted = tuple(a - b for a, b in zip(wanted, of, strict=True))
        names = {"fan_in": float(geometry.fan_in)}
        text = declared.weights or DEFAULT_WEIGHTS
        try:
            parameters[declared.name] = draw(
                text, geometry.weight_shape, names, wanted, network.seed, "weights", declared.name
            )
        except ValueError as error:
            path = ("projections", at, "weights" if declared.weights else "to")
            faults.add(path, str(error))
    return projections, parameters


def infer_geometry(network: schema.Network, projection: schema.Projection) -> Geometry:
    """Return the geometry of a projection that the checks accepted."""
    module = registry.load("evsim.projections", projection.kind)
    options = {
        "kernel": projection.kernel,
        "stride": projection.stride,
        "padding": projection.padding,
        "pool": projection.pool.average if projection.pool else None,
    }
    geometry: Geometry = module.GEOMETRY.infer(
        network.populations[projection.from_.partition(".")[0]].shape,
        network.populations[projection.to.partition(".")[0]].shape,
        options,
    )
    return geometry


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


def _fingerprint(network: schema.Network) -> str:
    """Return a hash of what decides a run's numbers: not recording, not how long it goes on."""
    content = network.model_dump(mode="json", exclude={"record": True, "protocol": {"epochs"}})
    for name, population in network.populations.items():
        if population.neuron is not None:
            content[f"neuron of {name}"] = dataclasses.asdict(models.neuron(network, name))
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
