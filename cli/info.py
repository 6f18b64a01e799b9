"""`evsim info RUN`."""

from __future__ import annotations

from . import options


def command(run: options.RunFolder) -> None:
    """Summarise a recording: what was run, how it ended, what it holds."""
    from evsim.recording.reader import open_run

    with open_run(run) as recording:
        print(recording.info())
