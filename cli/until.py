"""`--until`: a run stops by itself after some time, or at some time of the day."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from evsim.errors import Fault, InputError, Interrupted

UNITS = {"s": 1, "min": 60, "h": 3600}


def seconds_until(text: str, now: datetime) -> float:
    """Return the seconds from `now` to what `--until` says: `90min`, `2h`, `18:30`.

    Raises
    ------
    InputError : it says none of these, or more than a thread can wait.
    """
    span = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|min|h)\s*", text)
    seconds = float(span[1]) * UNITS[span[2]] if span else 0.0
    if seconds > threading.TIMEOUT_MAX:
        raise InputError(Fault(f"'{text}' is too long", hint="leave `--until` out for no limit"))
    if seconds > 0:
        return seconds
    clock = re.fullmatch(r"\s*(\d{1,2}):(\d{2})\s*", text)
    if clock and int(clock[1]) < 24 and int(clock[2]) < 60:
        then = now.replace(hour=int(clock[1]), minute=int(clock[2]), second=0, microsecond=0)
        return (then - now if then > now else then - now + timedelta(days=1)).total_seconds()
    raise InputError(
        Fault(f"'{text}' is no time", hint="write `--until 90min`, `2h`, or a time such as `18:30`")
    )


@contextmanager
def stopping(until: str | None, stop: threading.Event) -> Iterator[None]:
    """Set `stop` when the time has come; that a run then stops is no error."""
    if until is None:
        yield
        return
    reached = threading.Event()

    def end() -> None:
        if not stop.is_set():
            reached.set()
            stop.set()

    timer = threading.Timer(seconds_until(until, datetime.now()), end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Interrupted as error:
        if not reached.is_set():
            raise
        print(error, file=sys.stderr)
    finally:
        timer.cancel()
