"""`evsim report RUN...`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer


def command(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Folders of runs, one or several to compare.", metavar="RUN..."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="By default report.html, of several runs comparison.html, in the first RUN.",
        ),
    ] = None,
) -> None:
    """Write a page about a run, or about several side by side, as one HTML file; print its path."""
    from evsim.analysis.report import page
    from evsim.recording.reader import open_run

    with ExitStack() as stack:
        opened = [stack.enter_context(open_run(run)) for run in runs]
        name = "report.html" if len(opened) == 1 else "comparison.html"
        target = out or opened[0].path.parent / name
        page.write(opened, target)
    print(target)
