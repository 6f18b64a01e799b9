"""`evsim watch RUN`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evsim.recording.text import to_line

from . import options
from .console import PLAIN_INTERVAL, duration, format_row

if TYPE_CHECKING:
    from evsim.recording.folder import RunFolder
    from evsim.recording.status import Status

PAUSE = 1.0
"""Time between two looks at the run, s."""


def command(
    run: options.RunFolder,
    once: Annotated[bool, typer.Option("--once", help="Show how far the run is, and end.")] = False,
    as_json: options.Json = False,
) -> None:
    """Follow a run from another shell until it ends; it may be read at any time."""
    from evsim.recording.folder import RunFolder
    from evsim.recording.status import Status

    folder = RunFolder.open(run)
    shown, before = 0, None
    with _line(once or as_json) as line:
        while True:
            alive = folder.is_written
            rows = folder.read_metrics()
            status = Status.read(folder)
            for row in rows[shown:]:
                print(to_line({"event": "epoch", **row}) if as_json else format_row(row))
            shown = len(rows)
            if status is not None and alive and (once or status != before):
                if as_json:
                    print(to_line({"event": "status", **asdict(status)}))
                else:
                    line(_text(status))
            before = status
            sys.stdout.flush()
            if once or not alive:
                break
            time.sleep(PAUSE)
    if not alive:
        _end(folder, as_json)


def _text(status: Status) -> str:
    parts = [f"epoch {status.epoch + 1} {status.split} {status.done}/{status.total}"]
    if status.error is not None:
        parts.append(f"error {100 * status.error:.2f} %")
    if status.left is not None:
        parts.append(f"{duration(status.left)} left")
    age = time.time() - status.updated
    if age > PLAIN_INTERVAL:
        parts.append(f"as of {duration(age)} ago")
    return ", ".join(parts)


def _end(folder: RunFolder, as_json: bool) -> None:
    """Say how a run that nobody writes to has ended."""
    manifest = folder.manifest
    ended = str(manifest.get("status", "unknown"))
    ended = "killed" if ended == "running" else ended
    if as_json:
        print(to_line({"event": "ended", "status": ended, "folder": folder.path}))
    elif ended in ("finished", "imported") or manifest.get("script"):
        print(f"{ended}: {folder.path}")
    else:
        print(f"{ended}; `evsim resume {folder.path}` goes on")


@contextmanager
def _line(plain: bool) -> Iterator[Callable[[str], Any]]:
    """Give what shows the present state: in one line that changes on a terminal."""
    if plain or not sys.stdout.isatty():
        yield _Paced(0.0 if plain else PLAIN_INTERVAL)
        return
    from rich.console import Console

    with Console().status("") as display:
        yield display.update


class _Paced:
    """Prints lines, but not too many."""

    def __init__(self, interval: float):
        self.interval, self.printed = interval, -interval

    def __call__(self, text: str) -> None:
        if time.monotonic() - self.printed >= self.interval:
            self.printed = time.monotonic()
            print(text)
