"""Fields that hold spikes: of files of one's own, and of N-MNIST."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from evsim.build.build import build
from evsim.datasets import open_dataset
from evsim.datasets.n_mnist import read_events
from evsim.engines.fused import engine as fused
from evsim.engines.reference import engine as reference
from evsim.errors import DataError
from evsim.orchestrator.samples import Samples
from evsim.spec.parse import parse_text
from evsim.spec.schema import Data
from evsim.testing.engine import assert_same, run_trial

OWN = {
    "train_touch_time": np.array([0.003, 0.0012, 0.0011, 0.0, 0.001]),
    "train_touch_neuron": np.array([1, 2, 2, 0, 3]),
    "train_touch_start": np.array([0, 3, 3, 5]),
    "train_labels": np.array([0, 1, 0]),
}


def own(folder: Path, **changes: np.ndarray):
    np.savez(folder / "own.npz", **{**OWN, **changes})
    data = Data(name="npz", path=str(folder / "own.npz"), fields={"a.spikes": "touch"})
    return open_dataset(data)


def test_own_spikes_are_lists_of_steps_and_neurons(tmp_path: Path) -> None:
    """Sorted; two of one neuron in one step are one."""
    parts = own(tmp_path)
    found = [parts.spikes("train", n, "touch", 4, 1e-3, 0).tolist() for n in range(3)]
    assert found == [[[1, 3], [2, 1]], [[], []], [[0, 1], [0, 3]]]
    assert parts.size("train") == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_touch_start": [0, 3, 2, 5]}, "'train_touch' of .*own.npz .* rise from 0"),
        ({"train_touch_start": [0, 3, 3, 4]}, "the last start is 4, but there are 5 spikes"),
        ({"train_touch_neuron": [0, 1]}, "there are 5 times, but 2 neurons"),
        ({"train_labels": [0, 1]}, "differ in their number of samples: 'labels' 2, 'touch' 3"),
    ],
)
def test_arrays_that_are_no_lists_of_spikes(tmp_path: Path, changes: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        own(tmp_path, **{name: np.array(values) for name, values in changes.items()})


@pytest.mark.parametrize(
    ("size", "period", "message"),
    [
        (3, 0, r"'touch' of data set 'own', train sample 2: .* no neuron 3, but 3 from 0"),
        (4, 3, r"train sample 0: .* its time, 0.003 s, is not below the period"),
    ],
)
def test_spikes_that_do_not_fit_are_found_before_a_run(
    tmp_path: Path, size: int, period: int, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        own(tmp_path).check_spikes("train", "touch", size, 1e-3, period)


def test_values_and_spikes_are_not_confused(tmp_path: Path) -> None:
    parts = own(tmp_path)
    with pytest.raises(DataError, match="Field 'touch' .* holds spikes"):
        parts.values("train", 0, "touch", 4, float)
    with pytest.raises(DataError, match="no train field 'labels' that holds spikes"):
        parts.spikes("train", 0, "labels", 4, 1e-3, 0)


def test_events_of_a_camera_are_decoded() -> None:
    """Column, row, then polarity and time in 24 bits."""
    events = [(0, 33, 1, 300_000), (33, 5, 0, 65_537), (7, 0, 1, 1)]
    coded = b"".join(
        bytes([column, row]) + (polarity << 23 | time).to_bytes(3, "big")
        for column, row, polarity, time in events
    )
    found = read_events([coded[:10], b"", coded[10:]])
    assert_array_equal(found.start, [0, 2, 2, 3])
    np.testing.assert_allclose(found.time, [0.3, 0.065537, 1e-6], rtol=1e-12)
    assert found.neuron.tolist() == [1156 + 33 * 34, 5 * 34 + 33, 1156 + 7]


CAMERA = """\
name: camera
dt: 1*ms
precision: float64
data: {name: n_mnist, split: {train: 20, test: 4}, fields: {eye.spikes: events}}
neurons:
  cell:
    equations: |
      dv/dt = -v/(20*ms) : 1
    threshold: v > 1
    reset: v = 0
    method: euler
populations:
  eye: {shape: [2, 34, 34], spikes: {}}
  maps: {shape: [3, 8, 8], neuron: cell}
projections:
  - name: see
    from: eye
    to: maps.v
    kind: conv
    kernel: 5
    stride: 4
    weights: "int(17*rand())/256"
protocol: {phases: {watch: {steps: 320}}}
"""


def test_recordings_of_n_mnist_drive_a_network(official_folder: Callable[..., Path]) -> None:
    folder = official_folder("n-mnist-small", "NMNISTsmall.tar.xz")
    network = parse_text(CAMERA)
    plan = build(network)
    assert network.data is not None
    samples = Samples(network, plan, open_dataset(network.data, folder))
    samples.check()
    inputs = [samples.inputs("test", n) for n in range(2)]
    seen = []
    for program in (fused.compile(plan), reference.compile(plan, "numpy")):
        simulation = program.simulation()
        seen.append([run_trial(simulation, plan, given) for given in inputs])
    for given, one, other in zip(inputs, *seen, strict=True):
        assert_same(one, other)
        assert_array_equal(one["watch", "eye", "spikes"], given["eye", "spikes"][1])
        assert given["eye", "spikes"].shape[1] > 1000
        assert one["watch", "maps", "spikes"].size > 20
