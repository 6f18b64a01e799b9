"""Whole runs on data that drive a network: what is set, replayed and recorded, on both engines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import evsim
from evsim import simulate
from evsim.errors import RecordingError
from evsim.recording.trains import SpikeTrains
from tests.helpers import tiny

NETWORK = """\
name: driven
dt: 0.5*ms
precision: float64
data:
  name: npz
  path: data.npz
  fields:
    cells.current: (images - 0.5)*2*nA + gain*one_hot(labels)*nA
    cells.push: gain*mV
    eye.spikes: events
neurons:
  cell:
    equations: |
      dv/dt = (push - v + current*Mohm)/(10*ms) : volt
      current : amp
      push : volt (shared)
      received : 1
    run: {end: "v += received*mV; received = 0"}
    threshold: v > 0.5*mV
    reset: v = 0*mV
    method: euler
populations:
  eye: {shape: [2, 2, 3], spikes: {}}
  beat: {shape: [2], spikes: {file: beat.csv, period: 4*ms}}
  cells: {shape: [2, 3], neuron: cell}
projections:
  - {name: look, from: eye, to: cells.received, kind: dense, weights: int(5*rand())/64}
  - {name: hear, from: beat, to: cells.received, kind: dense, weights: 0.125}
protocol:
  epochs: 2
  order: sequential
  phases:
    show: {steps: 30}
    late: {steps: 10, from: show}
record:
  spikes: {}
  states: [{population: cells, variables: [v, current, push, received], when: end, every: 10}]
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    random = np.random.default_rng(8)
    counts = np.array([60, 0, 40, 50])
    np.savez(
        folder / "data.npz",
        train_images=random.integers(0, 256, (4, 2, 3), np.uint8),
        train_labels=[0, 1, 0, 1],
        train_gain=[0.25, 0.5, 1, 2],
        train_events_time=random.uniform(0, 0.02, counts.sum()),
        train_events_neuron=random.integers(0, 12, counts.sum()),
        train_events_start=np.concatenate([[0], np.cumsum(counts)]),
    )
    (folder / "beat.csv").write_text("0.001, 1\n0, 0\n")
    (folder / "driven.yaml").write_text(NETWORK)
    return folder / "driven.yaml"


@pytest.fixture(scope="module")
def folders(path: Path) -> dict[str, Path]:
    return {
        engine: simulate.run(simulate.load(path), engine=engine, out=path.parent / engine).folder
        for engine in ("fused", "reference")
    }


def test_engines_record_the_same_bit_by_bit(folders: dict[str, Path]) -> None:
    assert tiny.recorded(folders["fused"]) == tiny.recorded(folders["reference"])


def test_each_trial_has_the_values_and_spikes_of_its_sample(
    folders: dict[str, Path], path: Path
) -> None:
    data = np.load(path.parent / "data.npz")
    with evsim.open(folders["fused"]) as run:
        for trial in range(8):
            sample = trial % 4
            current = (data["train_images"][sample].ravel() / 255 - 0.5) * 2e-9
            current[data["train_labels"][sample]] += data["train_gain"][sample] * 1e-9
            _, found = run.states("cells", "current", trial)
            np.testing.assert_allclose(found[-1], current, rtol=1e-14, atol=1e-24)
            _, push = run.states("cells", "push", trial)
            np.testing.assert_allclose(push.ravel(), data["train_gain"][sample] * 1e-3, rtol=1e-14)
            begin, end = data["train_events_start"][sample : sample + 2]
            step = (data["train_events_time"][begin:end] / 5e-4 + 1e-3).astype(int)
            expected = {*zip(step.tolist(), data["train_events_neuron"][begin:end], strict=True)}
            assert {*pairs(run.spikes("eye", trial))} == expected
            beats = [(step + at, n) for step in range(0, 40, 8) for at, n in ((0, 0), (2, 1))]
            assert pairs(run.spikes("beat", trial)) == beats


def pairs(trains: SpikeTrains) -> list[tuple[int, int]]:
    return [*zip(trains.step.tolist(), trains.neuron.tolist(), strict=True)]


def test_a_run_goes_on_with_the_spikes_it_began_with(
    folders: dict[str, Path], path: Path, tmp_path: Path
) -> None:
    """Files are sought beside the network file that the run began with."""
    short = simulate.load(path, ["protocol.epochs=1"])
    folder = simulate.run(short, engine="fused", out=tmp_path).folder
    simulate.resume(folder, until_epochs=2)
    tiny.assert_equal_runs(folder, folders["fused"])
    beat = path.parent / "beat.csv"
    before = beat.read_text()
    beat.write_text("0.002, 1\n0, 0\n")
    try:
        with pytest.raises(RecordingError, match="changed"):
            simulate.resume(folder, until_epochs=3)
    finally:
        beat.write_text(before)
