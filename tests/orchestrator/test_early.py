"""Phases that end when a trial has settled: on a decay, whose every value is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import evsim
from evsim import simulate
from evsim.errors import SpecError
from tests.helpers import tiny

DECAY = """\
name: decay
dt: 1*ms
precision: float64
neurons:
  cell:
    equations: |
      x : 1
      age : 1
      bias : 1 (constant)
    run:
      end: |
        x *= 0.5
        age = number
    threshold: x > 10
populations:
  cells: {shape: [3], neuron: cell, init: {x: 1024}, learn: {bias: mean}}
plasticity:
  mean: {at_end: {late: g += x}, update: {rate: 1}}
protocol:
  constants: {number: k}
  phases:
    early: {steps: 23}
    late: {steps: 22, from: early, set: {cells.x: 64}, average: {variables: [x], last: 2}}
  settle: {variables: [x], after: early, early: [early, late], window: 5, tolerance: 2}
record:
  spikes: {}
  states:
    - {population: cells, variables: [x, age], when: end}
    - {population: cells, variables: [x], when: start}
  weights: {}
"""


@pytest.mark.parametrize("engine", ["fused", "reference"])
def test_a_phase_ends_with_the_first_window_in_which_little_moved(
    tmp_path: Path, engine: str
) -> None:
    """Windows end after 8, 13, 18, 23 steps, and after 7, 12, 17, 22."""
    (tmp_path / "decay.yaml").write_text(DECAY)
    network = simulate.load(tmp_path / "decay.yaml")
    result = simulate.run(network, engine=engine, out=tmp_path)
    with evsim.open(result.folder) as recording:
        assert recording.phases(0) == {"early": (0, 18), "late": (18, 30)}
        step, age = recording.states("cells", "age", 0)
        assert step.tolist() == list(range(30))
        np.testing.assert_array_equal(age[:, 0], step + 1)
        _, x = recording.states("cells", "x", 0, "late")
        np.testing.assert_array_equal(x[:, 0], 64 * 0.5 ** np.arange(1, 13))
        step, x = recording.states("cells", "x", 0, entry=1)
        assert step.tolist() == list(range(30))
        expected = [*(1024 * 0.5 ** np.arange(18)), *(64 * 0.5 ** np.arange(12))]
        np.testing.assert_array_equal(x[:, 0], expected)
        assert len(recording.spikes("cells", 0).step) == 3 * (7 + 3)
        assert recording.trials["residual"][0] == 1024 * (0.5**13 - 0.5**18)
        bias = recording.weights("cells.bias", 1)
        np.testing.assert_allclose(bias, 64 * (0.5**11 + 0.5**12) / 2, rtol=1e-14)
    assert result.metrics[0]["steps_saved"] == pytest.approx(1 - 30 / 45)
    assert result.metrics[0]["unsettled"] == 0


def test_phases_that_never_settle_run_as_if_they_could_not_end_early(tmp_path: Path) -> None:
    found = []
    for at, early in enumerate(("[]", "[free, plus, minus]")):
        overrides = [f"protocol.settle.early={early}", "protocol.settle.tolerance=1e-9"]
        overrides.append("protocol.settle.window=5")
        path = tiny.write(tmp_path / str(at))
        result = simulate.run(simulate.load(path, overrides), out=tmp_path / str(at))
        found.append((tiny.learned(result.folder), [row["loss"] for row in result.metrics]))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("protocol.settle.early=[fre]", "did you mean 'free'"),
        ("protocol.settle.early=[plus]", "averages its last 3 steps"),
        ("protocol.settle.window=15", "Phase 'plus' has 10 steps, fewer than 15"),
    ],
)
def test_what_cannot_end_early_is_refused(tmp_path: Path, change: str, message: str) -> None:
    overrides = ["protocol.settle={variables: [u], after: free, window: 2, early: [plus]}", change]
    if "window" in change:
        overrides[0] = overrides[0].replace("window: 2, ", "")
    with pytest.raises(SpecError, match=message):
        simulate.load(tiny.write(tmp_path), overrides)
