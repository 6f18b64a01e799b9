"""Ctrl-C and SIGTERM: the first asks a run to stop where nothing is lost, the second ends it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from evsim.errors import Interrupted

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """Give an event that is set by the first signal; the second ends the process at once."""
    stop = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            # Recordings can be read up to their last commit at any time, so nothing is waited for.
            os._exit(Interrupted.exit_code)
        stop.set()
        print("Stopping after saving; interrupt again to stop at once.", file=sys.stderr)

    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
