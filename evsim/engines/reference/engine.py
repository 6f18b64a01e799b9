"""The reference engine: plain Brian2, one object after the other in Brian2's order.

Slow and close to what a user would write by hand. Brian2 prepares its objects once; the engine
then goes through a step's objects itself, so that phases, snapshots and shared inputs need no
further run. It computes in float64 whatever the network's precision.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import brian2
import numpy as np
from numpy.typing import NDArray

from evsim.build import brian2_compat as compat
from evsim.build.capture import prepare
from evsim.build.draws import kind_of
from evsim.build.plan import Phase, Plan
from evsim.build.weights import spread
from evsim.engines.base import (
    Delivery,
    NotFinite,
    Program,
    Simulation,
    Spikes,
    schedule,
    stream_keys,
)
from evsim.engines.fill import fill_normal, fill_uniform
from evsim.engines.reference import functions
from evsim.engines.reference.neurons import Cells
from evsim.engines.reference.plasticity import SynapticLearning, learning
from evsim.engines.reference.probes import Means, SpikeProbe
from evsim.engines.reference.projections import Wiring, assign_sums, make_wiring
from evsim.engines.reference.replay import Replayed
from evsim.engines.traffic import directions
from evsim.errors import RunError
from evsim.replay import SPIKES
from evsim.spec.types import SCHEDULE

COMPILE_FROM = 100_000
"""Connections from which compiling Brian2's code takes less time than it saves."""

functions.define()

SUMS = (SCHEDULE.index("groups"), -1)
"""Slot and order of weighted sums of values, as of Brian2's `(summed)` variables."""


def applies(plan: Plan) -> str | None:
    """Return why the reference engine cannot run a plan, or None."""
    return None


class ReferenceProgram(Program):
    """A plan for Brian2.

    Parameters
    ----------
    target : "numpy", "cython" or "strict" (see `brian2_compat.code_target`); None picks Cython
        where it pays off and a compiler is at hand.
    """

    def __init__(self, plan: Plan, target: compat.Target | None = None):
        self.plan = plan
        self.target: compat.Target = target or _choose_target(plan)
        self.revision = 0
        self.parameters: dict[str, NDArray[np.float64]] = {}
        self.load(plan.parameters)

    def load(self, parameters: Mapping[str, NDArray[Any]]) -> None:
        """Take new parameters; simulations see them from their next trial on."""
        self.revision += 1
        self.parameters = {name: np.array(v, np.float64) for name, v in parameters.items()}

    def simulation(self) -> ReferenceSimulation:
        return ReferenceSimulation(self)

    def gradients(self, total: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        shapes = [self.plan.parameters[name].shape for name in self.plan.rules]
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes], dtype=np.int64)
        parts = np.split(np.asarray(total, np.float64), ends[:-1]) if shapes else []
        return {
            name: part.reshape(shape)
            for name, part, shape in zip(self.plan.rules, parts, shapes, strict=True)
        }

    def explain(self) -> list[str]:
        count = sum(p.geometry.synapse_count for p in self.plan.projections.values())
        return [f"Brian2 {brian2.__version__}, {self.target} code, {count} connections"]


class ReferenceSimulation(Simulation):
    """Brian2 objects of one network and the state of one trial in them."""

    def __init__(self, program: ReferenceProgram):
        self.program, self.plan = program, program.plan
        plan = self.plan
        self.clock = compat.clock(plan.dt, "evsim_clock")
        self.cells = {name: Cells(p, self.clock) for name, p in plan.populations.items()}
        self.replayed = {
            name: Replayed(p, self.cells[name].group)
            for name, p in plan.populations.items()
            if p.replay is not None
        }
        orders = _orders(plan)
        self.wirings = {
            p.name: make_wiring(
                p, self.cells[p.source], self.cells[p.target], orders[p.name], self.clock
            )
            for p in plan.projections.values()
        }
        groups = [cells.group for cells in self.cells.values()]
        groups += [made for wiring in self.wirings.values() for made in wiring.objects]
        self.skipped: set[str] = set()
        self.step_objects = _prepare(groups, program.target)
        self.learnings = {n: learning(plan, r, self.clock) for n, r in plan.rules.items()}
        runners = [r for rule in self.learnings.values() for r in rule.runners.values()]
        _prepare(runners, "numpy")
        self.directions = [(d, d.reach) for d in directions(plan)]
        self.operations = np.zeros(len(self.directions), np.int64)
        self.gradient = {name: np.zeros(plan.parameters[name].size) for name in plan.rules}
        self.probes = {n: SpikeProbe() for n, p in plan.populations.items() if p.spikes}
        self.revision = 0
        self.ends: dict[str, dict[str, dict[str, NDArray[Any]]]] = {}
        self.phase: Phase | None = None
        self.keys, self.trial, self.learns = stream_keys(plan), 0, True
        self.clocks: dict[str, int] = {}
        self.first = self.done = 0
        self.means = Means()
        self.first_fault: NotFinite | None = None

    def begin(
        self,
        inputs: Mapping[tuple[str, str], NDArray[Any]],
        trial: int = 0,
        learns: bool = True,
    ) -> None:
        self.trial, self.learns = trial, learns
        self.skipped = {name for w in self.wirings.values() for name in w.skipped(learns)}
        for cells in self.cells.values():
            for variable in cells.population.variables.values():
                cells.write(variable.name, variable.initial)
        self._load()
        for wiring in self.wirings.values():
            wiring.begin()
        for name, replayed in self.replayed.items():
            replayed.load(inputs.get((name, SPIKES)))
        for (population, name), values in inputs.items():
            if population not in self.replayed:
                self._owners()[population].write(name, np.asarray(values).ravel())
        self.ends = {"": self._state()}
        self._count(values=True, static=True)

    def _count(self, values: bool, static: bool) -> None:
        """Add up what was sent: values or spikes, once a trial (`static`) or in this step."""
        for at, (direction, reach) in enumerate(self.directions):
            name, variable = direction.sender
            if (direction.values, direction.static) == (values, static):
                cells = self.cells[name]
                sent = np.flatnonzero(cells.each(variable)) if variable else cells.spiking()
                self.operations[at] += reach[sent].sum()

    def _load(self) -> None:
        """Take the program's parameters."""
        parameters, fresh = self.program.parameters, self.revision != self.program.revision
        for rule in self.plan.rules.values():
            if rule.variable is not None:
                population = self.plan.populations[rule.population]
                share = population.variables[rule.variable].share
                values = spread(parameters[rule.parameter], population.shape, share)
                self.cells[rule.population].write(rule.variable, values)
            elif fresh:
                self.learnings[rule.parameter].load(parameters[rule.parameter])
        if fresh:
            for name, wiring in self.wirings.items():
                wiring.load(parameters[name])
        self.revision = self.program.revision

    def enter(self, phase: str, attempt: int = 0) -> None:
        self.phase = self.plan.phases[phase].variant(self.learns, attempt)
        start = self.phase.start
        self.first, self.done = self.phase.first if start is None else self.clocks[start], 0
        self.shared = self.phase.shared.at(self.first, self.trial)
        self.means, self.first_fault = Means(), None
        for name, state in self.ends[self.phase.start or ""].items():
            self._owners()[name].restore(state)
        for (population, variable), value in self.phase.sets.items():
            self.cells[population].write(variable, value)
        for rule in self.plan.rules.values():
            if rule.at_spikes:
                self.wirings[rule.parameter].write("g", 0.0)

    def advance(self, steps: int, record: bool = False) -> None:
        phase, fault = self._phase(), None
        for _ in range(steps):
            if phase.average and self.done == phase.averaged(self.done)[0]:
                self.means = Means()
            self._step(phase)
            self._count(values=False, static=False)
            for name, probe in self.probes.items():
                probe.observe(self.cells[name].spiking(), record)
            self.done += 1
            if phase.average and self.done > phase.averaged(self.done - 1)[0]:
                self.means.observe(self.cells, phase.average)
            fault = self._not_finite(phase)
            self.first_fault = self.first_fault or fault
        if fault is not None:
            raise self.first_fault or fault

    def _step(self, phase: Phase) -> None:
        compat.set_clock(self.clock, self.first + self.done)
        self._set_shared(self.shared.row(self.done))
        for replayed in self.replayed.values():
            replayed.send(self.first + self.done)
        values = [w for w in self.wirings.values() if w.projection.sends == "value"]
        pooled = [w for w in self.wirings.values() if w.projection.geometry.windows is not None]
        waiting = bool(values)
        for item, draws in self.step_objects:
            if waiting and (SCHEDULE.index(item.when), item.order) > SUMS:
                assign_sums(values)
                self._count(values=True, static=False)
                waiting = False
            if item.name in self.skipped:
                continue
            self._draw(item, draws)
            try:
                item.run()
            except Exception as error:
                # Compiled Brian2 code refuses to divide by zero, where others go on with infinity.
                raise RunError(
                    f"Brian2 stopped '{item.name}' in step {self.done} of phase '{phase.name}': "
                    f"{compat.message(error)}"
                ) from error
            for wiring in pooled:
                wiring.after(item.name)

    def _draw(self, item: Any, names: list[str]) -> None:
        """Fill the random variables of an object's code for this step."""
        step = int(self.clock.variables["timestep"].get_value().item())
        for name in names:
            values = np.empty(len(item.group))
            fill = fill_normal if kind_of(name) == "normal" else fill_uniform
            key, trial = np.uint64(self.keys[item.name, name]), np.uint64(self.trial)
            fill(values, 0, len(values), key, trial, step)
            item.group.variables[name].set_value(values)

    def _set_shared(self, row: NDArray[np.float64]) -> None:
        """Set the step's shared inputs in every group that declares them."""
        for (population, name), value in zip(self.plan.shared, row, strict=True):
            if population:
                self.cells[population].write(name, value)
                continue
            for cells in self.cells.values():
                if name in cells.constants:
                    cells.write(name, value)
            for rule in self.learnings.values():
                rule.set_constant(name, value)
            for projection, wiring in self.wirings.items():
                code = self.plan.projections[projection].code
                if code is not None and name in code.drives:
                    wiring.write(name, value)

    def _not_finite(self, phase: Phase) -> NotFinite | None:
        for name, owner in self._owners().items():
            for variable in self.plan.variables(name).values():
                if variable.kind == "float":
                    values = owner.read(variable.name)
                    bad = values[~np.isfinite(values)]
                    if bad.size:
                        at = self.done - 1
                        return NotFinite(name, variable.name, phase.name, at, float(bad.flat[0]))
        return None

    def leave(self) -> None:
        name = self._phase().name
        self.ends[name], self.clocks[name] = self._state(), self.first + self.done

    def learn(self, phase: str, every_step: bool = False) -> None:
        self._set_shared(self.shared.row(max(self.done, 1) - 1))
        means = {} if every_step else self.means.means()

        def read(population: str, variable: str) -> NDArray[Any]:
            mean = means.get((population, variable))
            return self.get(population, variable) if mean is None else mean

        for name, rule in self.learnings.items():
            if isinstance(rule, SynapticLearning):
                rule.coefficient = self.wirings[name].counting()
            change = rule.gradient(phase, every_step, read)
            if change is not None:
                self.gradient[name] += change
            if self.plan.rules[name].at_spikes and not every_step:
                wiring = self.wirings[name]
                terms = wiring.read("g") * wiring.coefficient
                self.gradient[name] += np.bincount(wiring.weight, terms, self.gradient[name].size)

    def get(self, owner: str, variable: str) -> NDArray[Any]:
        if (owner, variable) in self.plan.shared:
            row = self.shared.row(max(self.done, 1) - 1)
            return np.asarray(row[self.plan.shared.index((owner, variable))])
        return self._owners()[owner].read(variable)

    def take_spikes(self) -> dict[str, Spikes]:
        return {name: probe.take() for name, probe in self.probes.items() if probe.steps}

    def take_counts(self) -> dict[str, int]:
        return {name: probe.take_total() for name, probe in self.probes.items()}

    def take_operations(self) -> NDArray[np.int64]:
        found, self.operations[:] = self.operations.copy(), 0
        return found

    def take_gradients(
        self, out: NDArray[np.floating[Any]] | None = None
    ) -> NDArray[np.floating[Any]]:
        taken = np.concatenate([np.zeros(0), *self.gradient.values()])
        for values in self.gradient.values():
            values[:] = 0
        return taken

    def _phase(self) -> Phase:
        assert self.phase is not None, "enter a phase first"
        return self.phase

    def _state(self) -> dict[str, dict[str, NDArray[Any]]]:
        return {name: owner.state() for name, owner in self._owners().items()}

    def _owners(self) -> dict[str, Cells | Wiring]:
        """Return what has variables, by name."""
        return {**self.cells, **self.wirings}


def _orders(plan: Plan) -> dict[str, dict[str, int]]:
    """Return the order of every pathway in Brian2's synapse slot: projection -> pathway -> order.

    Those that run first stand before any code of neurons in that slot.
    """
    deliveries = [item for item in schedule(plan) if isinstance(item, Delivery)]
    found: dict[str, dict[str, int]] = {name: {} for name in plan.projections}
    for at, item in enumerate(deliveries):
        late = item.pathway.order > 0
        order = at + 1 if late else at - len(deliveries)
        found[item.projection.name][item.pathway.name] = order
    return found


def _prepare(objects: list[Any], target: compat.Target) -> list[tuple[Any, list[str]]]:
    """Let Brian2 generate the objects' code; see `capture.prepare`."""
    with compat.code_target(target):
        return prepare(objects)


def _choose_target(plan: Plan) -> Literal["numpy", "cython"]:
    count = sum(p.geometry.synapse_count for p in plan.projections.values())
    return "cython" if count >= COMPILE_FROM and compat.has_compiler() else "numpy"


def compile(plan: Plan, target: compat.Target | None = None) -> ReferenceProgram:
    """Return the program of a plan; see `ReferenceProgram`."""
    return ReferenceProgram(plan, target)


__all__ = ["ReferenceProgram", "ReferenceSimulation", "applies", "compile"]
