"""Populations that replay spikes: both engines agree with Brian2's SpikeGeneratorGroup."""

import brian2
import h5py
import numpy as np
import pytest

from evsim.build.brian2_compat import code_target
from evsim.build.build import build
from evsim.engines.fused import engine as fused
from evsim.engines.reference import engine as reference
from evsim.spec.parse import parse_text
from evsim.testing.engine import assert_same, run_trial, take_gradients

TEXT = """\
name: replay
dt: 0.1*ms
precision: float64
neurons:
  cell:
    equations: |
      dv/dt = (push - v)/(2*ms) : 1
      push : 1 (shared)
    threshold: v > 1
    reset: v = 0
    method: euler
populations:
  map: {shape: [3, 4, 5], spikes: {file: map.csv, unit: ms}}
  flat: {shape: [7], spikes: {file: "flat.h5:early/part", period: 1.7*ms}}
  few: {shape: [4], spikes: {times: [2.05*ms, 0*ms, 2.1*ms, 2.1*ms], neurons: [3, 2, 3, 0]}}
  none: {shape: [2], spikes: {times: [], neurons: []}}
  own: {shape: [2, 3, 2], spikes: {}}
  cells: {shape: [2, 2, 3], neuron: cell}
data: {name: npz, path: own.npz, fields: {own.spikes: events}}
projections:
  - {name: a, from: map, to: cells.v, kind: conv, kernel: [3, 3], weights: "int(9*rand())/64"}
  - {name: b, from: flat, to: cells.v, kind: dense, weights: "int(9*rand())/64", learn: rise}
  - {name: c, from: few, to: cells.v, kind: dense, weights: "int(9*rand())/64"}
  - {name: d, from: own, to: cells.v, kind: one_to_one, weights: "int(9*rand())/64"}
  - {name: e, from: none, to: cells.v, kind: dense, weights: 1}
plasticity: {rise: {at_end: {again: g += v_post - w}, update: {rate: 0.1}}}
protocol:
  phases:
    first: {steps: 50}
    on: {steps: 30, from: first, set: {cells.push: 0.5}}
    again: {steps: 40, from: first}
"""

REPEATED = """\
name: repeated
dt: 1*ms
neurons: {cell: {equations: "x : 1"}}
populations:
  a: {shape: [2], spikes: {times: [1*ms, 12*ms, 25*ms, 26*ms, 34*ms], neurons: [0, 1, 0, 1, 0]}}
  cells: {shape: [1], neuron: cell}
projections: [{name: p, from: a, to: cells.x, kind: dense, weights: 1}]
protocol: {phases: {run: {steps: 10, repeat: {until: "spikes(a) > 9", at_most: 3}}}}
"""


@pytest.mark.parametrize("engine", [fused, reference])
def test_spikes_arrive_in_every_attempt_of_a_repeated_phase(engine):
    simulation = engine.compile(build(parse_text(REPEATED))).simulation()
    simulation.begin({})
    counts = []
    for attempt in range(3):
        simulation.enter("run", attempt)
        simulation.advance(10)
        simulation.leave()
        counts.append(simulation.take_counts()["a"])
    assert counts == [1, 1, 2]
    assert simulation.get("cells", "x") == 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files whose times lie on steps, just below them and between; not in their order."""
    folder, random = tmp_path_factory.mktemp("spikes"), np.random.default_rng(4)
    step, neuron = distinct(random, 400, 100, 60)
    shift = random.choice([0, -5e-8, 3e-5], len(step))
    lines = [f"{t:.9f}, {n}" for t, n in zip(1e3 * (step * 1e-4 + shift), neuron, strict=True)]
    (folder / "map.csv").write_text("\n".join(["# of a map", "time,neuron", "", *lines]))
    step, neuron = distinct(random, 30, 16, 7)
    with h5py.File(folder / "flat.h5", "w") as file:
        file["early/part/time"], file["early/part/neuron"] = step * 1e-4, neuron
    return folder


def distinct(random, number, steps, size):
    """Spikes in steps from 1 to `steps`, no two alike."""
    chosen = random.permutation(steps * size)[:number]
    return 1 + chosen // size, chosen % size


@pytest.fixture(scope="module")
def plan(folder):
    return build(parse_text(TEXT), folder)


@pytest.fixture(scope="module")
def trials(plan):
    """What two trials with spikes of their own, and one without, do on each engine."""
    random = np.random.default_rng(2)
    inputs = [{}]
    for _ in range(2):
        step, neuron = distinct(random, 200, 100, 12)
        inputs.append({("own", "spikes"): np.unique([step, neuron], axis=1)})
    seen = []
    for program in (fused.compile(plan), reference.compile(plan, "numpy")):
        simulation = program.simulation()
        seen.append([run_trial(simulation, plan, given) for given in inputs])
        seen[-1].append(take_gradients(program, simulation))
    return inputs, seen


def test_engines_agree_bit_by_bit(trials):
    _, (left, right) = trials
    for one, other in zip(left, right, strict=True):
        assert_same(one, other)
    assert all(one["on", "cells", "spikes"].size for one in left[:3])
    assert np.abs(left[3]["b"]).max() > 0.1
    assert not (left[0]["on", "cells", "v"] == left[1]["on", "cells", "v"]).all()


def generated(steps, times, neurons, size, period=0.0):
    """Steps and neurons of what Brian2's own group sends."""
    clock = brian2.Clock(0.1 * brian2.ms)
    group = brian2.SpikeGeneratorGroup(
        size, neurons, times * brian2.second, period=period * brian2.second, clock=clock
    )
    monitor = brian2.SpikeMonitor(group)
    with code_target("numpy"):
        brian2.Network(group, monitor).run(steps * 0.1 * brian2.ms, namespace={})
    return np.rint(np.asarray(monitor.t) / 1e-4).astype(int), np.asarray(monitor.i)


def test_spikes_are_those_of_brian2(trials, folder):
    """Also across phases: one that starts from another goes on at that one's step."""
    rows = np.loadtxt(folder / "map.csv", delimiter=",", skiprows=3)
    with h5py.File(folder / "flat.h5") as file:
        flat = file["early/part/time"][()], file["early/part/neuron"][()]
    few = np.array([2.05, 0, 2.1, 2.1]) * 1e-3, np.array([3, 2, 3, 0])
    for name, times, neurons, size, period in (
        ("map", rows[:, 0] * 1e-3, rows[:, 1].astype(int), 60, 0.0),
        ("flat", *flat, 7, 1.7e-3),
        ("few", *few, 4, 0.0),
    ):
        step, neuron = generated(90, times, neurons, size, period)
        for phase, begin, end in (("first", 0, 50), ("on", 50, 80), ("again", 50, 90)):
            seen = trials[1][0][1]
            found = seen[phase, name, "spike counts"], seen[phase, name, "spikes"]
            part = (step >= begin) & (step < end)
            assert part.any() or name == "few"
            order = np.lexsort((neuron[part], step[part]))
            expected = np.bincount(step[part] - begin, minlength=end - begin)
            np.testing.assert_array_equal(found[0], expected)
            np.testing.assert_array_equal(found[1], neuron[part][order])
    own, given = trials[1][0][2], trials[0][2]["own", "spikes"]
    late = (given[0] >= 50) & (given[0] < 90)
    assert own["again", "own", "spikes"].tolist() == given[1, late].tolist()
    assert not trials[1][0][0]["first", "own", "spikes"].size
