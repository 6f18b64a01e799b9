"""Values of every kind of variable that a projection can send."""

import numpy as np
import pytest

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


EARLY = """\
name: early
dt: 1*ms
precision: float64
neurons:
  cell:
    equations: |
      sum : 1
      before : 1
      push : 1 (shared)
      both = sum + push : 1
    run: {start: before += SEEN}
populations:
  image: {shape: [2], values: u}
  a: {shape: [1], neuron: cell, init: {sum: 0.5}}
projections: [{name: p, from: image.u, to: a.sum, kind: dense, sends: value, weights: 2}]
protocol: {phases: {run: {steps: 3, set: {a.push: k}}, again: {steps: 2}}}
record: {states: [{population: a, variables: [both]}]}
"""


@pytest.mark.parametrize("engine", [fused, reference])
@pytest.mark.parametrize(("code", "before"), [("sum", 8.5), ("1", 3)])
def test_a_sum_is_there_once_a_step_has_formed_it(engine, code, before):
    """Whether it stays the same all trial long, or code that runs before it must not see it."""
    simulation = engine.compile(build(parse_text(EARLY.replace("SEEN", code)))).simulation()
    simulation.begin({("image", "u"): np.array([0.5, 1.5])})
    for phase, steps in {"run": 3, "again": 2}.items():
        simulation.enter(phase)
        seen = []
        for step in range(steps):
            names = ("sum", "push", "both")
            seen.append([float(simulation.look("a", n, step).item()) for n in names])
            simulation.advance(1)
        push = [1, 2, 3] if phase == "run" else [0, 0]
        sums = [0.5, 4, 4][:steps]
        assert seen == [[s, p, s + p] for s, p in zip(sums, push, strict=True)]
        if phase == "run":
            assert simulation.get("a", "before") == before
        simulation.leave()
