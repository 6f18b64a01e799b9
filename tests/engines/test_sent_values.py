"""Values of every kind of variable that a projection can send."""

import numpy as np

from evsim.build.build import build
from evsim.engines.fused import engine as fused
from evsim.engines.reference import engine as reference
from evsim.spec.parse import parse_text
from evsim.testing.engine import assert_same, run_trial

TEXT = """\
name: sent
dt: 1*ms
precision: float64
neurons:
  sender:
    equations: |
      count : integer
      on : boolean
      level : 1 (shared)
      bias : 1
    threshold: i == 0
    reset: "count += 1; on = not on"
    run: {end: "level = level + 0.5"}
  receiver:
    equations: |
      x : 1
      y : 1
      z : 1
      b : 1
      beat : 1 (shared)
populations:
  a: {shape: [3], neuron: sender, init: {bias: 0.5}, share: {bias: all}, learn: {bias: rule}}
  q: {shape: [2, 2, 2], neuron: receiver}
projections:
  - {name: counts, from: a.count, to: q.x, kind: dense, sends: value, weights: 0.5}
  - {name: flags, from: a.on, to: q.y, kind: dense, sends: value, weights: 0.25*(1 + i)}
  - {name: levels, from: a.level, to: q.z, kind: dense, sends: value, weights: 0.25}
  - {name: learned, from: a.bias, to: q.b, kind: dense, sends: value, weights: 0.125}
  - {name: beats, from: q.beat, to: q.z, kind: all_to_all, sends: value, weights: 0.5}
plasticity: {rule: {at_end: {run: g += 1}, update: {rate: 0.1}}}
protocol: {phases: {run: {steps: 6, set: {q.beat: t/ms}}}}
""".replace("0.25*(1 + i)", "int(9*rand())/16")


def test_engines_agree_and_memory_is_left_alone():
    plan = build(parse_text(TEXT))
    programs = fused.compile(plan, "libm"), reference.compile(plan, "numpy")
    simulations = [program.simulation() for program in programs]
    seen = [run_trial(simulation, plan, {}, True) for simulation in simulations]
    assert_same(*seen)
    assert len({tuple(s.take_operations()) for s in simulations}) == 1
    found = seen[0]
    # Five resets before the last sum; levels rise at the end of steps.
    assert found["run", "q", "x"].tolist() == [2.5] * 8
    assert np.ptp(found["run", "q", "y"]) > 0
    assert found["run", "q", "b"].tolist() == [3 * 0.125 * 0.5] * 8
