"""Brian2 scripts on the fused engine: many trials at once, with the recordings of any other run.

import brian2 as b2
import evsim

...                                   # the script's own groups, synapses and monitors
network = b2.Network(b2.collect())
program = evsim.compile(network, trials=64, parameters={"cells.current": currents})
result = program.run(1*b2.second)
recording = evsim.open(result.folder)
"""

from __future__ import annotations

import inspect
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import brian2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from evsim import engines, units
from evsim.build import brian2_compat as compat
from evsim.build.objects import sort_objects
from evsim.build.plan import Plan
from evsim.build.script import build_script
from evsim.build.weights import largest_of
from evsim.engines.base import Program
from evsim.errors import BuildError, EngineError, Fault, nearest
from evsim.orchestrator.report import Reporter
from evsim.orchestrator.samples import Samples
from evsim.recording.folder import RunFolder
from evsim.recording.layout import Layout
from evsim.recording.provenance import provenance
from evsim.recording.writer import Writer
from evsim.simulate import Result, execute
from evsim.spec.schema import Network
from evsim.spec.source import Source
from evsim.spec.types import MAX_STEPS, RUN_NAME
from evsim.units import shorten

Key = tuple[str, str]


def compile(
    objects: Any,
    *,
    trials: int = 1,
    seed: int = 0,
    parameters: Mapping[str, ArrayLike] | None = None,
    precision: Literal["float32", "float64"] = "float64",
    math: Literal["own", "libm"] = "own",
    name: str = "script",
    namespace: Mapping[str, Any] | None = None,
) -> Script:
    """Take a network of a Brian2 script as it is now; refuse by name what cannot be run.

    Neurons, synapses with delays and plasticity, PoissonGroup, PoissonInput, SpikeGeneratorGroup
    and TimedArray run as in Brian2, in its order. SpikeMonitor, PopulationRateMonitor (as spikes)
    and StateMonitor say what is recorded. Numbers are Brian2's, bit by bit where Brian2 is compiled
    without reordering of sums; random numbers come from evsim's streams.

    Parameters
    ----------
    objects : a brian2.Network, or an iterable of objects.
    trials : runs from the same start, each with random numbers of its own.
    seed : of all random numbers.
    parameters : "group.variable" -> what its trials start with: (trials,), one value each, or
        (trials, neurons); a brian2.Quantity, or SI values. Synapses' variables have one value a
        synapse.
    precision : of states.
    math : exponentials and logarithms that are the same on every machine, within two units in the
        last place of the C library's (tanh within three), or the C library's.
    name : of the run's folder.
    namespace : of names in equations; by default the caller's variables, as in Brian2.

    Raises
    ------
    BuildError : objects cannot be run; names each of them.
    EngineError : the code needs what the fused engine does not have.
    """
    if namespace is None:
        frame = inspect.currentframe()
        caller = frame.f_back if frame is not None else None
        namespace = {**caller.f_globals, **caller.f_locals} if caller is not None else {}
    _check(trials, seed, precision, math, name)
    items = _items(objects)
    given = dict(parameters or {})
    varied = [_key(text, items) for text in given]
    plan = build_script(
        items,
        _used(namespace),
        name=name,
        seed=seed,
        precision=precision,
        steps=1,
        begun=_begun(objects, items),
        varied=varied,
    )
    reason = engines.load("fused").applies(plan)
    if reason is not None:
        raise EngineError(f"evsim cannot run this script: {reason}.")
    values = {
        key: _values(plan, key, text, array, trials)
        for key, (text, array) in zip(varied, given.items(), strict=True)
    }
    return Script(plan, trials, values, _record(plan, sort_objects(items).monitors), math)


def _check(trials: int, seed: int, precision: str, math: str, name: str) -> None:
    """Refuse options that mean nothing, and Brian2's standalone mode."""
    faults = []
    if not isinstance(trials, int | np.integer) or trials < 1:
        faults.append(Fault(f"`trials` must be a whole number greater than 0, not {trials!r}."))
    if not isinstance(seed, int | np.integer) or not 0 <= seed < 2**64:
        faults.append(Fault(f"`seed` must be a whole number from 0 to 2**64 - 1, not {seed!r}."))
    choices = (("precision", precision, ("float32", "float64")), ("math", math, ("own", "libm")))
    for option, value, known in choices:
        if value not in known:
            faults.append(Fault(f"There is no {option} '{value}'.", hint=nearest(value, known)))
    if not re.fullmatch(RUN_NAME, name):
        hint = "use letters, digits, '_', '.' and '-'"
        faults.append(Fault(f"'{name}' cannot name a folder.", hint=hint))
    if type(brian2.get_device()).__name__ != "RuntimeDevice":
        message = "In Brian2's standalone mode the states of objects are not known before a run."
        faults.append(Fault(message, hint="leave out `set_device`"))
    if faults:
        raise BuildError(faults)


def _items(objects: Any) -> list[Any]:
    """Return the objects of a network, or the objects given."""
    if isinstance(objects, brian2.Network):
        if objects.schedule != brian2.Network().schedule:
            raise BuildError([Fault("The network has a schedule of its own; evsim runs Brian2's.")])
        return list(objects.objects)
    items = list(objects) if isinstance(objects, Iterable) else [objects]
    for item in items:
        if not hasattr(item, "contained_objects"):
            message = f"'{shorten(str(item))}' is no object of Brian2."
            hint = "give a brian2.Network, or a list of groups, synapses and monitors"
            raise BuildError([Fault(message, hint=hint)])
    return items


def _begun(objects: Any, items: list[Any]) -> float:
    """Return for how many seconds Brian2 has simulated the objects already."""
    magic = brian2.magic_network
    if not isinstance(objects, brian2.Network):
        objects = magic if any(item in magic.objects for item in items) else brian2.Network()
    return float(objects.t)


def _used(namespace: Mapping[str, Any]) -> dict[str, Any]:
    """Return what equations may mean by a name: numbers, quantities, functions."""
    kinds = (int, float, np.number, brian2.Quantity, brian2.core.functions.Function)
    return {name: value for name, value in namespace.items() if isinstance(value, kinds)}


def _key(text: str, items: Iterable[Any]) -> Key:
    owner, dot, variable = text.partition(".")
    names = [item.name for item in items]
    if not dot or owner not in names:
        hint = f"write 'group.variable'; {nearest(owner, names)}"
        raise BuildError(
            [Fault(f"There is no group '{owner}' for the parameter '{text}'.", hint=hint)]
        )
    return owner, variable


def _values(plan: Plan, key: Key, text: str, given: ArrayLike, trials: int) -> NDArray[Any]:
    """Return (trial, neuron) values of a parameter in SI units."""
    known = plan.variables(key[0])
    if key[1] not in known:
        hint = nearest(key[1], known)
        raise BuildError([Fault(f"'{key[0]}' has no variable '{key[1]}'.", hint=hint)])
    dims = getattr(given, "dim", None)
    if dims is not None and compat.unit_text(compat.dimensions_of(given)) != known[key[1]].unit:
        given_in = units.describe(compat.dimensions_of(given))
        own = units.describe(units.parse(known[key[1]].unit).dimensions)
        raise BuildError([Fault(f"'{text}' is in {own}, not in {given_in}.")])
    values = np.asarray(given)
    if values.dtype.kind not in "biuf":
        raise BuildError([Fault(f"'{text}' needs numbers, not {values.dtype}.")])
    kind = known[key[1]].kind
    largest = largest_of(kind, plan.precision)
    wrong = values[~(np.abs(values.astype(np.float64)) <= largest)]
    if wrong.size:
        raise BuildError([Fault(f"'{text}' cannot be {wrong[0]:g}: {largest:.2g} at most.")])
    if kind == "integer" and np.any(values != np.rint(values)):
        raise BuildError([Fault(f"'{text}' needs whole numbers.", hint="np.rint() makes some")])
    size = 1 if known[key[1]].shared else plan.size(key[0])
    if values.shape == (trials,):
        values = np.repeat(values[:, None], size, 1)
    if values.shape != (trials, size):
        message = f"'{text}' needs the shape ({trials},) or ({trials}, {size}), not {values.shape}."
        raise BuildError([Fault(message)])
    return values


def _record(plan: Plan, monitors: Iterable[Any]) -> dict[str, Any]:
    """Return the `record` section that monitors ask for."""
    spikes: list[str] = []
    states: list[dict[str, Any]] = []
    for monitor in monitors:
        source = compat.whole(monitor.source)
        if not isinstance(monitor, brian2.StateMonitor):
            spikes.append(source.name)
            continue
        ratio = float(monitor.clock.dt_) / plan.dt
        if abs(ratio - round(ratio)) > 1e-6:
            message = f"'{monitor.name}' does not sample at multiples of the network's dt."
            raise BuildError([Fault(message)])
        offset = getattr(monitor.source, "start", 0)
        neurons = tuple(int(n) + offset for n in np.atleast_1d(monitor.record))
        if not neurons:
            continue
        entry = {
            "population": source.name,
            "neurons": "all" if monitor.record_all and source is monitor.source else neurons,
            "every": round(ratio),
        }
        wrong = [v for v in monitor.record_variables if v not in plan.variables(source.name)]
        if wrong:
            message = f"'{monitor.name}' records '{wrong[0]}', which follows from an equation."
            raise BuildError([Fault(message, hint="record the variables that it depends on")])
        # What code of the step computes is there at its end, wherever the monitor looks.
        when = "end" if monitor.when == "end" else "start"
        derived = {v for v in monitor.record_variables if compat.is_derived(source, v)}
        own = sorted({*monitor.record_variables} - derived)
        parts = ((sorted(derived), "end"), (own, when))
        states += [{**entry, "variables": tuple(v), "when": w} for v, w in parts if v]
    found: dict[str, Any] = {"states": tuple(states)}
    if spikes:
        found["spikes"] = {"populations": tuple(dict.fromkeys(spikes))}
    return found


@dataclass(frozen=True)
class Script:
    """A script's network, ready to run any number of times from the state that was taken.

    Attributes
    ----------
    plan : what was taken from Brian2.
    trials : in every run.
    values : (group, variable) -> (trial, neuron) values that trials start with.
    record : the `record` section that the script's monitors ask for.
    math : whose exponentials are used; see `compile`.
    """

    plan: Plan = field(repr=False)
    trials: int
    values: Mapping[Key, NDArray[Any]] = field(repr=False)
    record: Mapping[str, Any] = field(repr=False)
    math: Literal["own", "libm"] = "own"

    def run(
        self,
        duration: Any,
        *,
        out: str | Path = "recordings",
        threads: int | None = None,
        reporter: Reporter | None = None,
        stop: threading.Event | None = None,
    ) -> Result:
        """Run all trials for a time; write a new run folder under `out`.

        Parameters
        ----------
        duration : brian2.Quantity, rounded to whole steps.
        threads : trials that run at the same time; by default one a core.

        Raises
        ------
        RunError : a state is not finite, the disk is full.
        """
        program = self.program(duration)
        plan = program.plan
        network = self._network(plan)
        facts = {"engine": "fused", "fingerprint": plan.fingerprint, **provenance()}
        manifest = {**facts, "script": True, "status": "created", "seed": plan.seed}
        folder = RunFolder.create(Path(out), plan.name, network.source.text, manifest)
        layout = Layout.from_plan(plan, network, {})
        samples = _Trials(network, plan, self.trials, self.values)
        with folder.lock(), Writer.create(folder.recording, layout, facts) as writer:
            return execute(
                network, program, samples, folder, writer, reporter or Reporter(), stop, threads
            )

    def planned(self, duration: Any) -> Plan:
        """Return the plan of runs of a length."""
        if isinstance(duration, str) or not brian2.have_same_dimensions(duration, brian2.second):
            message = f"A run's duration is a time, not '{duration}'."
            raise BuildError([Fault(message, hint="write '1*second'")])
        ratio = float(duration) / self.plan.dt
        if not ratio <= MAX_STEPS:
            raise BuildError([Fault(f"{duration} is more than {MAX_STEPS:,} steps.")])
        steps = round(ratio)
        if steps < 1:
            raise BuildError([Fault(f"{duration} is shorter than a step of the network.")])
        phase = self.plan.phases["run"]
        phase = replace(phase, steps=steps, shared=replace(phase.shared, steps=steps))
        return replace(self.plan, phases={"run": phase})

    def program(self, duration: Any) -> Program:
        """Return the compiled program of runs of a length, to be stepped by hand."""
        program: Program = engines.load("fused").compile(self.planned(duration), self.math)
        return program

    def _network(self, plan: Plan) -> Network:
        """Return the sections of a network file that a run looks at."""
        lines = ["# The network of a Brian2 script, which wrote it down as code of these objects:"]
        for block in plan.code:
            lines += ["#", f"# {block.name} ({block.when}):"]
            lines += [f"#     {line}" for line in block.code.splitlines()]
        lines += ["#", f"name: {plan.name}"]
        network = Network.model_validate(
            {
                "name": plan.name,
                "dt": f"{plan.dt!r}*second",
                "seed": plan.seed,
                "precision": plan.precision,
                "populations": {n: {"shape": p.shape} for n, p in plan.populations.items()},
                "protocol": {
                    "trials": self.trials,
                    "order": "sequential",
                    "phases": {"run": {"steps": plan.phases["run"].steps}},
                },
                "record": dict(self.record),
            }
        )
        network._source = Source.from_text("\n".join(lines) + "\n", "script")
        return network


class _Trials(Samples):
    """Trials that differ in parameters."""

    def __init__(
        self, network: Network, plan: Plan, trials: int, values: Mapping[Key, NDArray[Any]]
    ):
        super().__init__(network, plan, None)
        self.trials, self.values = trials, values

    def size(self, split: str) -> int:
        return self.trials if split == "train" else 0

    def inputs(self, split: str, index: int, epoch: int | None = None) -> dict[Key, NDArray[Any]]:
        return {key: values[index] for key, values in self.values.items()}
