"""What a run shows: a bar on a terminal, plain lines elsewhere, JSON lines on demand."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from evsim.orchestrator.report import Reporter
from evsim_cli import console
from evsim_cli.console import format_row, reporter

ROWS = [
    {"epoch": 0, "split": "train", "error": 0.25, "loss": 0.5, "seconds": 2.0, "spikes": 3_000_000},
    {"epoch": 0, "split": "test", "error": 0.125, "spikes": np.int64(12)},
]


def feed(news: Reporter, pause: float = 0.0) -> None:
    news.started("digits", 1, 30, "recordings/digits/run")
    news.compiling()
    news.compiled(1.5)
    news.progress(0, "train", 10, 20, 0.5, 1000)
    news.progress(0, "train", 20, 20, 0.5, 2000)
    time.sleep(pause)  # A bar is painted ten times a second.
    news.epoch(ROWS[0])
    news.warning("many trials have not settled")
    news.progress(0, "test", 10, 10, None, 10)
    news.epoch(ROWS[1])
    news.finished(ROWS, 61.0)


def test_plain_lines_give_metrics_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    with reporter(quiet=False, as_json=False) as news:
        feed(news)
    out, err = capsys.readouterr()
    assert out.splitlines() == [*map(format_row, ROWS), "recordings/digits/run"]
    assert "compiling" in err
    assert "Warning: many trials have not settled" in err
    assert "1 min 1 s" in err


def test_plain_progress_shows_error_spikes_and_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "PLAIN_INTERVAL", 0.0)
    with reporter(quiet=False, as_json=False) as news:
        feed(news)
    assert re.search(
        r"epoch 1 train 20/20 error 50\.00 %, .* spikes/s, .* left", capsys.readouterr().err
    )


def test_quiet_prints_warnings_and_the_folder_only(capsys: pytest.CaptureFixture[str]) -> None:
    with reporter(quiet=True, as_json=False) as news:
        feed(news)
    out, err = capsys.readouterr()
    assert out == "recordings/digits/run\n"
    assert err == "Warning: many trials have not settled\n"


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with reporter(quiet=False, as_json=True) as news:
        feed(news)
    out, err = capsys.readouterr()
    events = [json.loads(line) for line in out.splitlines()]
    assert [event["event"] for event in events if event["event"] != "progress"] == [
        "started", "compiling", "compiled", "epoch", "warning", "epoch", "finished",
    ]  # fmt: skip
    assert {"event": "epoch", **ROWS[1]} in events
    assert err == ""


def test_json_has_only_finite_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    nan, infinity = float("nan"), np.float64("inf")
    with reporter(quiet=False, as_json=True) as news:
        news.epoch({"residual": nan, "loss": infinity, "activity": {"cells": nan}, "all": [nan, 1]})
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert found == {
        "event": "epoch", "residual": None, "loss": None, "activity": {"cells": None},
        "all": [None, 1],
    }  # fmt: skip


def test_rows_show_what_they_have() -> None:
    assert re.search(
        r"epoch 1 +train +error +25\.00 % +loss 0\.5000 +2\.0 s +3M", format_row(ROWS[0])
    )
    assert "loss" not in format_row(ROWS[1])
    assert "error" not in format_row({"epoch": 0, "split": "train", "error": None})


def test_the_time_left_of_a_resumed_run_is_that_of_what_is_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(console, "PLAIN_INTERVAL", 0.0)
    with reporter(quiet=False, as_json=False) as news:
        news.started("digits", 1, 10_000, "recordings/digits/run")
        for done in (9010, 9020):
            now += 1
            news.progress(0, "train", done, 10_000, None, 100 * done)
    *_, first, second = capsys.readouterr().err.splitlines()
    assert first == "epoch 1 train 9010/10000"
    assert second == "epoch 1 train 9020/10000 1k spikes/s, 1 min 38 s left"


def on_terminal(**environment: str) -> str:
    """Return what `feed` writes to a terminal."""
    script = (
        "from evsim_cli.console import reporter\n"
        "from test_console import feed\n"
        "with reporter(False, False) as news:\n"
        "    feed(news, pause=0.5)\n"
    )
    ours, theirs = pty.openpty()
    folder = str(Path(__file__).parent)
    plain = {name: text for name, text in os.environ.items() if name != "NO_COLOR"}
    subprocess.run(
        [sys.executable, "-c", script],
        stdout=theirs,
        stderr=theirs,
        env={**plain, "PYTHONPATH": folder, "TERM": "xterm-256color", **environment},
        check=True,
        timeout=60,
    )
    os.close(theirs)
    chunks = []
    try:
        while chunk := os.read(ours, 65536):
            chunks.append(chunk)
    except OSError:  # Linux reports the end of a closed terminal as an error.
        pass
    os.close(ours)
    return b"".join(chunks).decode()


COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-9][0-9;]*m")


def test_terminal_shows_a_bar_with_metrics_above() -> None:
    text = on_terminal()
    assert "error 50.00 %" in text
    assert "spikes/s" in text
    assert format_row(ROWS[0]) in text
    assert "recordings/digits/run" in text
    assert COLOUR.search(text)


def test_no_color_is_respected() -> None:
    text = on_terminal(NO_COLOR="1")
    assert "error 50.00 %" in text
    assert not COLOUR.search(text)
