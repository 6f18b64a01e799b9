"""Constants of the protocol that are drawn anew in every trial."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import evsim
from evsim import simulate
from evsim.errors import SpecError

DRAWN = """\
name: drawn
dt: 1*ms
seed: 4
precision: float64
neurons:
  cell:
    equations: |
      x : 1
      y : 1
      level : 1 (shared)
    run: {end: "x = side; y = level"}
    threshold: x > 5
populations:
  cells: {shape: [2], neuron: cell}
protocol:
  epochs: 2
  trials: 150
  batch: 150
  constants: {side: sign(rand() - 0.5), size: 2 + rand(), both: side*size/k}
  phases:
    one: {steps: 2, set: {cells.level: both}}
    two: {steps: 1, from: one, set: {cells.level: both, size: 3}}
record:
  states: [{population: cells, variables: [x, y], when: end}]
"""


def run(folder: Path, *overrides: str, engine: str = "fused", threads: int = 2) -> np.ndarray:
    """Values of x and y: (trial, variable, step)."""
    folder.mkdir(exist_ok=True)
    (folder / "drawn.yaml").write_text(DRAWN)
    network = simulate.load(folder / "drawn.yaml", overrides)
    result = simulate.run(network, engine=engine, out=folder, threads=threads)
    with evsim.open(result.folder) as recording:
        return np.array(
            [
                [recording.states("cells", name, trial)[1][:, 0] for name in "xy"]
                for trial in range(len(recording.trials))
            ]
        )


def test_a_trial_has_one_value_and_every_trial_its_own(tmp_path: Path) -> None:
    found = run(tmp_path)
    side, level = found[:, 0], found[:, 1]
    assert (side == side[:, :1]).all(), "one value in all phases"
    assert set(side[:, 0]) == {-1, 1}
    assert abs(side[:, 0].sum()) < 4 * np.sqrt(300)
    size = level[:, 0] * side[:, 0]
    assert ((size >= 2) & (size < 3)).all()
    assert len(np.unique(size)) == 300, "in every epoch anew"
    assert abs(np.corrcoef(size, side[:, 0])[0, 1]) < 0.25, "constants differ"
    np.testing.assert_allclose(level[:, 1], level[:, 0] / 2, rtol=1e-15)
    np.testing.assert_allclose(level[:, 2], side[:, 0])


def test_what_is_drawn_depends_on_the_trial_only(tmp_path: Path) -> None:
    usual = run(tmp_path / "usual")
    assert (run(tmp_path / "one", "protocol.batch=7", threads=1) == usual).all()
    assert (run(tmp_path / "other", engine="reference") == usual).all()
    assert (run(tmp_path / "seed", "seed=5") != usual).any()


def test_what_is_set_once_for_each_neuron_cannot_be_drawn(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="not the same in every step and trial"):
        run(tmp_path, "protocol.phases.one.set={cells.y: side}")
