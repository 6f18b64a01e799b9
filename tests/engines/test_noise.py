"""Random numbers in neuron code: the same on every engine, and distributed as they should be."""

import numpy as np
import pytest

from evsim.build.build import build
from evsim.engines.fused import engine as fused
from evsim.engines.fused import projections
from evsim.engines.reference import engine as reference
from evsim.spec.parse import parse_text
from evsim.testing.engine import assert_same, states

TEXT = """\
name: noise
dt: 0.1*ms
precision: float64
seed: 3
neurons:
  walk:
    equations: |
      dv/dt = -v/tau + sigma*sqrt(2/tau)*xi : volt
      level = rand() : 1 (constant over dt)
      z : 1
    threshold: rand() < 200*Hz*dt
    reset: z = randn()
    run: {end: z += 0.5*rand()}
    method: euler
    parameters: {tau: 10*ms, sigma: 2*mV}
  growth:
    equations: "dv/dt = -v/tau + 0.3*v*xi/sqrt(tau) : 1"
    method: milstein
    parameters: {tau: 10*ms}
  heun:
    equations: "dv/dt = -v/tau + 0.3*v*xi/sqrt(tau) : 1"
    method: heun
    parameters: {tau: 10*ms}
populations:
  a: {shape: [3, 4, 50], neuron: walk}
  b: {shape: [50], neuron: growth, init: {v: 1}}
  c: {shape: [50], neuron: heun, init: {v: 1}}
protocol:
  phases:
    run: {steps: 1000}
    again: {steps: 100, from: run}
    once_more: {steps: 100, from: run}
"""


@pytest.fixture(scope="module")
def plan():
    return build(parse_text(TEXT))


@pytest.fixture(scope="module")
def program(plan):
    return fused.compile(plan, "libm")


def start(program, trial=0):
    simulation = program.simulation()
    simulation.begin({}, trial)
    simulation.enter("run")
    return simulation


def test_engines_draw_the_same_numbers(plan, program):
    left, right = start(program, 7), start(reference.compile(plan, "numpy"), 7)
    for simulation in (left, right):
        simulation.advance(120, record=True)
    assert_same(states(left, plan), states(right, plan))
    spikes = [simulation.take_spikes()["a"] for simulation in (left, right)]
    assert spikes[0].neuron.size > 100
    np.testing.assert_array_equal(spikes[0].count, spikes[1].count)
    np.testing.assert_array_equal(spikes[0].neuron, spikes[1].neuron)


def test_numbers_depend_on_seed_and_trial_and_on_nothing_that_was_built_before(plan, program):
    def level(plan, program, trial):
        simulation = start(program, trial)
        simulation.advance(3)
        return simulation.get("a", "level")

    first = level(plan, program, 0)
    same = build(parse_text(TEXT))
    np.testing.assert_array_equal(first, level(same, fused.compile(same, "libm"), 0))
    assert not np.any(first == level(plan, program, 1))
    other = build(parse_text(TEXT.replace("seed: 3", "seed: 4")))
    compiled = fused.compile(other, "libm")
    assert not np.any(first == level(other, compiled, 0))
    assert compiled.compiled.source == program.compiled.source, "a seed needs no compilation"


def test_phases_from_one_snapshot_draw_the_same_numbers(plan, program):
    simulation = start(program)
    simulation.advance(10)
    simulation.leave()
    found = []
    for phase in ("again", "once_more"):
        simulation.enter(phase)
        simulation.advance(50)
        found.append(states(simulation, plan))
    assert_same(*found)


def test_the_noise_xi_gives_the_stationary_variance_and_time_constant(program):
    """An Ornstein-Uhlenbeck process has variance sigma**2 and correlation exp(-t/tau)."""
    simulation = start(program)
    simulation.advance(500)
    early = simulation.get("a", "v")
    simulation.advance(100)
    late = simulation.get("a", "v")
    assert late.std() == pytest.approx(2e-3, rel=0.1)
    assert abs(late.mean()) < 4 * 2e-3 / np.sqrt(late.size)
    assert np.corrcoef(early, late)[0, 1] == pytest.approx(np.exp(-1), abs=0.1)


def test_random_thresholds_give_poisson_spikes(program):
    simulation = start(program)
    simulation.advance(1000, record=True)
    spikes = simulation.take_spikes()["a"]
    counts = np.bincount(spikes.neuron, minlength=600)
    assert counts.mean() == pytest.approx(20, abs=4 * np.sqrt(20 / 600))
    assert counts.var() == pytest.approx(20 * 0.98, rel=0.2)
    step = np.repeat(np.arange(1000), spikes.count)
    order = np.lexsort((step, spikes.neuron))
    gaps = np.diff(step[order])[np.diff(spikes.neuron[order].astype(int)) == 0]
    assert gaps.std() / gaps.mean() == pytest.approx(1, abs=0.1)


def test_single_precision_follows_double_precision(plan, program):
    single = build(parse_text(TEXT.replace("float64", "float32")))
    left, right = start(program), start(fused.compile(single))
    for simulation in (left, right):
        simulation.advance(20)
    for key in (("a", "v"), ("b", "v"), ("c", "v"), ("a", "level")):
        np.testing.assert_allclose(left.get(*key), right.get(*key), rtol=1e-4, atol=1e-6)
        assert right.get(*key).max() < 1 or key[1] == "v"


MAPS = """\
name: maps
dt: 0.1*ms
precision: float64
neurons:
  cell:
    equations: |
      got : 1
      seen : second
    threshold: rand() < 0.3
    reset: got -= 1
    run: {end: seen = t}
populations:
  a: {shape: [3, 5, 6], neuron: cell}
  b: {shape: [2, 3, 4], neuron: cell}
projections:
  - name: p
    from: a
    to: b.got
    kind: conv
    kernel: 3
    symmetric: true
    weights: "int(9*rand())/8"
protocol: {phases: {run: {steps: 40}}}
"""


@pytest.mark.parametrize("cache", [0, projections.CACHE])
def test_the_clock_goes_on_whatever_order_weights_are_met_in(cache, monkeypatch):
    """Large tables are gone through row by row, both ways, without touching the step number."""
    monkeypatch.setattr(projections, "CACHE", cache)
    plan = build(parse_text(MAPS))
    left, right = start(fused.compile(plan, "libm")), start(reference.compile(plan, "numpy"))
    for simulation in (left, right):
        simulation.advance(40, record=True)
    assert left.get("a", "seen")[0] == pytest.approx(39e-4)
    assert_same(states(left, plan), states(right, plan))


COUNTS = """\
name: counts
dt: 0.1*ms
precision: float64
neurons:
  cell:
    equations: |
      rate : Hz
      n : integer
      level = poisson(0.3) : 1 (constant over dt)
      few : 1
      many : 1
      successes : 1
      total : 1
    threshold: poisson(rate*dt) > 0
    reset: total += binomial(n, 0.25)
    run:
      start: few = poisson(0.5*n) + level
      groups: many += poisson(100 + n)/2
      end: successes = binomial(50 + n, (i + 1)/(N + 1)) - few
populations:
  a: {shape: [2, 5, 6], neuron: cell, init: {rate: i*100*Hz, n: i}}
protocol: {phases: {run: {steps: 60}}}
"""


def test_poisson_and_binomial_numbers_are_those_of_every_engine():
    plan = build(parse_text(COUNTS))
    left, right = start(fused.compile(plan, "libm"), 2), start(reference.compile(plan, "numpy"), 2)
    for simulation in (left, right):
        simulation.advance(60, record=True)
    assert_same(states(left, plan), states(right, plan))
    spikes = [simulation.take_spikes()["a"] for simulation in (left, right)]
    np.testing.assert_array_equal(spikes[0].neuron, spikes[1].neuron)
    expected = 60 * (1 - np.exp(-np.arange(60) / 100))
    found = np.bincount(spikes[0].neuron, minlength=60)
    assert abs(found.sum() - expected.sum()) < 4 * np.sqrt(expected.sum())
    total = left.get("a", "many").sum()
    assert total == pytest.approx(30 * (100 + np.arange(60)).sum(), abs=4 * np.sqrt(total / 2))
