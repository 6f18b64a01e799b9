"""The command line in a process of its own that need not import everything again."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

TIMEOUT = 120.0


@dataclass(frozen=True)
class Done:
    """How a process ended; `code` is negative where a signal ended it."""

    code: int
    out: str
    err: str


class Process:
    """`evsim WORDS...` in a fork of this process.

    Parameters
    ----------
    environment : variables that are added.
    prepare : called in the new process first.
    """

    def __init__(
        self,
        *words: str | Path,
        environment: Mapping[str, str] | None = None,
        prepare: Callable[[], None] | None = None,
    ):
        self.folder = tempfile.TemporaryDirectory()
        self.files = [Path(self.folder.name, name) for name in ("out", "err")]
        for file in self.files:
            file.touch()
        sys.stdout.flush()
        sys.stderr.flush()
        self.number = os.fork()
        if self.number == 0:
            self._become(list(map(str, words)), environment or {}, prepare)

    def _become(
        self, words: list[str], environment: Mapping[str, str], prepare: Callable[[], None] | None
    ) -> None:
        code = 1
        try:
            for number, file in enumerate(self.files, 1):
                os.dup2(os.open(file, os.O_WRONLY | os.O_APPEND), number)
            sys.stdin = open(os.devnull)
            sys.stdout = open(1, "w", closefd=False)
            sys.stderr = open(2, "w", closefd=False)
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.default_int_handler)
            os.environ.update(environment)
            sys.argv = ["evsim", *words]
            if prepare is not None:
                prepare()
            from evsim_cli.main import main

            main()
            code = 0
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    @property
    def output(self) -> str:
        """Standard output so far."""
        return self.files[0].read_text()

    def wait_for(self, text: str, times: int = 1, timeout: float = TIMEOUT) -> None:
        """Wait until standard output has `text` that many times."""
        end = time.monotonic() + timeout
        while self.output.count(text) < times:
            if time.monotonic() > end:
                raise TimeoutError(f"evsim did not print {text}: {self.files[1].read_text()}")
            time.sleep(0.005)

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.number, number)

    def wait(self, timeout: float = TIMEOUT) -> Done:
        """Wait for the end; kill it where that takes too long."""
        end = time.monotonic() + timeout
        while True:
            number, status = os.waitpid(self.number, os.WNOHANG)
            if number:
                break
            if time.monotonic() > end:
                self.signal(signal.SIGKILL)
                os.waitpid(self.number, 0)
                raise TimeoutError(f"evsim did not end in {timeout} s: {self.files[1].read_text()}")
            time.sleep(0.005)
        done = Done(os.waitstatus_to_exitcode(status), *(file.read_text() for file in self.files))
        self.folder.cleanup()
        return done


def evsim(
    *words: str | Path,
    environment: Mapping[str, str] | None = None,
    prepare: Callable[[], None] | None = None,
) -> Done:
    """Run `evsim WORDS...` to its end."""
    return Process(*words, environment=environment, prepare=prepare).wait()
