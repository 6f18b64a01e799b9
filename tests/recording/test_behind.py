"""Trials that a thread keeps are kept in order, and its errors are not lost."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evsim.errors import RunError
from evsim.orchestrator.events import TrialRecord
from evsim.recording import behind
from evsim.recording.behind import WriteBehind
from evsim.recording.writer import Writer
from tests.recording.helpers import LAYOUT, contents, parameters, trial

PHASES = [("free",), (), ("minus",)]
MADE = [trial(np.random.default_rng(i), i, LAYOUT, PHASES[i % 3]) for i in range(30)]


@pytest.mark.parametrize("limit", [1, 1 << 30])
def test_a_recording_is_the_same_as_without_the_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(behind, "LIMIT", limit)
    paths = [tmp_path / "alone.h5", tmp_path / "behind.h5"]
    positions = []
    for number, path in enumerate(paths):
        with Writer.create(path, LAYOUT, {}) as writer, WriteBehind(writer) as other:
            sink = other if number else writer
            for at, record in enumerate(MADE):
                sink.trial(record)
                if at % 10 == 9:
                    sink.weights(at, parameters(np.random.default_rng(at)))
                    sink.metrics({"epoch": at})
                    positions.append(sink.commit())
    assert contents(paths[0]) == contents(paths[1])
    assert positions[:3] == positions[3:]


class Failing:
    """A sink that takes a few trials, as on a disk that fills up."""

    def __init__(self) -> None:
        self.kept: list[int] = []
        self.threads: set[int] = set()

    def trial(self, record: TrialRecord) -> None:
        self.threads.add(threading.get_ident())
        if len(self.kept) == 3:
            raise RunError("no space")
        self.kept.append(record.index)

    def weights(self, epoch: int, parameters: Mapping[str, Any]) -> None:
        raise AssertionError("after an error")

    def metrics(self, row: Mapping[str, Any]) -> None:
        raise AssertionError("after an error")

    def commit(self) -> dict[str, int]:
        raise AssertionError("after an error")


@pytest.mark.parametrize("call", ["commit", "metrics", "weights", "trial"])
def test_an_error_of_the_thread_reaches_who_writes(call: str) -> None:
    failing = Failing()
    records = [replace(MADE[0], index=i) for i in range(4)]
    calls = {
        "commit": lambda sink: sink.commit(),
        "metrics": lambda sink: sink.metrics({}),
        "weights": lambda sink: sink.weights(0, {}),
        "trial": lambda sink: [sink.trial(record) for record in records * 200_000],
    }
    with WriteBehind(failing) as sink:
        for record in records:
            sink.trial(record)
        with pytest.raises(RunError, match="no space"):
            calls[call](sink)
    assert failing.kept == [0, 1, 2]
    assert threading.get_ident() not in failing.threads
