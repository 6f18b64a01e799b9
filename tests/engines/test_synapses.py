"""Delays and code of synapses: both engines agree bit by bit, and do what the code says."""

import numpy as np
import pytest

from evsim.build.brian2_compat import has_compiler
from evsim.build.build import build
from evsim.engines.fused import engine as fused
from evsim.engines.reference import engine as reference
from evsim.spec.parse import parse_text
from evsim.testing.engine import assert_same, run_trial, take_gradients

HEAD = """\
name: synapses
dt: 0.5*ms
precision: float64
seed: 3
neurons:
  cell:
    equations: |
      dv/dt = -v/(10*ms) : 1 (unless refractory)
      drive : 1
      level : 1
      boost : 1 (shared)
    run: {start: v += drive*rand()}
    threshold: v > 1
    reset: v = 0
    refractory: 2*ms
    method: euler
"""

STDP = (
    HEAD
    + """\
populations:
  a: {shape: [20], neuron: cell, init: {drive: 0.25}}
  b: {shape: [18], neuron: cell, init: {drive: 0.15}}
projections:
  - name: pairs
    from: a
    to: b.v
    kind: sparse
    probability: 0.5
    weights: rand()*0.3
    learn: stdp
    delay: 10*ms*rand()
    delay_post: 1*ms
  - {name: fading, from: a, to: b.v, kind: sparse, in_degree: 2, weights: 0.2*rand(), learn: short}
plasticity:
  stdp:
    equations: |
      dx/dt = -x/(20*ms) : 1 (event-driven)
      dy/dt = -y/tau_y : 1 (event-driven)
    parameters: {tau_y: 15*ms}
    on_pre: |
      x += 0.02
      w = clip(w - y, 0, 0.5)
    on_post: |
      y += 0.02
      w = clip(w + x*gain, 0, 0.5)
  short:
    equations: |
      u : 1
      dr/dt = (1 - r)/(50*ms) : 1 (event-driven)
      count : integer
      last : boolean
    init: {r: 1}
    on_pre: |
      u += 0.3*(1 - u)
      target += w*u*r
      r -= u*r
      count += 1
      last = level_post > 0
      level_pre -= 0.5*boost_post
protocol:
  constants: {gain: 1 + k/1024}
  phases:
    one: {duration: 60*ms, set: {b.boost: 0.25}}
    two: {duration: 30*ms, from: one}
    three: {duration: 30*ms, from: one}
"""
)

MANY = (
    HEAD
    + """\
populations:
  a: {shape: [20], neuron: cell, init: {drive: 0.25}}
  b: {shape: [18], neuron: cell, init: {drive: 0.15}}
  grid: {shape: [2, 3, 4], neuron: cell, init: {drive: 0.2}}
projections:
  - {name: plain, from: b, to: a.v, kind: all_to_all, weights: 0.05*rand(), delay: 3*ms}
  - {name: spread, from: a, to: a.v, kind: dense, weights: 0.03*rand(), delay: 2*ms*rand()}
  - {name: rows, from: b, to: grid.v, kind: dense, weights: int(99*rand())/1024, delay: 1.5*ms}
  - name: conv
    from: grid
    to: grid.level
    kind: conv
    kernel: 3
    padding: 1
    weights: int(99*randn())/1024
    delay: 1*ms
    symmetric: true
    learn: traces
  - {name: slow, from: grid, to: b.v, kind: sparse, in_degree: 3, weights: 0.1, learn: decaying}
plasticity:
  traces:
    equations: |
      x : 1
      y : 1
    on_pre: g += gain*y; x = 0.5*x + 1
    on_post: g += gain*x + 0.125*w; y = 0.5*y + 1 + int(i == 3)*j
    update: {rate: 0.1}
  decaying:
    equations: |
      dz/dt = (level_post - z)/(5*ms) + 0.1*xi/sqrt(5*ms) : 1 (clock-driven)
      scale : 1
    init: {scale: 1 + rand()}
    method: euler
    on_pre: z += scale*int(rand() < 0.7)
    on_post: z -= 0.5*int(w > 0)
protocol:
  constants: {gain: 1 + k/1024}
  phases:
    one: {duration: 60*ms}
    two: {duration: 30*ms, from: one}
    three: {duration: 30*ms, from: one}
"""
)


@pytest.mark.parametrize(("text", "target"), [(STDP, "strict"), (MANY, "numpy")])
def test_engines_agree(text, target):
    if target == "strict" and not has_compiler():
        pytest.skip("no C++ compiler")
    plan = build(parse_text(text))
    programs = fused.compile(plan, "libm"), reference.compile(plan, target)
    simulations = [program.simulation() for program in programs]
    if "spread" in plan.projections:
        paths = {line.partition(":")[0]: line for line in programs[0].explain()}
        assert "in a list, as their delays differ" in paths["projection spread"]
        assert "list" not in paths["projection rows"]
    for learns in (True, False):
        seen = [run_trial(simulation, plan, {}, learns) for simulation in simulations]
        assert_same(*seen)
        assert all(len(spikes) > 20 for key, spikes in seen[0].items() if key[2] == "spikes")
        pairs = zip(programs, simulations, strict=True)
        gradients = [take_gradients(program, simulation) for program, simulation in pairs]
        for name in plan.rules:
            assert bool(abs(gradients[0][name]).max() > 0) == learns
            np.testing.assert_allclose(*(g[name] for g in gradients), rtol=1e-12, atol=1e-12)


CHAIN = """\
name: chain
dt: 0.1*ms
precision: float64
neurons:
  starter:
    equations: "n : 1"
    threshold: n == 1
    run: {start: n += 1}
  listener:
    equations: "got : 1"
populations:
  a: {shape: [3], neuron: starter, init: {n: -10*i}}
  b: {shape: [3], neuron: listener}
projections:
  - {name: send, from: a, to: b.got, kind: one_to_one, weights: 1, delay: DELAY}
protocol:
  phases:
    before: {steps: 1}
    rest: {steps: 60, from: before}
record:
  states: [{population: b, variables: [got], when: end}]
"""


@pytest.mark.parametrize("engine", [fused, reference])
@pytest.mark.parametrize(
    ("delay", "steps"),
    [("0*ms", [0, 0, 0]), ("0.25*ms", [3, 3, 3]), ("0.1*ms*(2 + i)", [2, 3, 4])],
)
def test_a_spike_arrives_after_its_delay(engine, delay, steps):
    """Half a step is rounded up; spikes on their way belong to a phase's snapshot."""
    plan = build(parse_text(CHAIN.replace("DELAY", delay)))
    simulation = engine.compile(plan).simulation()
    for _ in range(2):
        simulation.begin({})
        arrived = np.full(3, -1)
        for name, phase in plan.phases.items():
            simulation.enter(name)
            for step in range(phase.steps):
                simulation.advance(1)
                new = (simulation.get("b", "got") > 0) & (arrived < 0)
                arrived[new] = phase.first + step
            simulation.leave()
        np.testing.assert_array_equal(arrived, [10 * i + steps[i] for i in range(3)])
