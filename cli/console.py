"""How a run shows on the screen: a progress bar on a terminal, else plain lines, or JSON lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evsim import wording
from evsim.orchestrator.report import Reporter
from evsim.recording.folder import RunFolder
from evsim.recording.status import Pace
from evsim.recording.text import to_line

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PLAIN_INTERVAL = 10.0
"""Least time between two lines of progress, s."""


@contextmanager
def reporter(quiet: bool, as_json: bool) -> Iterator[Reporter]:
    """Give the reporter that suits the options and the terminal."""
    if as_json:
        yield JsonLines()
    elif quiet:
        yield Quiet()
    elif sys.stderr.isatty():
        with Bar() as bar:
            yield bar
    else:
        yield Lines()


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """Give what shows how far long work is: what of it, and how much of how much is done."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=True) as display:
            task = display.add_task("", total=None)
            yield lambda what, done, total: display.update(
                task, description=what, completed=done, total=total
            )
    else:
        printed = time.monotonic()

        def line(what: str, done: int, total: int) -> None:
            nonlocal printed
            if time.monotonic() - printed >= PLAIN_INTERVAL:
                printed = time.monotonic()
                print(f"{what} {done}/{total}", file=sys.stderr, flush=True)

        yield line


class JsonLines(Reporter):
    """One JSON object a line on standard output; `event` says which. What is not finite is null."""

    def started(self, plan_name: str, epochs: int, trials_per_epoch: int, folder: str) -> None:
        self._print(
            "started",
            name=plan_name,
            epochs=epochs,
            trials_per_epoch=trials_per_epoch,
            folder=folder,
        )

    def compiling(self) -> None:
        self._print("compiling")

    def compiled(self, seconds: float) -> None:
        self._print("compiled", seconds=seconds)

    def epoch(self, row: Mapping[str, Any]) -> None:
        self._print("epoch", **row)

    def warning(self, text: str) -> None:
        self._print("warning", text=text)

    def finished(self, rows: Sequence[Mapping[str, Any]], seconds: float) -> None:
        self._print("finished", seconds=seconds)

    def _print(self, event: str, **fields: Any) -> None:
        print(to_line({"event": event, **fields}), flush=True)


class Quiet(Reporter):
    """Warnings, and the run's folder on standard output once it is done."""

    def __init__(self) -> None:
        self.folder = ""

    def started(self, plan_name: str, epochs: int, trials_per_epoch: int, folder: str) -> None:
        self.folder = folder

    def warning(self, text: str) -> None:
        self.note(f"Warning: {text}")

    def finished(self, rows: Sequence[Mapping[str, Any]], seconds: float) -> None:
        print(self.folder)

    def note(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


class Lines(Quiet):
    """Plain lines: metrics on standard output, the rest on standard error."""

    def __init__(self) -> None:
        super().__init__()
        self.pace = Pace()
        self.printed = time.monotonic()

    def started(self, plan_name: str, epochs: int, trials_per_epoch: int, folder: str) -> None:
        super().started(plan_name, epochs, trials_per_epoch, folder)
        self.pace = Pace(epochs, trials_per_epoch, RunFolder(Path(folder)))
        self.note(f"{plan_name}: {_count(epochs, 'epoch')} of {trials_per_epoch} trials")
        self.note(f"recording to {folder}")

    def compiling(self) -> None:
        self.note("compiling (kept for the next run)")

    def compiled(self, seconds: float) -> None:
        self.note(f"compiled in {seconds:.1f} s")

    def progress(
        self, epoch: int, split: str, done: int, total: int, error: float | None, spikes: int
    ) -> None:
        self.pace.update(epoch, split, done, total, spikes)
        if time.monotonic() - self.printed >= PLAIN_INTERVAL:
            self.printed = time.monotonic()
            shown = f"epoch {epoch + 1} {split} {done}/{total} {_status(error, self.pace)}"
            self.note(shown.rstrip())

    def epoch(self, row: Mapping[str, Any]) -> None:
        print(format_row(row), flush=True)

    def finished(self, rows: Sequence[Mapping[str, Any]], seconds: float) -> None:
        self.note(f"done in {duration(seconds)}")
        print(self.folder)


class Bar(Lines):
    """A progress bar over the whole run, above it the lines of metrics."""

    def __init__(self) -> None:
        super().__init__()
        self.display: Progress | None = None
        self.task: TaskID | None = None

    def __enter__(self) -> Bar:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self.display = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %  {task.fields[status]}"),
            console=Console(stderr=True),
            transient=True,
        )
        return self

    def __exit__(self, *error: object) -> None:
        if self.display is not None:
            self.display.stop()

    def started(self, plan_name: str, epochs: int, trials_per_epoch: int, folder: str) -> None:
        super().started(plan_name, epochs, trials_per_epoch, folder)
        if self.display is not None:
            self.task = self.display.add_task(plan_name, total=self.pace.total, status="")
            self.display.start()

    def progress(
        self, epoch: int, split: str, done: int, total: int, error: float | None, spikes: int
    ) -> None:
        self.pace.update(epoch, split, done, total, spikes)
        if self.display is not None and self.task is not None:
            self.display.update(
                self.task,
                completed=self.pace.done,
                description=f"epoch {epoch + 1} {split}",
                status=_status(error, self.pace),
            )

    def epoch(self, row: Mapping[str, Any]) -> None:
        if sys.stdout.isatty():
            self._above(format_row(row))
        else:
            super().epoch(row)

    def note(self, text: str) -> None:
        self._above(text)

    def finished(self, rows: Sequence[Mapping[str, Any]], seconds: float) -> None:
        if self.display is not None:
            self.display.stop()
        super().finished(rows, seconds)

    def _above(self, text: str) -> None:
        if self.display is not None:
            self.display.console.print(text, markup=False, highlight=False, soft_wrap=True)


def format_row(row: Mapping[str, Any]) -> str:
    """Return a line of metrics as text: the usual columns that it has, in a fixed order."""
    parts = [f"epoch {int(row.get('epoch', 0)) + 1:<3} {row.get('split', ''):<10}"]
    if row.get("error") is not None:
        parts.append(f"error {100 * float(row['error']):6.2f} %")
    if row.get("loss") is not None:
        parts.append(f"loss {float(row['loss']):.4f}")
    if row.get("seconds") is not None:
        parts.append(f"{float(row['seconds']):.1f} s")
    if row.get("spikes") is not None:
        parts.append(f"{_large(float(row['spikes']))} spikes")
    return "  ".join(parts)


def _status(error: float | None, pace: Pace) -> str:
    """Return the error so far, the rate of spikes and the time left, as far as they are known."""
    rate, left = pace.spike_rate(), pace.remaining()
    parts = [] if error is None else [f"error {100 * error:.2f} %"]
    parts += [] if rate is None else [f"{_large(rate)} spikes/s"]
    parts += [] if left is None else [f"{duration(left)} left"]
    return ", ".join(parts)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _large(number: float) -> str:
    for unit in ("", "k", "M", "G"):
        if number < 1000:
            return f"{number:.3g}{unit}"
        number /= 1000
    return f"{number:.3g}T"


def duration(seconds: float) -> str:
    """Return a time as text, in whole seconds."""
    return wording.duration(round(seconds))
