"""How far a run is, in a small file that others may read while it goes on."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from evsim.orchestrator.report import Reporter
from evsim.recording.folder import RunFolder

INTERVAL = 1.0
"""Least time between two versions of the file, s."""


@dataclass(frozen=True)
class Status:
    """Where a run stands.

    Attributes
    ----------
    epochs, trials : left to do when the run was begun or resumed, and trials in each epoch.
    epoch, split, done, total : the pass that goes on, and its trials; epoch from 0.
    error : share of wrong predictions in this pass so far, None without a readout.
    spikes : sent in this pass so far.
    seconds, left : since the run was begun or resumed, and until its end at this pace; None where
        that is not known yet.
    updated : time of this status, seconds since 1970.
    """

    epochs: int
    trials: int
    epoch: int
    split: str
    done: int
    total: int
    error: float | None
    spikes: int
    seconds: float
    left: float | None
    updated: float

    @classmethod
    def read(cls, folder: RunFolder) -> Status | None:
        """Return the status of a run, None where it has none yet or one of another version."""
        try:
            return cls(**folder.status)
        except TypeError:
            return None


class StatusReporter(Reporter):
    """Passes on what it is told, and keeps a run's status file up to date."""

    def __init__(self, folder: RunFolder, reporter: Reporter):
        self.folder, self.reporter = folder, reporter
        self.epochs = self.trials = self.before = 0
        self.first: int | None = None
        self.begun = time.monotonic()
        self.written = -INTERVAL
        self.passing: tuple[int, str, int] | None = None

    def started(self, plan_name: str, epochs: int, trials_per_epoch: int, folder: str) -> None:
        self.epochs, self.trials = epochs, trials_per_epoch
        self.reporter.started(plan_name, epochs, trials_per_epoch, folder)

    def progress(
        self, epoch: int, split: str, done: int, total: int, error: float | None, spikes: int
    ) -> None:
        self.reporter.progress(epoch, split, done, total, error, spikes)
        if self.passing is not None and self.passing[:2] != (epoch, split):
            self.before += self.passing[2]
        self.passing = (epoch, split, done)
        ran = self.before + done
        self.first = ran if self.first is None else self.first
        now = time.monotonic()
        if now - self.written < INTERVAL:
            return
        self.written = now
        seconds, left = now - self.begun, None
        if ran > self.first:
            left = seconds / (ran - self.first) * max(self.epochs * self.trials - ran, 0)
        place = (epoch, split, done, total, error, spikes)
        status = Status(self.epochs, self.trials, *place, seconds, left, time.time())
        self.folder.write_status(asdict(status))

    def epoch(self, row: Mapping[str, Any]) -> None:
        self.reporter.epoch(row)

    def warning(self, text: str) -> None:
        self.reporter.warning(text)

    def finished(self, rows: Sequence[Mapping[str, Any]], seconds: float) -> None:
        self.reporter.finished(rows, seconds)
