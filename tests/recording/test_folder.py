"""The folder of a run."""

from __future__ import annotations

import fcntl
import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from evsim.errors import RecordingError, RunError
from evsim.recording.folder import RunFolder
from evsim.recording.reader import open_run
from evsim.recording.writer import Writer
from tests.recording.helpers import LAYOUT, trial


def make(root: Path, **manifest: object) -> RunFolder:
    return RunFolder.create(root, "net", "name: net\n", {"status": "running", **manifest})


def test_every_run_gets_its_own_folder_and_latest_points_at_the_last(tmp_path: Path) -> None:
    first, second = make(tmp_path), make(tmp_path)
    assert first.path != second.path
    assert (tmp_path / "net" / "latest").resolve() == second.path.resolve()
    assert first.network.read_text() == "name: net\n"
    assert RunFolder.open(tmp_path / "net" / "latest").path == second.path.resolve()
    assert not list(tmp_path.rglob(".*"))


def test_the_manifest_keeps_what_is_not_changed(tmp_path: Path) -> None:
    folder = make(tmp_path, seed=np.int64(4), rate=float("nan"), where=Path("a/b"))
    folder.update_manifest(status="done", seconds=1.5)
    expected = {"status": "done", "seed": 4, "rate": None, "where": "a/b", "seconds": 1.5}
    assert RunFolder.open(folder.path).manifest == expected


def test_metrics_are_lines_of_strict_json(tmp_path: Path) -> None:
    folder = make(tmp_path)
    folder.append_metrics({"epoch": 0, "error": np.float32(0.5)})
    folder.append_metrics({"epoch": 1, "error": float("inf")})
    lines = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
    assert lines == [{"epoch": 0, "error": 0.5}, {"epoch": 1, "error": None}]
    folder.replace_metrics(lines[:1])
    assert folder.metrics.read_text() == '{"epoch": 0, "error": 0.5}\n'


@pytest.mark.parametrize("given", ["folder", "latest", "network", "file", "manifest"])
def test_a_run_opens_by_any_of_its_names(tmp_path: Path, given: str) -> None:
    folder = make(tmp_path, name="net")
    with Writer.create(folder.recording, LAYOUT, {}) as writer:
        writer.trial(trial(np.random.default_rng(0), 0))
        writer.metrics({"epoch": 0, "split": "train", "error": 0.25, "loss": None})
    names = {
        "folder": folder.path,
        "latest": tmp_path / "net" / "latest",
        "network": tmp_path / "net",
        "file": folder.recording,
        "manifest": folder.path / "manifest.json",
    }
    assert RunFolder.open(names[given]).path.resolve() == folder.path.resolve()
    with open_run(names[given]) as run:
        text = str(run.info())
    assert str(folder.path) in text
    for part in ("running", "train 1", "hidden", "4 x 10 x 10", "25.00 %", "bytes a spike"):
        assert part in text


def test_what_is_not_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="No run at"):
        RunFolder.open(tmp_path / "missing")
    with pytest.raises(RecordingError, match="is not a run"):
        RunFolder.open(tmp_path)
    folder = make(tmp_path)
    (folder.path / "manifest.json").write_text("{")
    with pytest.raises(RecordingError, match="manifest.json"):
        RunFolder.open(folder.path)
    with pytest.raises(RecordingError, match="No recording at"):
        open_run(folder.path)


def test_two_processes_do_not_write_one_run(tmp_path: Path) -> None:
    folder = make(tmp_path)
    with folder.lock():
        with pytest.raises(RecordingError, match="by another process"):
            with RunFolder.open(folder.path).lock():
                pass
    with folder.lock():
        pass


def test_who_looks_does_not_keep_a_writer_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`RunFolder.is_written` holds the lock that all may share, for a moment."""
    monkeypatch.setattr("evsim.recording.folder.PATIENCE", 60.0)
    folder = make(tmp_path)
    looking = os.open(folder.path, os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    threading.Timer(0.05, os.close, [looking]).start()
    with folder.lock():
        assert folder.is_written


def test_a_place_that_cannot_hold_runs_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "net").write_text("in the way")
    with pytest.raises(RunError, match="Cannot write to"):
        make(tmp_path)
