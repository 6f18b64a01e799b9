"""Variables that follow from others are recorded like states."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import evsim
from evsim.analysis.convergence import energy, movement, typical_trials
from evsim.build.build import build
from evsim.errors import SpecError
from evsim.spec.parse import parse_text
from tests.helpers import pooled

TEXT = """\
name: derived
dt: 0.5*ms
precision: float64
neurons:
  cell:
    equations: |
      dv/dt = (1.5 - v + lift)/(5*ms) : 1
      lift = 0.1*exp(-v) : 1
      half = v**2/2 : 1
      cost = half - clip(v, 0.2, 0.7)*rest + gain*eps + push + ramp(t) : 1
      since = t + i*dt : second
      high = v > 0.5 and rest > 0.2 : boolean
      total = push*2 : 1 (shared)
      rest : 1 (constant)
      push : 1 (shared)
    threshold: v > 1
    reset: v = 0
    parameters: {gain: 0.5}
arrays: {ramp: {values: [1, 2, 4], dt: 4*ms}}
populations:
  cells: {shape: [3, 2], neuron: cell, init: {rest: 0.1*i, v: 0.1*i}}
protocol:
  trials: 2
  constants: {eps: 1/k}
  phases:
    first: {steps: 20}
    second: {steps: 10, from: first, set: {cells.push: 0.1*k}}
record:
  spikes: {}
  states:
    - {population: cells, variables: [v, cost, since, high, total], every: 3}
    - {population: cells, variables: [v, cost, since, high, total], every: 3, when: end}
"""


@pytest.mark.parametrize("engine", ["fused", "reference"])
def test_what_follows_from_states_is_recorded_with_them(tmp_path: Path, engine: str) -> None:
    result = evsim.run(parse_text(TEXT), out=tmp_path, engine=engine)
    with evsim.open(result.folder) as run:
        for entry in (0, 1):
            values = {}
            for name in ("v", "cost", "since", "high", "total"):
                step, values[name] = run.states("cells", name, 1, entry=entry)
            v, rest = values["v"], 0.1 * np.arange(6)
            k = step[:, None] + 1.0
            push = np.where(step[:, None] < 20, 0, 0.1 * k)
            ramp = np.array([1, 2, 4, 4])[step // 8][:, None]
            cost = v**2 / 2 - np.clip(v, 0.2, 0.7) * rest + 0.5 / k + push + ramp
            np.testing.assert_allclose(values["cost"], cost, rtol=1e-12)
            since = 0.5e-3 * (step[:, None] + np.arange(6))
            np.testing.assert_allclose(values["since"], since, atol=1e-15)
            np.testing.assert_array_equal(values["high"], (v > 0.5) & (rest > 0.2))
            assert 0 < values["high"].mean() < 1
            np.testing.assert_allclose(values["total"], 2 * push)
        units = {v.name: v.unit for v in run.layout.states[0].variables}
        assert units["since"] == "second**1"


def test_what_follows_from_synapses_is_refused() -> None:
    text = """\
name: synaptic
dt: 0.1*ms
neurons: {cell: {model: lif}}
populations: {a: {shape: [2], neuron: cell}, b: {shape: [2], neuron: cell}}
projections: [{name: p, from: a, to: b.v, kind: all_to_all, weights: 1*mV, learn: rule}]
plasticity: {rule: {equations: "twice = 2*x : 1\\nx : 1", on_pre: x += 1}}
protocol: {phases: {run: {steps: 5}}}
record: {states: [{population: p, variables: [twice]}]}
"""
    with pytest.raises(SpecError, match="Projection 'p' has no variable 'twice'"):
        parse_text(text)


def test_the_energy_falls_to_that_of_the_weights(tmp_path: Path) -> None:
    """Where a network has settled, decoded spikes are the weighted activations."""
    names = ("first", "second", "digit")
    states = "".join(f"    - {{population: {n}, variables: [u, energy]}}\n" for n in names)
    record = f"record:\n  spikes: {{}}\n  states:\n{states}"
    path = pooled.write(tmp_path, pooled.NETWORK + record)
    settings = [
        "data.split={train: 2}",
        "protocol.batch=1",
        "plasticity.of_weight.update.rate=1e-12",
    ]
    settings += ["plasticity.of_bias.update.rate=1e-12", "protocol.phases.free.steps=400"]
    network = evsim.load(path, settings)
    result = evsim.run(network, out=tmp_path / "out")
    with evsim.open(result.folder) as run:
        rows = typical_trials(run, sampled=True)
        assert rows == [0, 1]
        step, total = energy(run, rows[:1])
        np.testing.assert_array_equal(step, np.arange(500))
        free = total[:400]
        assert free[0] == 0
        assert (np.diff(free[:6]) < 0).all()
        settled = free[-50:].mean()
        assert free.min() > settled - 0.01 * abs(settled)
        plan = build(network)
        u = {n: run.states(n, "u", 0, "free")[1][-50:].mean(0) for n in names}
        u["image"] = np.load(tmp_path / "data.npz")["train_x"][0].ravel()
        expected = sum(0.5 * (u[n] ** 2).sum() - 0.4 * u[n].sum() for n in names)
        for name, projection in plan.projections.items():
            pre, post, weight, share = projection.geometry.synapses()
            acting = plan.parameters[name].ravel()[weight] * share
            expected -= (acting * u[projection.source][pre] * u[projection.target][post]).sum()
        assert settled == pytest.approx(expected, rel=0.01)
        step, moved = movement(run, "digit", "u", rows)
        assert set(np.arange(500)) - set(step) == {0, 400, 450}
        assert moved[:20].max() > 10 * moved[350:399].max()
