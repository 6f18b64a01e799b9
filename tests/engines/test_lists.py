"""Projections that list their pairs: both engines agree bit by bit, whatever the weights."""

import numpy as np
import pytest

from evsim.build.build import build
from evsim.engines.fused import engine as fused
from evsim.engines.reference import engine as reference
from evsim.spec.parse import parse_text
from evsim.testing.engine import assert_same, run_trial, take_gradients

TEXT = """\
name: lists
dt: 0.1*ms
precision: float64
seed: 5
neurons:
  cell:
    equations: |
      dv/dt = (drive + current - v)/(10*ms) : 1 (unless refractory)
      dcurrent/dt = -current/(5*ms) : 1
      drive : 1
      shown : 1
    threshold: v > 1
    reset: v = 0
    refractory: 1*ms
    method: euler
populations:
  a: {shape: [80], neuron: cell, init: {drive: 1 + 1.5*rand(), v: rand()}}
  b: {shape: [4, 5, 6], neuron: cell, init: {drive: 0.5 + rand(), v: rand()}}
  c: {shape: [120], neuron: cell, init: {drive: 0.8 + rand()}}
projections:
  - name: own
    from: a
    to: a.current
    kind: sparse
    probability: 0.1
    self_connections: false
    weights: "0.1*randn()"
  - name: some
    from: a
    to: b.current
    kind: sparse
    in_degree: 7
    weights: "0.2*rand()"
    learn: rise
  - name: near
    from: b
    to: b.v
    kind: sparse
    probability: "exp(-d**2/2)"
    weights: "int(200*randn())/4096"
  - name: copy
    from: b
    to: c.current
    kind: one_to_one
    symmetric: true
    weights: "0.3*rand()"
    learn: rise
  - name: rivals
    from: c
    to: c.current
    kind: all_to_all
    self_connections: false
    weights: "-0.002*rand()"
  - name: few
    from: c
    to: a.current
    kind: sparse
    pairs: [[0, 79], [119, 0], [3, 4]]
    weights: 2
  - name: watch
    from: a.v
    to: c.shown
    kind: sparse
    in_degree: 3
    sends: value
    weights: rand()
plasticity:
  rise: {at_end: {run: g += v_pre*v_post + current_post}, update: {rate: 0.1}}
protocol: {phases: {run: {steps: 250}}}
"""


@pytest.fixture(scope="module")
def plan():
    return build(parse_text(TEXT))


def test_engines_agree(plan):
    """Spikes are added in the order of senders, a sender's synapses in the order of targets.

    Only sums of spikes from `b`, whose channels lie side by side in memory, need exact weights.
    """
    found, gradients = [], []
    for program in (fused.compile(plan, "libm"), reference.compile(plan, "numpy")):
        simulation = program.simulation()
        found.append(run_trial(simulation, plan, {}))
        gradients.append(take_gradients(program, simulation))
    assert min(found[0]["run", name, "spikes"].size for name in "abc") > 100
    assert_same(*found)
    for name, gradient in gradients[0].items():
        np.testing.assert_allclose(gradient, gradients[1][name], rtol=1e-12)


def test_connections_depend_on_seed_and_name_only(plan):
    again = build(parse_text(TEXT))
    other = build(parse_text(TEXT.replace("seed: 5", "seed: 6")))

    def pairs(of, name):
        return np.stack(of.projections[name].geometry.pairs)

    for name in ("own", "some", "near"):
        np.testing.assert_array_equal(pairs(plan, name), pairs(again, name))
        assert pairs(plan, name).tolist() != pairs(other, name).tolist()
