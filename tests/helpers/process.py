"""The command line in a process of its own, without importing everything again for each."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

TIMEOUT = 120.0


@dataclass(frozen=True)
class Done:
    """How a process ended; `code` is negative where a signal ended it."""

    code: int
    out: str
    err: str


@cache
def _server() -> subprocess.Popen[str]:
    """The process that forks commands; it ends with this one, which holds its input."""
    file = Path(__file__).with_name("server.py")
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, str(file)], stdin=pipe, stdout=pipe, text=True)


def _ask(**request: Any) -> Any:
    server = _server()
    assert server.stdin is not None and server.stdout is not None
    server.stdin.write(json.dumps(request) + "\n")
    server.stdin.flush()
    return json.loads(server.stdout.readline())


class Process:
    """`evsim WORDS...`.

    Parameters
    ----------
    largest_file : bytes beyond which no file can grow: how a full disk looks to a process.
    """

    def __init__(self, *words: str | Path, largest_file: int | None = None):
        self.folder = tempfile.TemporaryDirectory()
        self.out, self.err = (Path(self.folder.name, name) for name in ("out", "err"))
        for file in (self.out, self.err):
            file.touch()
        self.number: int = _ask(
            words=list(map(str, words)),
            out=str(self.out),
            err=str(self.err),
            environment=dict(os.environ),
            largest_file=largest_file,
        )

    def wait_for(self, text: str, times: int = 1, timeout: float = TIMEOUT) -> None:
        """Wait until standard output has `text` that many times."""
        end = time.monotonic() + timeout
        while self.out.read_text().count(text) < times:
            if time.monotonic() > end:
                raise TimeoutError(f"evsim did not print {text}: {self.err.read_text()}")
            time.sleep(0.005)

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.number, number)

    def wait(self, timeout: float = TIMEOUT) -> Done:
        """Wait for the end; kill it where that takes too long."""
        end = time.monotonic() + timeout
        while (code := _ask(number=self.number)) is None:
            if time.monotonic() > end:
                self.signal(signal.SIGKILL)
                raise TimeoutError(f"evsim did not end in {timeout} s: {self.err.read_text()}")
            time.sleep(0.005)
        done = Done(code, self.out.read_text(), self.err.read_text())
        self.folder.cleanup()
        return done


def evsim(*words: str | Path, largest_file: int | None = None) -> Done:
    """Run `evsim WORDS...` to its end."""
    return Process(*words, largest_file=largest_file).wait()
