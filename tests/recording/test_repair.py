"""Recordings are made whole again from what can be read of them."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from evsim.errors import RecordingError
from evsim.recording.columns import spikes_path
from evsim.recording.layout import Layout
from evsim.recording.reader import open_run
from evsim.recording.repair import Health, check, repair
from evsim.recording.writer import Writer
from tests.helpers.process import evsim as command
from tests.recording.helpers import LAYOUT, PLAIN, contents, parameters, trial
from tests.recording.test_faults import assert_complete, kill_once


def write(path: Path, layout: Layout, without: tuple[int, ...] = (), weights: int = 3) -> None:
    """Write 40 trials; leave some out."""
    with Writer.create(path, layout, {"name": "whole"}) as writer:
        for epoch in range(weights):
            writer.weights(epoch, parameters(np.random.default_rng(epoch)))
        for i in range(40):
            phases = [("free", "plus", "minus"), ("free",), ()][i % 3]
            made = trial(np.random.default_rng(i), i, layout, phases)
            if i not in without:
                writer.trial(made)
        writer.metrics({"epoch": 0, "split": "train"})


def damage(path: Path, name: str, row: int) -> None:
    """Flip a bit of a value in the file, behind HDF5's back."""
    with h5py.File(path) as file:
        dataset = file[name]
        chunk = dataset.id.get_chunk_info_by_coord((row, *[0] * (dataset.ndim - 1)))
        place = chunk.byte_offset + chunk.size // 2
    data = bytearray(path.read_bytes())
    data[place] ^= 16
    path.write_bytes(data)


@pytest.mark.parametrize("layout", [LAYOUT, PLAIN], ids=["compact", "plain"])
def test_a_whole_recording_is_left_alone(tmp_path: Path, layout: Layout) -> None:
    path = tmp_path / "recording.h5"
    write(path, layout)
    before = path.read_bytes()
    health = repair(path)
    assert health == check(path) == Health(path, True, 40, (), 3, (), True)
    assert health.whole and path.read_bytes() == before


@pytest.mark.parametrize("encoding", ["plain", "compact"])
def test_a_killed_recording_is_closed(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "recording.h5"
    kill_once(path, encoding, 0.1)
    health = check(path)
    assert health.whole and not health.closed
    assert repair(path) == health
    with h5py.File(path) as file:  # As any program opens it.
        assert len(file["trials/split"]) == health.trials
    with open_run(path) as run:
        assert run.closed
        assert_complete(run, health.trials)
    assert check(path).closed and [item.name for item in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("layout", [LAYOUT, PLAIN], ids=["compact", "plain"])
def test_what_is_damaged_is_left_out_and_all_else_kept(tmp_path: Path, layout: Layout) -> None:
    path, expected = tmp_path / "recording.h5", tmp_path / "expected.h5"
    write(path, layout)
    whole = path.read_bytes()
    damage(path, "weights/out", 1)
    health = check(path)
    assert (health.lost_weights, health.lost, health.metrics) == ((1,), (), True)
    damaged = path.read_bytes()
    assert repair(path) == health
    assert (tmp_path / "recording.damaged-1.h5").read_bytes() == damaged
    with open_run(path) as run:
        assert run.weight_epochs.tolist() == [0, 2]
        assert (run.weights("out", 2) == parameters(np.random.default_rng(2))["out"]).all()
        assert len(run.trials) == 40
    path.write_bytes(whole)
    damage(path, spikes_path(layout, "hidden"), 0)
    health = repair(path)
    assert 0 < len(health.lost) < 40 and not health.whole and not health.lost_weights
    write(expected, layout, health.lost)
    assert contents(path) == contents(expected)
    assert (tmp_path / "recording.damaged-2.h5").exists()
    assert check(path).whole


def test_lost_metrics_are_taken_from_the_file_beside(tmp_path: Path) -> None:
    path = tmp_path / "recording.h5"
    write(path, LAYOUT)
    damage(path, "metrics", 0)
    (tmp_path / "metrics.jsonl").write_text('{"epoch": 0, "split": "train"}\n')
    assert not repair(path).metrics
    with open_run(path) as run:
        assert run.metrics == [{"epoch": 0, "split": "train"}]


def test_what_is_no_recording_any_more_is_said(tmp_path: Path) -> None:
    path = tmp_path / "recording.h5"
    write(path, PLAIN)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(RecordingError, match="damaged"):
        repair(path)


def test_the_command_says_what_it_found_and_did(tmp_path: Path) -> None:
    path = tmp_path / "recording.h5"
    write(path, PLAIN)
    ended = command("repair", path)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == f"'{path}' is whole: 40 trials, weights 3 times.\n"
    damage(path, "spikes/digit/neuron", 0)
    looked = command("repair", path, "--check")
    assert looked.code == 1 and "damaged" in looked.out and "trials: " in looked.out
    ended = command("repair", path)
    assert ended.code == 0 and "beside it" in ended.out
    assert command("repair", path, "--check").code == 0
    lost = command("repair", tmp_path / "nowhere")
    assert lost.code == 2 and "No run at" in lost.err
