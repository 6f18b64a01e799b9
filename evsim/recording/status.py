"""How far a run is, in a small file that others may read while it goes on."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from evsim.errors import RecordingError
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


class Pace:
    """How far a run is and how fast it goes, also one that was resumed in the middle of an epoch.

    What was done before the first position that is known took an unknown time, so it counts as
    done and says nothing about the pace.

    Parameters
    ----------
    epochs, trials : left to do, and trials in each; see `Reporter.started`.
    folder : of the run; its metrics say which passes of the first epoch are done already.

    Attributes
    ----------
    total, done : trials of the epochs that were left.
    """

    def __init__(self, epochs: int = 0, trials: int = 0, folder: RunFolder | None = None):
        self.total, self.folder = epochs * trials, folder
        self.done = self.spikes = 0
        self._pass: tuple[int, str] | None = None
        self._before = 0
        self._last = 0.0
        self._begun = (0.0, 0)
        self._pass_begun = (0.0, 0)

    def update(self, epoch: int, split: str, done: int, total: int, spikes: int) -> None:
        """Take a position; see `Reporter.progress`."""
        now = time.monotonic()
        if self._pass is None:
            self._before = self._done_in(epoch)
            self._begun, self._pass_begun = (now, self._before + done), (now, spikes)
        elif self._pass != (epoch, split):
            self._before = self.done
            self._pass_begun = (self._last, 0)
        self._pass, self._last = (epoch, split), now
        self.done, self.spikes = self._before + done, spikes
        self.total = max(self.total, self._before + total)

    def remaining(self) -> float | None:
        """Return the time that is left at the pace so far, s; None where it is not known yet."""
        begun, before = self._begun
        if self.done == before:
            return None
        return (self._last - begun) / (self.done - before) * (self.total - self.done)

    def spike_rate(self) -> float | None:
        """Return the spikes sent per second of computing in this pass; None as `remaining`."""
        begun, before = self._pass_begun
        return (self.spikes - before) / (self._last - begun) if self._last > begun else None

    def _done_in(self, epoch: int) -> int:
        """Return the trials of the passes of an epoch that are over."""
        try:
            rows = self.folder.read_metrics() if self.folder else []
        except RecordingError:
            return 0
        return sum(row.get("trials", 0) for row in rows if row.get("epoch") == epoch)


class StatusReporter(Reporter):
    """Passes on what it is told, and keeps a run's status file up to date."""

    def __init__(self, folder: RunFolder, reporter: Reporter):
        self.folder, self.reporter = folder, reporter
        self.epochs = self.trials = 0
        self.pace = Pace()
        self.begun = time.monotonic()
        self.written = -INTERVAL

    def started(self, plan_name: str, epochs: int, trials_per_epoch: int, folder: str) -> None:
        self.epochs, self.trials = epochs, trials_per_epoch
        self.pace = Pace(epochs, trials_per_epoch, self.folder)
        self.reporter.started(plan_name, epochs, trials_per_epoch, folder)

    def progress(
        self, epoch: int, split: str, done: int, total: int, error: float | None, spikes: int
    ) -> None:
        self.reporter.progress(epoch, split, done, total, error, spikes)
        self.pace.update(epoch, split, done, total, spikes)
        now = time.monotonic()
        if now - self.written < INTERVAL:
            return
        self.written = now
        place = (epoch, split, done, total, error, spikes)
        times = (now - self.begun, self.pace.remaining(), time.time())
        status = Status(self.epochs, self.trials, *place, *times)
        self.folder.write_status(asdict(status))

    def epoch(self, row: Mapping[str, Any]) -> None:
        self.reporter.epoch(row)

    def warning(self, text: str) -> None:
        self.reporter.warning(text)

    def finished(self, rows: Sequence[Mapping[str, Any]], seconds: float) -> None:
        self.reporter.finished(rows, seconds)
