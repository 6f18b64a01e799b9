"""What can go wrong around a run: each is a message and an exit code, and nothing is lost."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

import evsim
from evsim import datasets
from tests.helpers import tiny
from tests.helpers.process import Done
from tests.helpers.process import evsim as command


def assert_told(done: Done, code: int, *words: str) -> None:
    """The exit code, the words in the message, and no traceback or apology."""
    assert done.code == code, done.err
    for word in words:
        assert word in done.err
    assert "Traceback" not in done.err
    assert "should not" not in done.err


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write(tmp_path_factory.mktemp("faults"))


@pytest.fixture(scope="module")
def whole(path: Path) -> Path:
    """A finished run."""
    return tiny.run(path, path.parent / "whole").folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A copy of a finished run."""
    return Path(shutil.copytree(whole, tmp_path / "run"))


def test_a_network_file_that_is_not_there(tmp_path: Path) -> None:
    assert_told(command("run", tmp_path / "nowhere.yaml"), 2, "nowhere.yaml")


def test_a_run_that_is_not_there(tmp_path: Path) -> None:
    for words in (["info"], ["resume"], ["plot"]):
        name = tmp_path / "nowhere"
        more = ["raster"] if words == ["plot"] else []
        assert_told(command(*words, name, *more), 2, f"No run at '{name}'")


# --- a state that is not finite ---


@pytest.mark.parametrize(("split", "before"), [("train", 0), ("test", 32 + 5)])
def test_not_a_number_names_its_place(tmp_path: Path, split: str, before: int) -> None:
    """Sample 4 of a split has a pixel that is not a number."""
    path = tiny.write(tmp_path)
    data = tiny.load(path).data
    assert data is not None
    place = datasets.open_dataset(data, None, tmp_path).indices[split][4]
    arrays = tiny.arrays()
    arrays[f"{split}_x"][place, 0, 0] = np.nan
    np.savez(tmp_path / "data.npz", **arrays)
    done = command("run", path, "--out", tmp_path / "out", "--set", "protocol.order=sequential")
    assert_told(done, 2, f"Field 'x' of data set 'data' holds nan in {split} sample {place}")
    with evsim.open(tmp_path / "out" / "tiny") as recording:
        assert len(recording.trials) == before
        assert recording.weight_epochs.tolist() == [0]
    info = command("info", tmp_path / "out" / "tiny")
    assert info.code == 0
    assert "failed" in info.out


def test_a_state_that_grows_without_end_names_its_step(tmp_path: Path) -> None:
    text = """\
name: growth
dt: 1*ms
neurons: {cell: {equations: "x : 1", run: {end: "x = x*1e10 + i"}}}
populations: {cells: {shape: [3], neuron: cell}}
protocol: {trials: 2, phases: {first: {steps: 2}, second: {steps: 50, from: first}}}
record: {states: [{population: cells, variables: [x]}]}
"""
    path = tmp_path / "growth.yaml"
    path.write_text(text)
    done = command("run", path, "--out", tmp_path)
    # x of neuron 2 is 2, 2e10, 2e20, 2e30 after steps 0 to 3, and too large for float32 after 4.
    assert_told(done, 1, "cells.x became inf in step 2 of phase 'second'", "train trial 0")


# --- full disk ---


@pytest.fixture(scope="module")
def long(path: Path) -> Path:
    """A finished run of eight epochs."""
    return tiny.run(path, path.parent / "long", "protocol.epochs=8").folder


@pytest.mark.parametrize("size", [500, 4_000, 60_000, 90_000, 120_000])
def test_a_run_goes_on_after_the_disk_was_full(
    path: Path, long: Path, tmp_path: Path, size: int
) -> None:
    words = ("run", path, "--out", tmp_path, "--set", "protocol.epochs=8")
    assert_told(command(*words, largest_file=size), 1, "Cannot write to", "File too large")
    folder = (tmp_path / "tiny" / "latest").resolve()
    if not any(folder.glob("checkpoints/*.npz")):
        return
    with evsim.open(folder) as recording:
        whole = tiny.lines(long)
        assert tiny.timeless(recording.metrics) == whole[: len(recording.metrics)]
    done = command("resume", folder)
    assert done.code == 0, done.err
    tiny.assert_equal_runs(folder, long)


def test_a_small_disk_that_fills_up(path: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.system(f"mount -t tmpfs -o size=160k tmpfs {disk} 2>/dev/null") != 0:
        pytest.skip("mounting a small disk is not permitted here")
    try:
        words = ("run", path, "--out", disk, "--set", "protocol.epochs=400")
        assert_told(command(*words), 1, "would take about", "--ignore-space")
        done = command(*words, "--ignore-space")
        assert_told(done, 1, "Cannot write to", "No space left on device")
        with evsim.open(disk / "tiny") as recording:
            assert len(recording.trials) > 0
        assert_told(command("resume", disk / "tiny"), 1, "No space left on device")
    finally:
        os.system(f"umount {disk}")


# --- data ---


def spoil_nothing(path: Path) -> None:
    path.unlink()


def spoil_end(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def spoil_all(path: Path) -> None:
    path.write_bytes(b"no numbers here")


@pytest.mark.parametrize("spoil", [spoil_nothing, spoil_end, spoil_all])
def test_data_that_cannot_be_read(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    path = tiny.write(tmp_path)
    spoil(tmp_path / "data.npz")
    done = command("run", path, "--out", tmp_path / "out")
    assert_told(done, 2, str(tmp_path / "data.npz"))
    assert not (tmp_path / "out").exists(), "nothing was begun"


def test_data_that_are_gone_when_a_run_goes_on(tmp_path: Path) -> None:
    path = tiny.write(tmp_path)
    folder = tiny.run(path, tmp_path / "out", "protocol.epochs=1").folder
    (tmp_path / "data.npz").unlink()
    before = tiny.recorded(folder)
    assert_told(command("resume", folder, "--epochs", "2"), 2, str(tmp_path / "data.npz"))
    assert tiny.recorded(folder) == before


@pytest.mark.parametrize("kind", [3, -1, 200])
def test_a_class_without_a_neuron(tmp_path: Path, kind: int) -> None:
    """Also in the last sample: nobody wants to hear of it after an hour."""
    path = tiny.write(tmp_path)
    arrays = tiny.arrays()
    arrays["test_kind"][-1] = kind
    np.savez(tmp_path / "data.npz", **arrays)
    done = command("run", path, "--out", tmp_path / "out")
    assert_told(done, 2, "'kind'", f"class {kind}", "3 neurons")


VOTE = "readout={predict: vote(hidden), after: free, label: kind}"


def test_classes_that_cannot_be_voted_for(tmp_path: Path) -> None:
    path = tiny.write(tmp_path)
    label = VOTE.replace("kind", "x")
    assert_told(
        command("run", path, "--out", tmp_path, "--set", label),
        2,
        "'x' of data set 'data' is read from",
    )
    none = ("--set", "data.split={train: 0, test: 9}", "--set", "protocol.test.split=[test]")
    assert_told(
        command("run", path, "--out", tmp_path, "--set", VOTE, *none),
        2,
        "A vote needs training samples",
    )
    arrays = tiny.arrays()
    arrays["train_kind"] = arrays["train_kind"] * 10**9
    np.savez(tmp_path / "data.npz", **arrays)
    fields = "data.fields={image.u: x}"
    done = command("run", path, "--out", tmp_path, "--set", VOTE, "--set", fields)
    assert_told(
        done, 2, "has class 2000000000 and there are 65536 classes at most; number classes, from 0"
    )


def test_a_test_of_nothing(tmp_path: Path) -> None:
    path = tiny.write(tmp_path)
    arrays = {name: values for name, values in tiny.arrays().items() if name.startswith("train")}
    np.savez(tmp_path / "data.npz", **arrays)
    done = command("run", path, "--out", tmp_path, "--set", "data.split={train: 30, validation: 5}")
    assert_told(
        done, 2, "Data set 'data' has no test samples, but `protocol.test.split` names them"
    )


@pytest.mark.parametrize(
    ("before", "after", "place"),
    [
        ("path: data.npz", "path: other.npz", "6:9"),
        ("train: 32, validation", "train: 36, validation", "7:10"),
        ("image.u: x", "image.u: kind", "8:21"),
        ("image.u: x", "image.u: log(x - 9)", "8:21"),
        ("one_hot(kind)", "one_hot(x)", "8:38"),
        ("label: kind", "label: x", "43:57"),
        ("validation: 5, test: 9", "validation: 5", "41:33"),
    ],
)
def test_data_that_do_not_fit_tell_where_they_were_asked_for(
    tmp_path: Path, before: str, after: str, place: str
) -> None:
    path = tiny.write(tmp_path, tiny.NETWORK.replace(before, after))
    if "test: 9" in before:
        train = {name: x for name, x in tiny.arrays().items() if name.startswith("train")}
        np.savez(tmp_path / "data.npz", **train)
    done = command("run", path, "--out", tmp_path)
    assert_told(done, 2, f"tiny.yaml:{place}: ", "^")


def test_a_condition_that_has_no_value(tmp_path: Path) -> None:
    repeat = "protocol.phases.minus.repeat={until: log(spikes(digit)) > 1e9, at_most: 3}"
    start = "populations.digit.init={bias: -9}"
    done = command("run", tiny.write(tmp_path), "--out", tmp_path, "--set", repeat, "--set", start)
    assert_told(
        done, 1, "The condition `log(spikes(digit)) > 1e9` has no value", "spikes(digit) = 0"
    )


def test_classes_that_are_none(tmp_path: Path) -> None:
    path = tiny.write(tmp_path)
    done = command("run", path, "--out", tmp_path / "out", "--set", "readout.label=x")
    assert_told(done, 2, "Field 'x'", "one whole number a sample")


def test_data_of_another_size(tmp_path: Path) -> None:
    path = tiny.write(tmp_path)
    arrays = tiny.arrays()
    arrays |= {f"{split}_x": arrays[f"{split}_x"][:, 1:] for split in ("train", "test")}
    np.savez(tmp_path / "data.npz", **arrays)
    done = command("run", path, "--out", tmp_path / "out")
    assert_told(done, 2, "'x'", "30 values", "36 neurons")


def test_official_files_that_are_missing_or_cut(root: Path, tmp_path: Path) -> None:
    network = root / "networks" / "paper" / "mnist_conv_ep.yaml"
    done = command("run", network, "--out", tmp_path / "out", "--data-dir", tmp_path)
    assert_told(done, 2, str(tmp_path))
    for part in ("train", "t10k"):
        for kind in ("images-idx3", "labels-idx1"):
            (tmp_path / f"{part}-{kind}-ubyte.gz").write_bytes(b"\x1f\x8b cut")
    done = command("run", network, "--out", tmp_path / "out", "--data-dir", tmp_path)
    assert_told(done, 2, "ubyte.gz")
    assert not (tmp_path / "out").exists()


# --- recordings ---


def no_hdf5(file: Path) -> None:
    file.write_text("these are not spikes")


def foreign(file: Path) -> None:
    with h5py.File(file, "w") as other:
        other["spikes"] = np.arange(4)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def zeroed(file: Path) -> None:
    """A stretch of zeros where the lists of datasets stand."""
    data = bytearray(file.read_bytes())
    data[200:6000] = bytes(5800)
    file.write_bytes(bytes(data))


def missing(file: Path) -> None:
    file.unlink()


@pytest.mark.parametrize("spoil", [no_hdf5, foreign, cut, zeroed, missing])
@pytest.mark.parametrize("words", [("info",), ("plot", "raster"), ("resume", "--epochs=4")])
def test_recordings_that_are_damaged_or_something_else(
    folder: Path, spoil: Callable[[Path], None], words: tuple[str, ...]
) -> None:
    spoil(folder / "recording.h5")
    before = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
    done = command(words[0], folder, *words[1:])
    assert_told(done, 2, str(folder / "recording.h5"))
    after = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
    assert after == before


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "\x00\x01"])
def test_a_damaged_manifest(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_text(text)
    for words in (["info", folder], ["resume", folder]):
        assert_told(command(*words), 2, "manifest.json")


@pytest.mark.parametrize(
    ("name", "value"), [("engine", 3), ("overrides", "x"), ("file", 5), ("data_dir", [])]
)
def test_a_manifest_with_other_contents(folder: Path, name: str, value: object) -> None:
    file = folder / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {name: value}))
    done = command("resume", folder, "--epochs", "4")
    assert_told(done, 2, "manifest.json", f"'{name}'")


def test_a_run_without_its_network_file(folder: Path) -> None:
    (folder / "network.yaml").unlink()
    assert_told(command("resume", folder), 2, str(folder / "network.yaml"))


# --- output ---


def test_an_output_folder_that_cannot_be_written(path: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    done = command("run", path, "--out", tmp_path / "file")
    assert_told(done, 1, f"Cannot write to '{tmp_path / 'file' / 'tiny'}'")
    assert (tmp_path / "file").read_text() == "kept"


def test_a_read_only_output_folder(path: Path, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("nothing is read-only to this user")
    tmp_path.chmod(0o500)
    try:
        assert_told(command("run", path, "--out", tmp_path), 1, "Cannot write to")
    finally:
        tmp_path.chmod(0o700)


def test_runs_are_never_overwritten(path: Path, whole: Path) -> None:
    before = {file: file.read_bytes() for file in whole.rglob("*") if file.is_file()}
    done = command("run", path, "--out", whole.parent.parent, "--quiet")
    assert done.code == 0
    assert Path(done.out.strip()) != whole
    assert {file: file.read_bytes() for file in before} == before
    assert (whole.parent / "latest").resolve() == Path(done.out.strip())
