"""`evsim plot RUN WHAT`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evsim import registry

from . import options

NAMES = registry.names("evsim.analysis.figures")


def command(
    run: options.RunFolder,
    what: Annotated[str, typer.Argument(help=f"What to draw: {', '.join(NAMES)}.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="PNG or SVG; by default WHAT.png in RUN."),
    ] = None,
    trial: Annotated[
        int | None,
        typer.Option(
            "--trial", min=0, help="Row of the table of trials, for figures of one trial."
        ),
    ] = None,
) -> None:
    """Draw a figure of a recording; print its path."""
    from evsim.analysis import plots
    from evsim.recording.reader import open_run

    with open_run(run) as recording:
        target = out or recording.path.parent / f"{what}.png"
        plots.plot(recording, what, target, trial)
    print(target)
