"""What every engine does, as tests: inherit `EngineContract` and say how a plan is compiled.

Examples
--------
>>> class TestMine(EngineContract):  # doctest: +SKIP
...     @staticmethod
...     def compile(plan):
...         return my_engine.compile(plan)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.build.build import build
from evsim.build.plan import Plan
from evsim.engines.base import NotFinite, Program, Simulation
from evsim.spec.parse import parse_text

NETWORK = """\
name: contract
dt: 1*ms
precision: float64
neurons:
  counter:
    equations: |
      x : 1
      order : 1
      received : 1
      seen : 1
      values : 1
      gain : 1 (constant)
      push : 1 (shared)
    run:
      start: order = 1
      groups: order = order*10 + 2
      before_thresholds: |
        order = order*10 + 3
        x += push + gain
      after_synapses: |
        order = order*10 + 5
        seen = received
      end: |
        order = order*10 + 7
        received = 0
    threshold: x > 1
    reset: |
      x -= 1
      order = order*10 + 6
populations:
  image: {shape: [1, 3, 4], values: u}
  senders: {shape: [3, 2, 2], neuron: counter, share: {gain: channel}, learn: {gain: rise}}
  receivers: {shape: [4], neuron: counter}
projections:
  - name: show
    from: image.u
    to: senders.values
    kind: conv
    kernel: [2, 3]
    sends: value
    weights: 0.5
  - {name: tell, from: senders.x, to: receivers.values, kind: dense, sends: value, weights: 0.25}
  - {name: more, from: image.u, to: receivers.values, kind: dense, sends: value, weights: 0.125}
  - name: call
    from: senders
    to: receivers.received
    kind: dense
    symmetric: true
    weights: rand()
    learn: joint
plasticity:
  joint: {at_end: {run: g += x_pre*x_post}, update: {rate: 0.1}}
  rise: {at_end: {run: g += x}, update: {rate: 0.1}}
weights: {grid: 2**-12}
protocol:
  constants: {push_of: 0.25*k}
  phases:
    rest: {steps: 12, set: {senders.push: 0.375, receivers.push: 0.1875}}
    run:
      steps: 8
      from: rest
      set: {senders.push: 0.0625*push_of, receivers.x: 0.5}
      average: {variables: [x], last: 4}
"""

LONG = """\
name: long
dt: 1*ms
precision: float64
neurons:
  follower:
    equations: |
      last : 1
      total : 1
      push : 1 (shared)
    run: {end: "last = push; total += push"}
populations:
  one: {shape: [2], neuron: follower}
protocol:
  constants: {half: k/2}
  phases:
    before: {steps: 3}
    run: {steps: 10000, from: before, set: {one.push: half}}
"""

Inputs = dict[tuple[str, str], NDArray[Any]]


@cache
def contract_plan() -> Plan:
    """Return the plan that the contract runs."""
    plan = build(parse_text(NETWORK))
    return replace(plan, inputs=(("image", "u"), ("senders", "x")))


def sample(seed: int) -> Inputs:
    """Return inputs of a trial of the contract's network."""
    random = np.random.default_rng(seed)
    return {
        ("image", "u"): random.integers(0, 257, 12) / 256,
        ("senders", "x"): random.integers(-64, 65, 12) / 64,
    }


def states(simulation: Simulation, plan: Plan) -> dict[tuple[str, str], NDArray[Any]]:
    """Return every variable of every population and of all synapses with code."""
    return {
        (name, variable): simulation.get(name, variable)
        for name in (*plan.populations, *plan.projections)
        for variable in plan.variables(name)
    }


def assert_same(left: Mapping[Any, NDArray[Any]], right: Mapping[Any, NDArray[Any]]) -> None:
    """Assert that two mappings of arrays are equal bit by bit."""
    assert left.keys() == right.keys()
    for key in left:
        np.testing.assert_array_equal(left[key], right[key], err_msg=str(key))


def every_state(plan: Plan) -> tuple[tuple[str, str], ...]:
    """Return the variables that a test may set at a trial's start: all that is not learned."""
    learned = {(rule.population, rule.variable) for rule in plan.rules.values()}
    return tuple(
        (name, variable.name)
        for name, population in plan.populations.items()
        for variable in population.variables.values()
        if not variable.shared and (name, variable.name) not in learned
    )


def run_trial(
    simulation: Simulation, plan: Plan, inputs: Inputs, learns: bool = True
) -> dict[Any, NDArray[Any]]:
    """Run all phases, with learning or without; return what was seen, by what it is.

    Returns
    -------
    dict : (phase, population, variable) -> state at the phase's end, and (phase, population, "spike
        counts") and "spikes".
    """
    seen: dict[Any, NDArray[Any]] = {}
    simulation.begin(inputs, learns=learns)
    for phase in plan.phases.values():
        simulation.enter(phase.name)
        every_step = learns and any(phase.name in rule.every_step for rule in plan.rules.values())
        for steps in [1] * phase.steps if every_step else [phase.steps]:
            simulation.advance(steps, record=True)
            if every_step:
                simulation.learn(phase.name, every_step=True)
        for (population, variable), values in states(simulation, plan).items():
            seen[phase.name, population, variable] = values
        for population, spikes in simulation.take_spikes().items():
            seen[phase.name, population, "spike counts"] = spikes.count
            seen[phase.name, population, "spikes"] = spikes.neuron
        if learns:
            simulation.learn(phase.name)
        simulation.leave()
    return seen


def take_gradients(program: Program, simulation: Simulation) -> dict[str, NDArray[np.float64]]:
    """Return and clear a simulation's gradients, by parameter."""
    return program.gradients(np.asarray(simulation.take_gradients(), np.float64))


class EngineContract:
    """Tests of an engine; each runs the same small network.

    Subclasses define `compile`, which turns a Plan into a Program.
    """

    @staticmethod
    def compile(plan: Plan) -> Program:
        """Return the engine's program of a plan."""
        raise NotImplementedError

    @classmethod
    @cache
    def program(cls) -> Program:
        """Return the program of the contract's network, compiled once."""
        return cls.compile(contract_plan())

    def start(self, seed: int = 0) -> Simulation:
        """Return a simulation that entered the first phase of a trial."""
        simulation = self.program().simulation()
        simulation.begin(sample(seed))
        simulation.enter("rest")
        return simulation

    def test_code_runs_in_the_order_of_the_schedule(self) -> None:
        simulation = self.start()
        simulation.advance(1, record=True)
        spiked = np.zeros(12, bool)
        spiked[simulation.take_spikes()["senders"].neuron] = True
        assert 0 < spiked.sum() < 12
        np.testing.assert_array_equal(
            simulation.get("senders", "order"), np.where(spiked, 123567, 12357)
        )

    def test_a_spike_arrives_in_the_step_that_sent_it(self) -> None:
        simulation, weights = self.start(), contract_plan().parameters["call"]
        simulation.advance(1, record=True)
        sent = simulation.take_spikes()["senders"].neuron
        expected = np.asarray(weights, np.float64)[sent].sum(0)
        np.testing.assert_array_equal(simulation.get("receivers", "seen"), expected)
        assert not simulation.get("receivers", "received").any()

    def test_the_adjoint_feeds_senders(self) -> None:
        simulation, weights = self.start(), contract_plan().parameters["call"]
        fed = False
        for _ in range(12):
            simulation.advance(1, record=True)
            sent = simulation.take_spikes()["receivers"].neuron
            expected = np.asarray(weights, np.float64)[:, sent].sum(1)
            np.testing.assert_array_equal(simulation.get("senders", "seen"), expected)
            fed = fed or bool(sent.size)
        assert fed

    def test_values_are_assigned_and_add_up_over_projections(self) -> None:
        simulation, inputs = self.start(), sample(0)
        image = inputs["image", "u"].reshape(3, 4)
        windows = np.lib.stride_tricks.sliding_window_view(image, (2, 3)).sum((2, 3))
        for _ in range(2):
            before = simulation.get("senders", "x")
            simulation.advance(1)
            values = simulation.get("senders", "values").reshape(3, 2, 2)
            np.testing.assert_array_equal(values, np.broadcast_to(windows / 2, (3, 2, 2)))
            np.testing.assert_array_equal(
                simulation.get("receivers", "values"),
                np.full(4, before.sum() / 4 + image.sum() / 8),
            )

    def test_results_do_not_depend_on_recording_or_pieces(self) -> None:
        plan = contract_plan()
        whole, pieces, silent = self.start(), self.start(), self.start()
        whole.advance(12, record=True)
        for steps in (1, 0, 7, 4):
            pieces.advance(steps, record=True)
        silent.advance(12)
        assert silent.take_spikes() == {}
        assert_same(states(whole, plan), states(pieces, plan))
        assert_same(states(whole, plan), states(silent, plan))
        left, right = whole.take_spikes(), pieces.take_spikes()
        assert left.keys() == right.keys() == {"senders", "receivers"}
        for name, spikes in left.items():
            np.testing.assert_array_equal(spikes.count, right[name].count)
            np.testing.assert_array_equal(spikes.neuron, right[name].neuron)
        assert whole.take_counts() == silent.take_counts()

    def test_spikes_ascend_inside_steps_and_are_counted(self) -> None:
        simulation = self.start()
        simulation.advance(12, record=True)
        spikes = simulation.take_spikes()["senders"]
        assert spikes.count.shape == (12,)
        assert spikes.count.dtype == np.uint32
        assert spikes.neuron.dtype in (np.uint16, np.uint32)
        steps = np.repeat(np.arange(12), spikes.count)
        assert (np.diff(steps * 100 + spikes.neuron) > 0).all()
        assert simulation.take_counts()["senders"] == spikes.neuron.size > 12
        assert simulation.take_counts() == {"senders": 0, "receivers": 0}
        assert simulation.take_spikes() == {}

    def test_a_phase_starts_from_its_snapshot(self) -> None:
        plan, simulation = contract_plan(), self.start()
        simulation.advance(12)
        simulation.leave()
        found = []
        for _ in range(2):
            simulation.enter("run")
            np.testing.assert_array_equal(simulation.get("receivers", "x"), np.full(4, 0.5))
            simulation.advance(8)
            found.append(states(simulation, plan))
        assert_same(found[0], found[1])

    def test_shared_inputs_follow_the_step_count(self) -> None:
        simulation = self.start()
        simulation.advance(12)
        simulation.leave()
        simulation.enter("run")
        for step in (13, 14):
            simulation.advance(1)
            assert simulation.get("senders", "push") == 0.0625 * 0.25 * step

    def test_shared_inputs_follow_the_step_count_in_a_long_phase(self) -> None:
        simulation = self.compile(build(parse_text(LONG))).simulation()
        simulation.begin({})
        simulation.enter("before")
        simulation.advance(3)
        simulation.leave()
        simulation.enter("run")
        done = 0
        for steps in (4095, 1, 1, 903):
            simulation.advance(steps)
            done += steps
            k = np.arange(4, 4 + done)
            assert simulation.get("one", "push") == k[-1] / 2
            np.testing.assert_array_equal(simulation.get("one", "last"), [k[-1] / 2] * 2)
            np.testing.assert_array_equal(simulation.get("one", "total"), [k.sum() / 2] * 2)

    def test_a_trial_starts_afresh(self) -> None:
        plan, simulation = contract_plan(), self.start(1)
        simulation.advance(12)
        simulation.leave()
        simulation.begin(sample(0))
        simulation.enter("rest")
        assert_same(states(simulation, plan), states(self.start(0), plan))

    def test_simulations_share_weights_and_nothing_else(self) -> None:
        plan, program = contract_plan(), self.program()
        one, other = self.start(0), self.start(1)
        before = states(other, plan)
        one.advance(12)
        assert_same(states(other, plan), before)
        try:
            doubled = {name: 2 * values for name, values in plan.parameters.items()}
            program.load({**doubled, "senders.gain": np.array([0.5, 0.25, 0.125])})
            fresh = self.start()
            gain = fresh.get("senders", "gain")
            np.testing.assert_array_equal(gain, np.repeat([0.5, 0.25, 0.125], 4))
            fresh.advance(1)
            total = sample(0)["image", "u"].sum() / 4
            sent = sample(0)["senders", "x"].sum() / 2
            values = fresh.get("receivers", "values")
            np.testing.assert_array_equal(values, np.full(4, total + sent))
        finally:
            program.load(plan.parameters)

    def test_values_read_are_copies(self) -> None:
        simulation = self.start()
        simulation.get("senders", "x")[:] = 7
        np.testing.assert_array_equal(simulation.get("senders", "x"), sample(0)["senders", "x"])

    def test_learning_takes_products_of_means_and_adds_up(self) -> None:
        program, simulation = self.program(), self.start()
        simulation.take_gradients()
        simulation.advance(12)
        simulation.leave()
        simulation.enter("run")
        simulation.advance(4)
        sums = [np.zeros(12), np.zeros(4)]
        for _ in range(4):
            simulation.advance(1)
            sums[0] += simulation.get("senders", "x")
            sums[1] += simulation.get("receivers", "x")
        simulation.learn("run")
        once = take_gradients(program, simulation)
        expected = np.outer(sums[0] / 4, sums[1] / 4)
        np.testing.assert_allclose(once["call"], expected, rtol=1e-12)
        gain = (sums[0] / 4).reshape(3, 4).sum(1)
        np.testing.assert_allclose(once["senders.gain"], gain, rtol=1e-12)
        for _ in range(2):
            simulation.learn("run")
        twice = take_gradients(program, simulation)
        np.testing.assert_allclose(twice["call"], 2 * expected, rtol=1e-12)
        assert not np.any(simulation.take_gradients())

    def test_a_state_that_is_not_finite_is_named_with_its_step(self) -> None:
        simulation = self.program().simulation()
        inputs = sample(0)
        inputs["senders", "x"][5] = np.nan
        simulation.begin(inputs)
        simulation.enter("rest")
        try:
            simulation.advance(3)
        except NotFinite as error:
            found = error
        assert (found.population, found.variable) == ("senders", "x")
        assert (found.phase, found.step) == ("rest", 0)
        assert np.isnan(found.value)
