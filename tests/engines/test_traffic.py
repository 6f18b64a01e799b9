"""Synaptic operations: what engines count equals what spikes and values reach, one by one."""

import numpy as np
import pytest

from evsim.build.build import build
from evsim.engines.fused import engine as fused
from evsim.engines.reference import engine as reference
from evsim.engines.traffic import directions
from evsim.spec.parse import parse_text

TEXT = """\
name: traffic
dt: 1*ms
precision: float64
neurons:
  cell:
    equations: |
      v : 1
      u : 1
      drive : 1
      total : 1
      received : 1
      fixed : 1
    run: {start: "v += drive*rand(); u = int(rand() < 0.5)*v"}
    threshold: v > 1
    reset: v = 0
populations:
  image: {shape: [2, 7, 6], values: x}
  map: {shape: [4, 4, 3], neuron: cell, init: {drive: 0.3}}
  next: {shape: [3, 2, 2], neuron: cell, init: {drive: 0.5}}
  list: {shape: [13], neuron: cell, init: {drive: 0.4}}
projections:
  - {name: see, from: image.x, to: map.fixed, kind: conv, WIDE, stride: 2, sends: value}
  - {name: go, from: map, to: next.received, kind: conv, POOLED, pool: {average: 2}}
  - {name: top, from: map, to: next.received, kind: conv, POOLED, pool: {max: 2}}
  - {name: full, from: next, to: list.received, kind: dense, symmetric: true, delay: 2*ms}
  - {name: some, from: list, to: list.received, kind: sparse, in_degree: 3, symmetric: true}
  - {name: tell, from: list.u, to: next.total, kind: dense, sends: value, symmetric: true}
  - {name: fade, from: list, to: map.received, kind: sparse, probability: 0.2, learn: short}
plasticity:
  short: {equations: "r : 1", init: {r: 1}, on_pre: "target += w*r; r *= 0.9"}
protocol: {phases: {run: {steps: 30}}}
"""
TEXT = TEXT.replace("WIDE", "kernel: 3, padding: 1")
TEXT = TEXT.replace("POOLED", "kernel: 2, padding: 1, symmetric: true")


@pytest.fixture(scope="module")
def plan():
    return build(parse_text(TEXT))


def test_the_reach_is_that_of_listed_pairs(plan):
    for projection in plan.projections.values():
        geometry = projection.geometry
        pre, post, _, _ = geometry.synapses()
        if geometry.windows is None:
            pre, post = np.unique(np.stack([pre, post]), axis=1)
        for backward, ends, shape in (
            (False, pre, geometry.source_shape),
            (True, post, geometry.target_shape),
        ):
            expected = np.bincount(ends, minlength=int(np.prod(shape)))
            np.testing.assert_array_equal(geometry.reach(backward), expected)
            assert expected.sum() == geometry.synapse_count


@pytest.mark.parametrize("engine", ["fused", "reference"])
def test_operations_are_those_of_all_spikes_and_values(plan, engine):
    module = fused if engine == "fused" else reference
    simulation = module.compile(plan, *(["numpy"] if engine == "reference" else [])).simulation()
    image = np.random.default_rng(0).integers(0, 2, 84) * 0.5
    simulation.begin({("image", "x"): image}, trial=3)
    simulation.enter("run")
    found = directions(plan)
    assert [(d.projection.name, d.back) for d in found] == [
        ("see", False), ("go", False), ("go", True), ("top", False), ("top", True),
        ("full", False), ("full", True), ("some", False), ("some", True),
        ("tell", False), ("tell", True), ("fade", False),
    ]  # fmt: skip
    assert [d.static for d in found] == [True] + [False] * 11
    expected = np.zeros(len(found), int)
    expected[0] = found[0].reach[image != 0].sum()
    for _ in range(30):
        simulation.advance(1, record=True)
        spikes = simulation.take_spikes()
        for at, direction in enumerate(found):
            name, variable = direction.sender
            if not variable:
                expected[at] += direction.reach[spikes[name].neuron].sum()
            elif not direction.static:
                expected[at] += direction.reach[simulation.get(name, variable) != 0].sum()
    operations = simulation.take_operations()
    assert (operations > 0).all()
    np.testing.assert_array_equal(operations, expected)
    assert not simulation.take_operations().any()
