"""Receptive fields of neurons that answer to known pixels, and the images that trials showed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evsim.analysis.network import network_of
from evsim.analysis.plots import plot
from evsim.analysis.receptive import fields, separation, triggered_average
from evsim.analysis.stimuli import Stimuli, stimuli
from evsim.analysis.tables import receptive_fields
from evsim.build.build import build
from evsim.datasets import open_dataset
from evsim.engines.base import Spikes
from evsim.errors import DataError, InputError
from evsim.orchestrator.events import PhaseRecord, TrialRecord
from evsim.orchestrator.samples import Samples
from evsim.recording.folder import RunFolder
from evsim.recording.layout import Layout, Parameter, Phase, Population
from evsim.recording.reader import open_run
from evsim.recording.writer import Writer
from evsim.spec.parse import parse
from tests.helpers import tiny
from tests.helpers.process import evsim as command

LAYOUT = Layout(
    dt=1e-3,
    precision="float32",
    populations=(
        Population("image", (1, 6, 6)),
        Population("hidden", (2, 2, 2)),
        Population("digit", (3,)),
    ),
    spikes=("hidden", "digit"),
    encoding="compact",
    states=(),
    parameters=(Parameter("k", (2, 1, 3, 3)),),
    phases=(Phase("free", 20), Phase("plus", 10), Phase("minus", 10)),
)
TRIALS = 40
KERNELS = np.random.default_rng(3).normal(size=(2, 1, 3, 3)).astype(np.float32)
PIXELS = {0: 7, 3: 20, 6: 35}
"""The pixel that a hidden neuron answers to; 1 spikes alike in all trials, 2 by chance."""


def data(folder: Path) -> np.ndarray:
    """Replace the data of `tiny` by noise; return the training images."""
    random = np.random.default_rng(0)
    kept: dict[str, np.ndarray] = {}
    for split, number in (("train", 60), ("test", 9)):
        kept[f"{split}_x"] = random.random((number, 6, 6)).astype(np.float32)
        kept[f"{split}_kind"] = np.arange(number) % 3
    np.savez(folder / "data.npz", **kept)
    return kept["train_x"]


def write(
    folder: Path,
    text: str = tiny.NETWORK,
    layout: Layout = LAYOUT,
    weights: np.ndarray = KERNELS,
    **noted: Any,
) -> Path:
    """A run of `tiny` whose hidden neurons answer to `PIXELS` of their trial's image."""
    file = tiny.write(folder, text.replace("train: 32", "train: 50"))
    data(folder)
    network = parse(file)
    assert network.data is not None
    parts = open_dataset(network.data, None, folder)
    manifest = {"file": str(file), "overrides": [], "data_dir": None, **noted}
    run = RunFolder.create(folder / "out", "tiny", file.read_text(), manifest)
    random = np.random.default_rng(2)
    with Writer.create(run.recording, layout, {}) as writer:
        if layout.parameters:
            writer.weights(0, {"k": weights})
        for index in range(TRIALS):
            image = parts.sample("train", index, "x", np.float64).ravel()
            raster = np.zeros((20, 8), np.bool_)
            raster[:7, 1] = True
            raster[:, 2] = random.random(20) < 0.3
            for neuron, pixel in PIXELS.items():
                raster[: round(19 * image[pixel]), neuron] = True
            count = raster.sum(1).astype(np.uint32)
            spikes = Spikes(count, np.nonzero(raster)[1].astype(np.uint32))
            silent = Spikes(np.zeros(20, np.uint32), np.zeros(0, np.uint32))
            kept = {"hidden": spikes, "digit": silent}
            phases = (PhaseRecord("free", 20, {name: kept[name] for name in layout.spikes}),)
            writer.trial(TrialRecord(0, "train", index, index, index % 3, -1, float("nan"), phases))
    return run.path


def test_neurons_answer_to_their_pixels(tmp_path: Path) -> None:
    with open_run(write(tmp_path)) as run:
        (found,) = fields(run)
        (row,) = (
            dict(zip(receptive_fields.COLUMNS, row, strict=True))
            for row in receptive_fields.table(run).rows
        )
    assert (found.population, found.phase, found.trials) == ("hidden", "free", TRIALS)
    assert found.neurons.tolist() == [0, 2, 3, 6], "those that vary"
    flat = found.average.reshape(4, -1)
    assert found.average.shape == (4, 1, 6, 6)
    assert flat.argmax(axis=1)[[0, 2, 3]].tolist() == list(PIXELS.values())
    assert found.beyond.tolist() == [True, False, True, True]
    assert found.separation[[0, 2, 3]].min() > 2 > found.separation[1]
    assert (row["neurons"], row["fields"]) == (4, 0.75)
    # Spikes in proportion to a pixel: its mean at a spike exceeds its mean by var/mean.
    assert row["peak"] == pytest.approx(1 / 12 / 0.5, rel=0.3)
    assert 1 / 36 <= row["area"] < 0.1


def test_weights_lie_where_they_come_from(tmp_path: Path) -> None:
    """Neuron 3 is the lower right of the first feature: pixels from 2 on, four places averaged."""
    with open_run(write(tmp_path)) as run:
        (found,) = fields(run)
    expected = np.zeros((6, 6))
    for row in (2, 3):
        for column in (2, 3):
            expected[row : row + 3, column : column + 3] += KERNELS[0, 0] / 4
    assert found.weights is not None
    assert found.weights[2, 0] == pytest.approx(expected, rel=1e-5)
    assert found.weights[3, 0, :3, :3].any(), "neuron 6 begins with the third row"


def test_columns_of_dense_weights_are_fields(tmp_path: Path) -> None:
    text = tiny.NETWORK.replace("kind: conv\n    kernel: 3\n    pool: {average: 2}", "kind: dense")
    weights = np.random.default_rng(0).normal(size=(36, 8)).astype(np.float32)
    layout = replace(LAYOUT, parameters=(Parameter("k", weights.shape),))
    with open_run(write(tmp_path, text, layout, weights)) as run:
        (found,) = fields(run)
    assert found.weights is not None
    assert (found.weights.reshape(4, 36) == weights[:, [0, 2, 3, 6]].T).all()
    with open_run(write(tmp_path, text, replace(LAYOUT, parameters=()))) as run:
        (found,) = fields(run)
    assert found.weights is None, "none are kept"


@settings(deadline=None)
@given(st.integers(2, 12), st.integers(1, 5), st.integers(0, 2**31))
def test_separation_is_that_of_the_fields_themselves(trials: int, size: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    spikes, images = random.integers(1, 9, (trials, size)), random.normal(size=(trials, 7))
    _, larger = separation(spikes, images, deals=20)
    order = np.random.default_rng(0)
    sizes = [
        np.linalg.norm(triggered_average(spikes, images[order.permutation(trials)]), axis=1)
        for _ in range(20)
    ]
    actual = np.linalg.norm(triggered_average(spikes, images), axis=1)
    # Deals that happen to be alike differ by rounding only.
    low, high = (np.mean(np.array(sizes) < actual + by, axis=0) for by in (-1e-6, 1e-6))
    assert (low <= larger).all() and (larger <= high).all()


def test_one_field_in_twenty_stands_out_by_chance() -> None:
    random = np.random.default_rng(2)
    _, larger = separation(random.binomial(20, 0.3, (40, 400)) + 1, random.random((40, 36)))
    assert (larger >= 0.95).mean() == pytest.approx(0.05, abs=0.03)


def test_a_spike_adds_its_image() -> None:
    images = np.array([[1.0, 0.0], [0.0, 2.0], [2.0, 1.0]])
    found = triggered_average(np.array([[2, 1, 0], [0, 1, 0], [0, 1, 0]]), images)
    assert found[:2].tolist() == [[0, -1], [0, 0]] and np.isnan(found[2]).all()


AUGMENTED = tiny.NETWORK.replace(
    "one_hot(kind)}", "one_hot(kind)}\n  augment: {x: {shift: 2, flip: horizontal}}"
)


@pytest.mark.parametrize(
    "text",
    [AUGMENTED, AUGMENTED.replace("image.u: x", "image.u: 1 - x/2"), tiny.NETWORK],
    ids=["augmented", "expression", "plain"],
)
def test_images_are_those_that_trials_were_given(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    with open_run(path) as run:
        network = network_of(run)
        assert network is not None and network.data is not None
        run.trials["split"][1] = "test"
        run.trials["epoch"][2] = 5
        shown = stimuli(run, network, range(4))
        assert shown is not None and (shown.population, shown.shape) == ("image", (1, 6, 6))
        samples = Samples(
            network, build(network, tmp_path), open_dataset(network.data, None, tmp_path)
        )
        for row, values in zip(run.trials, shown.values, strict=False):
            learns = row["split"] == "train"
            epoch = int(row["epoch"]) if learns else None
            given = samples.inputs(str(row["split"]), int(row["sample"]), epoch)["image", "u"]
            assert values == pytest.approx(given, abs=1e-6)


SPIKING = """\
name: eye
dt: 1*ms
data: {name: npz, path: own.npz, fields: {flat.spikes: touch, eye.spikes: touch}}
populations:
  flat: {shape: [4], spikes: {}}
  eye: {shape: [2, 2], spikes: {}}
protocol: {phases: {free: {steps: 10}}}
"""


def test_pixels_that_spike_count_their_spikes(tmp_path: Path) -> None:
    shown = of_spikes(tmp_path)
    assert (shown.population, shown.shape) == ("eye", (2, 2))
    assert shown.values.tolist() == [[0, 1, 2, 0], [1, 0, 0, 1]]


def of_spikes(folder: Path) -> Stimuli:
    np.savez(
        folder / "own.npz",
        train_touch_time=np.array([0.003, 0.0012, 0.0021, 0.0, 0.001]),
        train_touch_neuron=np.array([1, 2, 2, 0, 3]),
        train_touch_start=np.array([0, 3, 3, 5]),
    )
    noted = {"file": str(folder / "eye.yaml")}
    run_folder = RunFolder.create(folder / "out", "eye", SPIKING, noted)
    layout = replace(LAYOUT, spikes=(), parameters=())
    with Writer.create(run_folder.recording, layout, {}) as writer:
        for sample in (0, 2):
            writer.trial(TrialRecord(0, "train", sample, sample, -1, -1, float("nan"), ()))
    with open_run(run_folder.path) as run:
        network = network_of(run)
        assert network is not None
        found = stimuli(run, network, [0, 1])
    assert found is not None
    return found


def test_a_figure_is_drawn(tmp_path: Path) -> None:
    path = write(tmp_path)
    done = command("plot", path, "receptive_fields", "--out", tmp_path / "fields.svg")
    assert done.code == 0, done.err
    text = (tmp_path / "fields.svg").read_text()
    assert text.count("<image ") == 2, "fields and weights"


def test_data_that_are_gone_are_named(tmp_path: Path) -> None:
    path = write(tmp_path)
    (tmp_path / "data.npz").unlink()
    done = command("plot", path, "receptive_fields")
    assert done.code == 2 and "Cannot find the data file" in done.err
    assert "Traceback" not in done.err
    done = command("analyze", path)
    assert done.code == 0 and "Left out: receptive_fields. Cannot find the data file" in done.err
    assert "activity" in done.out


def test_no_data_are_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, data_dir=str(tmp_path / "unplugged"))
    text = (path / "network.yaml").read_text()
    for old, new in {
        "name: npz\n  path: data.npz": "name: mnist",
        "image.u: x": "image.u: images",
        "one_hot(kind)": "one_hot(labels)",
        "label: kind": "label: labels",
        "[1, 6, 6]": "[1, 28, 28]",
        "[2, 2, 2]": "[2, 13, 13]",
    }.items():
        text = text.replace(old, new)
    (path / "network.yaml").write_text(text)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("EVSIM_DATA", raising=False)
    with open_run(path) as run, pytest.raises(DataError, match="'mnist' is not here"):
        fields(run)
    assert not (tmp_path / "cache").exists()


def test_data_that_were_changed_are_named(tmp_path: Path) -> None:
    path = write(tmp_path)
    file = path / "network.yaml"
    file.write_text(file.read_text().replace("train: 50", "train: 20"))
    with open_run(path) as run, pytest.raises(DataError, match="has 20 train samples, but"):
        fields(run)


def test_trials_without_images_have_no_fields(tmp_path: Path) -> None:
    path = write(tmp_path)
    file = path / "network.yaml"
    text = file.read_text().replace("shape: [1, 6, 6]", "shape: [36]")
    with np.load(tmp_path / "data.npz") as stored:
        flat = {name: v.reshape(len(v), -1) if v.ndim > 1 else v for name, v in stored.items()}
    np.savez(tmp_path / "data.npz", **flat)
    file.write_text(
        text.replace("kind: conv\n    kernel: 3\n    pool: {average: 2}", "kind: dense")
    )
    with open_run(path) as run:
        assert fields(run) == []
        with pytest.raises(InputError, match="no spikes that answer to images"):
            plot(run, "receptive_fields", tmp_path / "x.png")
