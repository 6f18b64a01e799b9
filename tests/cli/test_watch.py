"""Runs that are watched from another process, and runs that stop by the clock."""

from __future__ import annotations

import json
import shutil
import signal
import time
from datetime import datetime
from pathlib import Path

import pytest

from evsim.errors import InputError
from evsim_cli.until import seconds_until
from tests.helpers import tiny
from tests.helpers.process import Process, evsim

LONG = ("--set", "protocol.epochs=100000", "--threads", "1")


def begin(folder: Path) -> tuple[Process, Path]:
    """Start a run that goes on for long and wait for its first epoch; return it and its folder."""
    process = Process("run", tiny.write(folder), "--out", folder, *LONG)
    process.wait_for("epoch 1   test")
    time.sleep(1.5)  # The status is written once a second.
    return process, (folder / "tiny" / "latest").resolve()


def test_a_run_can_be_watched_while_it_writes_and_after_it_was_killed(tmp_path: Path) -> None:
    process, folder = begin(tmp_path)
    try:
        done = evsim("watch", folder, "--once")
        assert (done.code, done.err) == (0, "")
        first, *_, last = done.out.splitlines()
        assert first.startswith("epoch 1   train")
        assert "left" in last
        assert "/32" in last or "/5" in last or "/9" in last
        printed = evsim("watch", folder, "--once", "--json").out.splitlines()
        lines = [json.loads(text) for text in printed]
        assert {line["event"] for line in lines} == {"epoch", "status"}
        assert lines[-1]["epochs"] == 100000
    finally:
        process.signal(signal.SIGKILL)
        process.wait()
    done = evsim("watch", folder)
    assert done.code == 0
    assert done.out.splitlines()[-1] == f"killed; `evsim resume {folder}` goes on"
    assert evsim("repair", folder).code == 0
    assert "killed" in evsim("info", folder).out
    assert evsim("resume", folder, "--until", "2s").code == 0


def test_a_finished_run_is_shown_whole(tmp_path: Path) -> None:
    folder = tiny.run(tiny.write(tmp_path), tmp_path, "protocol.epochs=2").folder
    done = evsim("watch", folder)
    assert done.code == 0
    *rows, last = done.out.splitlines()
    assert [row.split()[:3] for row in rows] == [
        ["epoch", str(epoch), split]
        for epoch in (1, 2)
        for split in ("train", "validation", "test")
    ]
    assert last == f"finished: {folder}"


def test_what_is_no_run_cannot_be_watched(tmp_path: Path) -> None:
    done = evsim("watch", tmp_path)
    assert (done.code, "is not a run" in done.err) == (2, True)


def test_a_run_stops_in_time_and_goes_on_elsewhere(tmp_path: Path) -> None:
    path = tiny.write(tmp_path)
    done = evsim("run", path, "--out", tmp_path, *LONG, "--until", "1s")
    assert done.code == 0, done.err
    folder = (tmp_path / "tiny" / "latest").resolve()
    assert f"`evsim resume {folder}` goes on" in done.err
    assert json.loads((folder / "manifest.json").read_text())["status"] == "interrupted"
    before = len(tiny.lines(folder))
    assert before < 3 * 100000
    moved = tmp_path / "elsewhere"
    shutil.move(folder, moved)
    assert evsim("resume", moved, "--until", "2s").code == 0
    assert len(tiny.lines(moved)) > before


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90min", 5400),
        ("2h", 7200),
        ("1.5 h", 5400),
        ("20s", 20),
        ("18:30", 5400),
        ("16:59", 86340),
    ],
)
def test_times(text: str, seconds: float) -> None:
    assert seconds_until(text, datetime(2026, 3, 1, 17, 0)) == seconds


def test_times_that_no_timer_can_wait_for_are_refused() -> None:
    with pytest.raises(InputError, match="'999999999h' is too long"):
        seconds_until("999999999h", datetime(2026, 3, 1))


@pytest.mark.parametrize("text", ["soon", "25:00", "0s", "-1h", "3 days", ""])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="90min"):
        seconds_until(text, datetime(2026, 3, 1))
