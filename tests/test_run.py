"""A whole run from Python: data of one's own, what the run tells and what it leaves on disk."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

import evsim
from evsim.analysis.analyze import analyze
from evsim.build.build import build
from evsim.exchange.exporting import export_weights
from evsim.simulate import Result
from evsim.spec.parse import parse_text
from tests.helpers import tiny

PHASES = {"train": 40, "validation": 20, "test": 20}


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder = tmp_path_factory.mktemp("run")
    network = evsim.load(tiny.write(folder), ["protocol.epochs=2"])
    return evsim.run(network, out=folder / "recordings")


def test_every_pass_has_its_line_of_metrics(result: Result) -> None:
    passes = [(row["epoch"], row["split"], row["trials"]) for row in result.metrics]
    once = [("train", 32), ("validation", 5), ("test", 9)]
    assert passes == [(epoch, *each) for epoch in (0, 1) for each in once]


def test_metrics_are_the_same_everywhere(result: Result) -> None:
    text = (result.folder / "metrics.jsonl").read_text()
    assert [json.loads(line) for line in text.splitlines()] == result.metrics
    with evsim.open(result.folder) as recording:
        assert recording.metrics == result.metrics


def test_metrics_follow_from_the_recording(result: Result) -> None:
    with evsim.open(result.folder) as recording:
        for row in result.metrics:
            trials = recording.trials
            these = (trials["epoch"] == row["epoch"]) & (trials["split"] == row["split"])
            rows, kept = np.flatnonzero(these), trials[these]
            assert row["error"] == np.mean(kept["predicted"] != kept["label"])
            assert row["residual"] == pytest.approx(kept["residual"].mean(), rel=1e-12)
            assert row["unsettled"] == np.mean(kept["residual"] > 0.05)
            spikes = {
                name: sum(int(recording.counts(name, int(t)).sum()) for t in rows)
                for name in ("hidden", "digit")
            }
            assert row["spikes"] == sum(spikes.values()) > 0
            steps = PHASES[row["split"]] * row["trials"]
            activity = {
                "hidden": spikes["hidden"] / 8 / steps,
                "digit": spikes["digit"] / 3 / steps,
            }
            assert row["activity"] == pytest.approx(activity, abs=1e-5)


def test_trials_name_their_samples(result: Result) -> None:
    kinds = tiny.arrays()
    with evsim.open(result.folder) as recording:
        trials = recording.trials
        for split, number in (("train", 32), ("validation", 5), ("test", 9)):
            for epoch in (0, 1):
                these = trials[(trials["split"] == split) & (trials["epoch"] == epoch)]
                assert sorted(these["sample"]) == list(range(number))
                assert these["index"].tolist() == list(range(number))
        train = trials[trials["split"] == "train"]
        first, second = train["sample"][:32], train["sample"][32:]
        assert (first != second).any(), "the order changes from epoch to epoch"
        counts = np.bincount(trials["label"][trials["split"] == "test"])
        assert (counts == 2 * np.bincount(kinds["test_kind"])).all()


def test_a_recording_opens_with_plain_h5py(result: Result) -> None:
    with h5py.File(result.folder / "recording.h5", "r") as file:
        assert file.attrs["dt"] == 1e-3
        epochs = file["weight_epochs"][()]
        assert epochs.tolist() == [0, 1, 2]
        weights = file["weights/out"][()]
        assert weights.shape == (3, 8, 3)
        assert (weights[0] != weights[2]).any()
        count, neuron = file["spikes/digit/count"][()], file["spikes/digit/neuron"][()]
        assert len(count) == 2 * (32 * 40 + 14 * 20)
        assert count.sum() == len(neuron)
        assert neuron.max() < 3
    with evsim.open(result.folder) as recording:
        assert (recording.weights("out", 1) == weights[1]).all()


def test_weights_of_the_last_checkpoint_are_the_recorded_ones(result: Result) -> None:
    arrays = tiny.last_checkpoint(result.folder).arrays
    with evsim.open(result.folder) as recording:
        for name in ("k", "out", "hidden.bias", "digit.bias"):
            assert (recording.weights(name) == arrays[f"parameter:{name}"]).all()


def test_the_folder_says_what_made_it(result: Result) -> None:
    assert (result.folder / "network.yaml").read_text() == tiny.NETWORK
    manifest = json.loads((result.folder / "manifest.json").read_text())
    assert manifest["status"] == "finished"
    assert manifest["overrides"] == ["protocol.epochs=2"]
    assert manifest["seed"] == 3
    latest = result.folder.parent / "latest"
    assert latest.resolve() == result.folder


def test_nothing_is_left_beside_evsims_own_files(result: Result) -> None:
    """Machine code that pip does not know of would outlive evsim, and hide the next one."""
    assert result.folder.exists()
    assert not list(Path(evsim.__file__).parent.rglob("*.nbi"))


def test_learning_lowers_the_loss(result: Result) -> None:
    train = [row["loss"] for row in result.metrics if row["split"] == "train"]
    assert train[1] < train[0]


def test_a_test_at_the_end_of_the_run_comes_once(tmp_path: Path) -> None:
    override = ("protocol.epochs=2", "protocol.test.each=run")
    rows = tiny.run(tiny.write(tmp_path), tmp_path / "out", *override).metrics
    passes = [(row["epoch"], row["split"]) for row in rows]
    assert passes == [(0, "train"), (1, "train"), (1, "validation"), (1, "test")]


def test_samples_come_in_order_where_asked(tmp_path: Path) -> None:
    path = tiny.write(tmp_path)
    overrides = ("protocol.epochs=1", "protocol.order=sequential")
    with evsim.open(tiny.run(path, tmp_path / "out", *overrides).folder) as recording:
        trials = recording.trials
        assert (trials["sample"] == trials["index"]).all()


SIZED = {
    "as it is": [],
    "all the data there are": ["data.split={validation: 5}"],
    "few trials": ["record.spikes.trials=2", "record.states=[]"],
    "many states": ["record={states: [{population: hidden, variables: [u]}]}"],
}


@pytest.mark.parametrize("overrides", SIZED.values(), ids=SIZED)
def test_the_announced_size_is_not_exceeded(tmp_path: Path, overrides: list[str]) -> None:
    network = evsim.load(tiny.write(tmp_path), overrides)
    announced = evsim.check(network).recording
    folder = evsim.run(network, out=tmp_path / "out").folder
    stored = 0

    def visit(name: str, item: object) -> None:
        nonlocal stored
        if isinstance(item, h5py.Dataset) and name.startswith(("spikes", "states", "weights")):
            stored += item.size * item.dtype.itemsize

    with h5py.File(folder / "recording.h5", "r") as file:
        file.visititems(visit)
    assert 0 < stored <= announced < 50 * stored


CURRENT = """\
name: current
dt: 1*ms
neurons: {cell: {equations: "v : 1", threshold: v > 1, reset: v = 0, run: {end: v += 0.5}}}
populations: {cells: {shape: [4], neuron: cell}}
protocol: {trials: 1, phases: {current: {steps: 20}}}
record: {spikes: {}}
"""


def test_trials_without_data_are_announced() -> None:
    sizes = []
    for trials in (1, 100):
        text = CURRENT.replace("trials: 1", f"trials: {trials}")
        sizes.append(evsim.check(parse_text(text)).recording)
    assert sizes[1] == 100 * sizes[0] > 0


def test_synapses_of_which_there_are_none_are_recorded(tmp_path: Path) -> None:
    text = """\
name: none
dt: 1*ms
neurons: {cell: {equations: "x : 1", run: {end: x = x + 0.3}, threshold: x > 1, reset: x = 0}}
populations: {cells: {shape: [3], neuron: cell}}
projections: [{name: p, from: cells, to: cells.x, kind: sparse, pairs: [], learn: rule}]
plasticity: {rule: {equations: "a : 1", on_pre: a += w}}
protocol: {trials: 2, phases: {run: {steps: 6}}}
record: {states: [{population: p, variables: [a]}]}
"""
    result = evsim.run(parse_text(text), out=tmp_path)
    with evsim.open(result.folder) as run:
        steps, values = run.states("p", "a", 1)
    assert len(steps) == 6 and values.shape == (6, 0)


def test_weights_of_which_there_are_none_are_recorded_and_measured(tmp_path: Path) -> None:
    text = """\
name: none
dt: 1*ms
neurons: {cell: {equations: "x : 1"}}
populations: {a: {shape: [3], neuron: cell, init: {x: 2}}, b: {shape: [2], neuron: cell}}
projections:
  - {name: p, from: a.x, to: b.x, kind: sparse, pairs: [], sends: value, learn: rule}
  - {name: q, from: a.x, to: b.x, kind: dense, sends: value, weights: 1, learn: rule}
plasticity: {rule: {at_end: {run: g += x_pre}, update: {rate: 0.5}}}
protocol: {phases: {run: {steps: 6}}}
record: {weights: {parameters: all}}
"""
    result = evsim.run(parse_text(text), out=tmp_path)
    with evsim.open(result.folder) as run:
        assert run.weights("p").size == 0
        assert (run.weights("q") == 2).all()
        assert {row[0] for row in analyze(run, ["weights"])["weights"].rows} == {"q"}


@pytest.mark.parametrize("source", ["recorded", "some recorded", "checkpoint", "archive"])
def test_a_run_may_start_with_weights_that_another_ended_with(tmp_path: Path, source: str) -> None:
    """Without training images it tests them: as the other run did after its last epoch."""
    path = tiny.write(tmp_path)
    recorded = {"recorded": "{weights: {}}", "some recorded": "{weights: {parameters: [out]}}"}
    first = tiny.run(path, tmp_path / "first", f"record={recorded.get(source, {})}")
    weights = first.folder
    if source == "archive":
        weights, _ = export_weights(weights, tmp_path / "weights.npz")
    if source == "recorded":
        shutil.rmtree(weights / "checkpoints")
    network = tiny.load(path, "data.split.train=0", "protocol.epochs=1", "record={}")
    second = evsim.run(network, out=tmp_path / "second", weights=weights)
    for split in ("validation", "test"):
        expected, row = (
            [m for m in run.metrics if m["split"] == split][-1] for run in (first, second)
        )
        for name in ("error", "loss", "spikes", "residual"):
            assert row[name] == expected[name], name


def test_weights_that_another_run_does_not_hold_are_named_and_stay(tmp_path: Path) -> None:
    path = tiny.write(tmp_path)
    first = tiny.run(path, tmp_path / "first", "record={}")
    _, held = export_weights(first.folder)
    np.savez(tmp_path / "some.npz", **{name: held[name] for name in held if name != "out"})
    network = tiny.load(path, "data.split.train=0", "protocol.epochs=1", "record={}")
    heard = tiny.Listener()
    second = evsim.run(network, out=tmp_path, weights=tmp_path / "some.npz", reporter=heard)
    assert len(heard.warnings) == 1 and "does not hold out: initial" in heard.warnings[0]
    _, mixed = export_weights(second.folder)
    initial = build(network).parameters
    for name, values in mixed.items():
        assert (values == (initial if name == "out" else held)[name]).all(), name
