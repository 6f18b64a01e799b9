"""Build a Plan from Brian2 objects that a script has made, as they are at that moment."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import brian2
import numpy as np
from numpy.typing import NDArray

from evsim.build import brian2_compat as compat
from evsim.build.capture import Unsupported, capture
from evsim.build.code import (
    DTYPES,
    Block,
    NeuronCode,
    Symbol,
    SynapseCode,
    TimedValues,
    Variable,
)
from evsim.build.monitors import check_monitors, derived, storing
from evsim.build.objects import sort_objects
from evsim.build.plan import Pathway, Phase, Plan, Population, Projection, Replay
from evsim.build.populations import RESERVED
from evsim.build.shared import SharedInputs
from evsim.build.synapses import RESERVED as SYNAPTIC
from evsim.errors import BuildError, Fault
from evsim.projections.base import Listed
from evsim.replay import ReplayError, spike_list

NEVER = 1e50
"""Seconds from which a period of Brian2 means none."""


def build_script(
    objects: Sequence[Any],
    namespace: Mapping[str, Any],
    *,
    name: str,
    seed: int,
    precision: Any,
    steps: int,
    begun: float = 0.0,
    varied: Iterable[tuple[str, str]] = (),
) -> Plan:
    """Return the Plan of Brian2 objects, which start from their present state.

    Parameters
    ----------
    objects : groups, synapses, inputs and monitors; what they contain comes with them.
    namespace : of names that the objects' own namespaces leave open.
    steps : of the one phase, `run`.
    begun : seconds that the objects have been simulated for.
    varied : (group, variable) pairs that differ from trial to trial.

    Raises
    ------
    BuildError : names every object that cannot be run, and why.
    """
    script = sort_objects(objects)
    if script.wrong:
        raise BuildError([Fault(text) for text in script.wrong])
    stored = [runner for monitor in script.monitors for runner in derived(monitor)]
    running = [*script.groups, *script.synapses, *script.runners, *stored]
    calls = {}
    for item in script.runners:
        if isinstance(item, brian2.PoissonInput):
            chance = float(item.rate * item.clock.dt)
            function = next(n for n in item.variables if n.startswith("poissoninput_binomial"))
            calls[function] = f"binomial({int(item.N)}, {chance!r})"
    try:
        blocks = capture(running, None, namespace, calls)
    except Unsupported as error:
        raise BuildError([Fault(f"{error}, which evsim does not run.")]) from None
    except Exception as error:
        raise BuildError([Fault(f"Brian2 refuses the network: {compat.message(error)}")]) from error
    dt = _dt([*script.groups, *script.generators])
    periods = {i.name: _period(i, dt) for i in compat.in_order(running)}
    blocks = [replace(b, every=periods.get(b.name, 1)) for b in blocks]
    check_monitors(script.monitors, blocks)
    names = {runner.name for runner in stored}
    blocks = [storing(b) if b.name in names else b for b in blocks]
    arrays = _arrays(blocks, running, namespace, dt)
    populations = {g.name: _population(g, blocks, script.synapses, arrays) for g in script.groups}
    populations |= {g.name: _generator(g, dt) for g in script.generators}
    projections = {s.name: _projection(s, blocks, populations, arrays, dt) for s in script.synapses}
    first = round(begun / dt)
    shared = SharedInputs(steps=steps, first=first, dt=dt, constants={}, columns=())
    return Plan(
        name=name,
        dt=dt,
        seed=seed,
        precision=precision,
        populations=populations,
        projections=projections,
        blocks=tuple(block for block in blocks if block.template != "synapses"),
        rules={},
        phases={"run": Phase("run", steps, None, first, shared, {})},
        shared=(),
        inputs=tuple(varied),
        parameters={},
        storage={},
        fingerprint=_fingerprint(blocks, populations, projections, seed, precision, first),
    )


def _dt(items: Sequence[Any]) -> float:
    return float(items[0].clock.dt_)


def _period(item: Any, dt: float) -> int:
    """Return the steps from one run of an object's code to the next."""
    ratio = float(item.clock.dt_) / dt
    if ratio < 0.5 or abs(ratio - round(ratio)) > 1e-6 * ratio:
        raise BuildError(
            [Fault(f"'{item.name}' runs every {item.clock.dt}, no multiple of the groups' dt.")]
        )
    return round(ratio)


def _population(
    group: Any,
    blocks: Sequence[Block],
    synapses: Sequence[Any],
    arrays: Mapping[str, TimedValues],
) -> Population:
    written = {"lastspike", "not_refractory"}
    for block in blocks:
        written |= block.written if block.owner == group.name else set()
    for made in synapses:
        ends = {"pre": compat.whole(made.source).name, "post": compat.whole(made.target).name}
        for block in (b for b in blocks if b.owner == made.name):
            symbols = [block.symbols[s.var] for s in (*block.scalar, *block.vector)]
            written |= {s.variable for s in symbols if ends.get(s.side) == group.name}
            if block.sums is not None and ends[block.sums[0]] == group.name:
                written.add(block.sums[1])
    variables = {
        name: _variable(name, variable, name in written)
        for name, variable in sorted(group.variables.items())
        if getattr(variable, "owner", None) is not None
        and variable.owner.name == group.name
        and type(variable).__name__ == "ArrayVariable"
        and name not in RESERVED
        and not (name.startswith("_") and name.endswith("space"))
    }
    variables |= {
        symbol.variable: _stored(group, symbol)
        for block in blocks
        if block.owner == group.name
        for symbol in block.symbols.values()
        if symbol.role == "state" and compat.is_derived(group, symbol.variable)
    }
    own = {key for b in blocks if b.owner == group.name for key in b.symbols if key in arrays}
    return Population(
        name=group.name,
        shape=(len(group),),
        variables=variables,
        neuron=NeuronCode(
            equations=str(getattr(group, "equations", "")),
            threshold=group.events.get("spike"),
            reset=None,
            refractory=None,
            method=None,
            run={},
            namespace={},
            drives={},
            arrays={name: arrays[name] for name in sorted(own)},
        ),
        spikes="spike" in group.events,
    )


def _variable(name: str, variable: Any, written: bool) -> Variable:
    kind = compat.kind_of(variable)
    values: NDArray[Any] = np.array(variable.get_value(), DTYPES[kind])
    shared = bool(variable.scalar)
    return Variable(
        name=name,
        kind=kind,
        shared=shared,
        constant=not written,
        initial=values.ravel()[0].reshape(()) if shared else values,
        unit=compat.unit_text(compat.dimensions_of(variable)),
        guard=getattr(getattr(variable, "conditional_write", None), "name", None),
    )


def _stored(group: Any, symbol: Symbol) -> Variable:
    """Return the state that keeps a value of an equation."""
    return Variable(
        name=symbol.variable,
        kind=symbol.kind,
        shared=symbol.shared,
        constant=False,
        initial=np.zeros(() if symbol.shared else len(group), DTYPES[symbol.kind]),
        unit=compat.unit_text(compat.dimensions_of(group.variables[symbol.variable])),
    )


def _generator(group: Any, dt: float) -> Population:
    period = float(group.variables["period"].get_value().item())
    steps = 0 if period > NEVER or period == 0 else round(period / dt)
    if 0 < period < NEVER and abs(period - steps * dt) > 1e-6 * period:
        text = f"'{group.name}': its period, {period:g} s, is no multiple of its dt, {dt:g} s."
        raise BuildError([Fault(text)])
    times, neurons = np.asarray(group._spike_time), np.asarray(group._neuron_index)
    try:
        spikes = spike_list(times, neurons, len(group), dt, steps, merge=False)
    except ReplayError as error:
        raise BuildError([Fault(f"'{group.name}': {error.message}.", hint=error.hint)]) from None
    return Population(group.name, (len(group),), {}, None, True, Replay(spikes, steps))


def _projection(
    synapses: Any,
    blocks: Sequence[Block],
    populations: Mapping[str, Population],
    arrays: Mapping[str, TimedValues],
    dt: float,
) -> Projection:
    source, target = compat.whole(synapses.source).name, compat.whole(synapses.target).name
    pre = np.array(synapses.variables["_synaptic_pre"].get_value(), np.int64)
    post = np.array(synapses.variables["_synaptic_post"].get_value(), np.int64)
    own = [block for block in blocks if block.owner == synapses.name]
    written = {
        block.symbols[s.var].variable
        for block in own
        for s in (*block.scalar, *block.vector)
        if s.op != ":=" and not block.symbols[s.var].side
    }
    variables = {
        name: _variable(name, variable, name in written)
        for name, variable in sorted(synapses.variables.items())
        if getattr(variable, "owner", None) is not None
        and variable.owner.name == synapses.name
        and type(variable).__name__ in ("ArrayVariable", "DynamicArrayVariable")
        and not name.startswith(("_", "N_"))
        and name not in SYNAPTIC
    }
    by_name = {block.name: block for block in own}
    pathways = tuple(
        Pathway(
            name=made.objname,
            side=made.prepost,
            order=made.order,
            delay=_delay(made, len(pre), dt),
            block=by_name[made.name],
            event=made.event,
            rank=made.name,
        )
        for made in sorted(synapses._pathways, key=lambda made: made.name)
        if made.active
    )
    return Projection(
        name=synapses.name,
        geometry=Listed(populations[source].shape, populations[target].shape, pre, post),
        source=source,
        source_variable="",
        target=target,
        target_variable="",
        sends="spikes",
        feedback_variable=None,
        pathways=pathways,
        code=SynapseCode(
            equations=str(synapses.equations),
            on_pre=None,
            on_post=None,
            method=None,
            namespace={},
            drives={},
            weight="",
            transmits=True,
            learns=False,
            arrays={n: a for n, a in arrays.items() if any(n in b.symbols for b in own)},
        ),
        variables=variables,
    )


def _delay(pathway: Any, count: int, dt: float) -> NDArray[np.int64]:
    values = np.asarray(pathway._delays.get_value())
    steps = np.floor(values / dt + 0.5).astype(np.int64)
    same = steps.size and (steps == steps.flat[0]).all()
    return np.asarray(steps.flat[0]) if same or len(steps) != count else steps


def _arrays(
    blocks: Sequence[Block], items: Sequence[Any], namespace: Mapping[str, Any], dt: float
) -> dict[str, TimedValues]:
    """Return the arrays over time that code reads, by the name it knows them under."""
    by_name = {item.name: item for item in items}
    found: dict[str, tuple[Any, TimedValues]] = {}
    for block in blocks:
        for name, symbol in block.symbols.items():
            if symbol.role != "array":
                continue
            group = by_name[block.owner]
            array = group.namespace.get(name, namespace.get(name))
            before = found.get(name)
            if before is not None and before[0] is not array:
                message = f"Two arrays are named '{name}'; give each its own name."
                raise BuildError([Fault(message)])
            step = float(array.dt)
            epsilon, finer = compat.time_resolution(step, dt)
            values = np.asarray(array.values, np.float64)
            dims = tuple(float(d) for d in array.dim._dims)
            found[name] = (array, TimedValues(name, values, step, dims, epsilon, finer))
    return {name: values for name, (_, values) in found.items()}


def _fingerprint(
    blocks: Sequence[Block],
    populations: Mapping[str, Population],
    projections: Mapping[str, Projection],
    seed: int,
    precision: str,
    first: int,
) -> str:
    """Return a hash of code, start state and synapses."""
    digest = hashlib.sha256(f"{seed} {precision} {first}".encode())
    for block in blocks:
        fields = replace(block, symbols=dict(sorted(block.symbols.items())))
        digest.update(repr(fields).encode())
    owners = [(p.name, p.variables) for p in populations.values()]
    for name, variables in owners + [(p.name, p.variables) for p in projections.values()]:
        for variable in variables.values():
            digest.update(f"{name}.{variable.name}".encode())
            digest.update(variable.initial.tobytes())
    for projection in projections.values():
        synapses = projection.geometry.synapses()
        digest.update(synapses.pre.tobytes() + synapses.post.tobytes())
        for pathway in projection.pathways:
            digest.update(f"{pathway.rank} {pathway.event}".encode() + pathway.delay.tobytes())
    return digest.hexdigest()
