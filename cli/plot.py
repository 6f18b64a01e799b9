"""`evsim plot RUN WHAT`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from . import options


class What(StrEnum):
    """Figures that can be drawn of a recording."""

    raster = "raster"
    accuracy = "accuracy"
    convergence = "convergence"
    weights = "weights"


def command(
    run: options.RunFolder,
    what: Annotated[What, typer.Argument(help="What to draw.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Picture; by default WHAT.png in RUN."),
    ] = None,
) -> None:
    """Draw a figure of a recording as a PNG; print its path."""
    from evsim.analysis import plots
    from evsim.recording.reader import open_run

    with open_run(run) as recording:
        target = out or recording.path.parent / f"{what.value}.png"
        plots.plot(recording, what.value, target)
    print(target)
