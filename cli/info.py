"""`evsim info RUN` and `evsim info FILE`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import check

Subject = Annotated[Path, typer.Argument(help="Folder of a run, or network file.", metavar="RUN")]


def command(run: Subject) -> None:
    """Summarise a recording: what was run, how it ended, what it holds and cost.

    Of a network file, show what `evsim check` does: sizes, and what a trial costs at most.
    """
    if run.suffix in (".yaml", ".yml"):
        check.command(run)
        return
    from evsim.recording.reader import open_run

    with open_run(run) as recording:
        print(recording.info())
