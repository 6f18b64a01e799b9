"""One trial: its phases in order, what is read from them, what is learned and what is kept."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim import expressions
from evsim.build.plan import Phase, Plan
from evsim.engines.base import NotFinite, Simulation
from evsim.errors import Interrupted, RunError
from evsim.orchestrator.events import SPLITS, PhaseRecord, TrialRecord
from evsim.orchestrator.operations import Counter, Operations
from evsim.orchestrator.selection import Selection, StateSamples, Wanted
from evsim.spec import schema
from evsim.spec.readout import Prediction
from evsim.spec.trials import named_spikes

LONGEST = 1000
"""Steps of one call to an engine at most, so that a run can be stopped."""

SMALLEST = 1e-30
"""Share of which cross-entropy takes the logarithm where there is none."""

STOPPED = "Stopped; everything up to the last whole batch is saved."


@dataclass(frozen=True)
class Readout:
    """Where a prediction is read.

    Attributes
    ----------
    variable : the largest of it at a phase's end says the class; "" where spikes in the phase vote.
    loss : "squared" or "cross_entropy", see `evsim.spec.schema.Readout`.
    """

    population: str
    variable: str
    after: str
    loss: str = "squared"

    @classmethod
    def of(cls, readout: schema.Readout) -> Readout:
        """Return the readout of a network file."""
        found = Prediction.of(readout.predict)
        assert found is not None, "checked with the file"
        return cls(found.population, found.variable, readout.after, readout.loss)


@dataclass(frozen=True)
class Script:
    """What happens in every trial of a run."""

    plan: Plan
    readout: Readout | None
    settle: schema.Settle | None
    selection: Selection
    counter: Counter

    @classmethod
    def of(cls, network: schema.Network, plan: Plan) -> Script:
        """Return the script of a network."""
        return cls(
            plan=plan,
            readout=Readout.of(network.readout) if network.readout else None,
            settle=network.protocol.settle,
            selection=Selection(network.record, plan),
            counter=Counter(plan),
        )


@dataclass(frozen=True)
class Task:
    """One trial to run."""

    epoch: int
    split: str
    index: int
    sample: int
    label: int
    inputs: Mapping[tuple[str, str], NDArray[Any]]

    @property
    def number(self) -> int:
        """What tells the trial's random numbers from those of every other of the run."""
        return (self.epoch << 36) + (SPLITS.index(self.split) << 34) + self.index


@dataclass(frozen=True)
class Outcome:
    """What a trial gave.

    Attributes
    ----------
    loss : of the readout, see `evsim.spec.schema.Readout`; NaN without a label.
    spikes : population -> spikes sent in all phases.
    steps, planned : of all phases, in all attempts; had no phase ended early.
    operations : synaptic ones, in all phases.
    kept : value at the trial's end of everything that carries over, where the trial learns.
    response : (neuron,) spikes that vote, None where none do.
    judged : whether there is a prediction, or neurons that could have voted for one.
    encoded : what the sink has made of the record's phases, which are let go then.
    """

    record: TrialRecord
    loss: float
    spikes: Mapping[str, int]
    steps: int
    planned: int
    operations: Operations
    kept: Mapping[tuple[str, str], NDArray[Any]] = field(default_factory=dict)
    response: NDArray[np.int64] | None = None
    judged: bool = True
    encoded: Any = None


def run_trial(
    simulation: Simulation,
    script: Script,
    task: Task,
    phases: tuple[str, ...],
    learn: bool,
    stop: threading.Event,
) -> Outcome:
    """Run one trial.

    Parameters
    ----------
    phases : names in the order they run.
    learn : whether learning code runs and adds to the simulation's gradients.
    stop : ends the trial early where it is set.

    Raises
    ------
    Interrupted : `stop` was set; what the simulation holds is of no use then.
    RunError : a state is not finite; names it with trial and step.
    """
    try:
        return _run_trial(simulation, script, task, phases, learn, stop)
    except NotFinite as error:
        raise RunError(
            f"{error.population}.{error.variable} became {error.value} in step {error.step} of "
            f"phase '{error.phase}', epoch {task.epoch}, {task.split} trial {task.index} (sample "
            f"{task.sample}). Smaller rates, weights or steps may keep it finite."
        ) from None


def _run_trial(
    simulation: Simulation,
    script: Script,
    task: Task,
    phases: tuple[str, ...],
    learn: bool,
    stop: threading.Event,
) -> Outcome:
    predicted, loss, residual = -1, float("nan"), float("nan")
    kept: dict[str, PhaseRecord] = {}
    response = None
    order, attempt = _Order(script.plan, phases), 0
    simulation.begin(task.inputs, task.number, learn)
    for name, attempt in order:
        phase = script.plan.phases[name]
        wanted = script.selection.wanted(task.epoch, task.index, name)
        read = script.readout if script.readout and script.readout.after == name else None
        seen = wanted
        if read is not None and not read.variable:
            seen = replace(wanted, spikes=wanted.spikes | {read.population})
        simulation.enter(name, attempt)
        record, moved = _run_phase(simulation, script, phase, seen, learn, stop)
        if script.settle is not None and script.settle.after == name:
            residual = moved
        if read is not None and read.variable:
            predicted, loss = _read(simulation, read, task.label)
        elif read is not None:
            size = script.plan.populations[read.population].size
            response = np.bincount(record.spikes[read.population].neuron, minlength=size)
        if learn:
            simulation.learn(name)
        simulation.leave()
        order.count(simulation.take_counts(), record.steps)
        if wanted:
            spikes = {n: s for n, s in record.spikes.items() if n in wanted.spikes}
            kept[name] = replace(record, spikes=spikes)
    return Outcome(
        TrialRecord(
            epoch=task.epoch,
            split=task.split,
            index=task.index,
            sample=task.sample,
            label=task.label,
            predicted=predicted,
            residual=residual,
            phases=tuple(kept.values()),
        ),
        loss,
        order.spikes,
        order.steps,
        order.planned,
        script.counter.count(simulation.take_operations(), order.steps),
        {key: simulation.get(*key) for key in script.plan.kept} if learn else {},
        response,
        predicted >= 0,
    )


class _Order:
    """The phases of a trial as they come, stretches that repeat until their condition holds.

    Attributes
    ----------
    spikes, steps : so far, of all attempts.
    planned : steps had no phase ended early.
    """

    def __init__(self, plan: Plan, phases: tuple[str, ...]):
        self.plan, self.phases = plan, phases
        self.spikes: dict[str, int] = {}
        self.steps = self.planned = 0
        self.since: dict[str, int] = {}

    def __iter__(self) -> Iterator[tuple[str, int]]:
        """Yield the name and the attempt of every phase; `count` follows each."""
        starts = {p.repeat.back_to for p in self.plan.phases.values() if p.repeat}
        at = attempt = 0
        while at < len(self.phases):
            phase = self.plan.phases[self.phases[at]]
            if phase.name in starts:
                self.since = dict(self.spikes)
            yield phase.name, attempt
            self.planned += phase.steps
            repeat = phase.repeat
            if repeat is not None:
                attempt += 1
                if attempt < repeat.at_most and not self._holds(repeat.until):
                    at = self.phases.index(repeat.back_to)
                    continue
                attempt = 0
            at += 1

    def count(self, spikes: Mapping[str, int], steps: int) -> None:
        """Take the spikes and the steps of the phase that has just run."""
        self.steps += steps
        for name, count in spikes.items():
            self.spikes[name] = self.spikes.get(name, 0) + count

    def _holds(self, condition: str) -> bool:
        """Return whether a condition holds for the spikes since the stretch began."""
        since = {n: c - self.since.get(n, 0) for n, c in self.spikes.items()}
        counts = {f"spikes_of_{n}": c for n, c in since.items()}
        try:
            return bool(expressions.evaluate(named_spikes(condition), counts))
        except expressions.ExpressionError as error:
            seen = ", ".join(f"spikes({n}) = {c}" for n, c in since.items())
            raise RunError(
                f"The condition `{condition}` has no value: {error.message} ({seen})."
            ) from None


def _run_phase(
    simulation: Simulation,
    script: Script,
    phase: Phase,
    wanted: Wanted,
    learn: bool,
    stop: threading.Event,
) -> tuple[PhaseRecord, float]:
    """Advance through a phase, pausing wherever something is looked at.

    Return what was kept of it, and how far settling variables moved in its last window.
    """
    every_step = learn and any(phase.name in r.every_step for r in script.plan.rules.values())
    windows, tolerance = _windows(script.settle, phase)
    moved = float("nan")
    samples: dict[int, dict[str, list[NDArray[Any]]]] = {
        s.entry: {v: [] for v in s.variables} for s in wanted.states
    }
    done = 0
    for pause in _pauses(phase.steps, wanted.states, windows, 1 if every_step else LONGEST):
        if stop.is_set():
            raise Interrupted(STOPPED)
        if pause > done:
            simulation.advance(pause - done, record=bool(wanted.spikes))
            done = pause
            if every_step:
                simulation.learn(phase.name, every_step=True)
        last = pause == phase.steps
        if windows and pause == windows[0]:
            simulation.watch(script.settle.variables if script.settle else ())
        elif pause in windows:
            moved = simulation.moved()
            last |= bool(phase.window) and moved <= tolerance
        for chosen in wanted.states:
            step = pause if chosen.at_start else pause - 1
            there = not last if chosen.at_start else pause > 0
            if there and step % chosen.every == 0:
                for variable in chosen.variables:
                    values = simulation.look(chosen.population, variable, step)
                    samples[chosen.entry][variable].append(chosen.sample(values))
        if last:
            break
    spikes = simulation.take_spikes() if wanted.spikes else {}
    record = PhaseRecord(
        name=phase.name,
        steps=done,
        spikes={name: s for name, s in spikes.items() if name in wanted.spikes},
        states={
            entry: {v: np.array(rows) for v, rows in found.items()}
            for entry, found in samples.items()
        },
    )
    return record, moved


def _windows(settle: schema.Settle | None, phase: Phase) -> tuple[tuple[int, ...], float]:
    """Return the steps at which windows begin or end, and what may move in one that settled."""
    if settle is None or (settle.after != phase.name and not phase.window):
        return (), 0.0
    if phase.window:
        return (phase.ends[0] - phase.window, *phase.ends), settle.tolerance
    return (phase.steps - settle.window, phase.steps), settle.tolerance


def _pauses(
    steps: int, states: tuple[StateSamples, ...], windows: tuple[int, ...], longest: int
) -> Iterator[int]:
    """Return the steps after which a phase pauses, ascending, from 0 to its end."""
    pauses = {0, steps, *range(longest, steps, longest), *windows}
    for chosen in states:
        pauses.update(range(0 if chosen.at_start else 1, steps + 1, chosen.every))
    return iter(sorted(pauses))


def _read(simulation: Simulation, readout: Readout, label: int) -> tuple[int, float]:
    values = np.asarray(simulation.get(readout.population, readout.variable), np.float64)
    loss = float("nan")
    if label >= 0 and readout.loss == "cross_entropy":
        loss = -float(np.log(max(values[label], SMALLEST)))
    elif label >= 0:
        distance = values.copy()
        distance[label] -= 1
        loss = 0.5 * float((distance * distance).sum())
    return int(values.argmax()), loss
