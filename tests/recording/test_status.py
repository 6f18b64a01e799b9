"""How far a run is, and how long it still takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from evsim.orchestrator.report import Reporter
from evsim.recording.folder import RunFolder
from evsim.recording.status import Pace, Status, StatusReporter


class Clock:
    """The time of `time.monotonic`, which goes on when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("time.monotonic", made)
    return made


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path, "net", "name: net\n", {"status": "running"})


def test_pace_counts_trials_over_passes(clock: Clock) -> None:
    pace = Pace(2, 30)
    places = ((0, "train", 10), (0, "train", 20), (0, "test", 5), (0, "test", 10), (1, "train", 20))
    found = []
    for epoch, split, done in places:
        clock.now += 2
        pace.update(epoch, split, done, 20 if split == "train" else 10, 50 * done)
        found.append((pace.done, pace.remaining(), pace.spike_rate()))
    assert found == [
        (10, None, None),
        (20, pytest.approx(2 * 40 / 10), 250),
        (25, pytest.approx(4 * 35 / 15), 125),
        (30, pytest.approx(6 * 30 / 20), 125),
        (50, pytest.approx(8 * 10 / 40), 500),
    ]


def test_nothing_is_left_at_the_end(clock: Clock) -> None:
    pace = Pace(1, 30)
    for done in (10, 20, 30):
        clock.now += 1
        pace.update(0, "train", done, 30, 0)
    assert pace.remaining() == 0


def test_passes_done_before_a_run_was_resumed_are_not_left(clock: Clock, folder: RunFolder) -> None:
    for epoch in (3, 4):
        folder.append_metrics({"epoch": epoch, "split": "train", "trials": 10_000})
    news = StatusReporter(folder, Reporter())
    news.started("net", 1, 11_000, str(folder.path))
    news.progress(4, "test", 516, 1000, None, 0)
    first = Status.read(folder)
    clock.now += 2
    news.progress(4, "test", 532, 1000, None, 0)
    second = Status.read(folder)
    assert first is not None and first.left is None
    assert second is not None and second.left == pytest.approx(2 * (1000 - 532) / 16)
