"""`evsim info RUN`."""

from __future__ import annotations

from . import options


def command(run: options.RunFolder) -> None:
    """Summarise a recording: what was run, how it ended, what it holds."""
    import evsim

    with evsim.open(run) as recording:
        print(recording.info())
