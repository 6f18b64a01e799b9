"""`evsim export RUN`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evsim import registry

from . import console, options

NAMES = registry.names("evsim.exchange.formats")


def command(
    run: options.RunFolder,
    to: Annotated[str, typer.Option("--to", metavar="FORMAT", help=f"{', '.join(NAMES)}.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="PATH", help="File or folder to write; by default in RUN."),
    ] = None,
    trials: Annotated[
        str | None,
        typer.Option(
            "--trials",
            metavar="TRIALS",
            help="Rows of the table of trials, 0-99,200, or a split, test; by default all kept.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier export.")] = False,
) -> None:
    """Write spikes, states and trials of a recording for other tools; print the path."""
    from evsim.exchange.exporting import export
    from evsim.recording.reader import open_run

    with open_run(run) as recording, console.progress() as progress:
        found = export(recording, to, out, trials=trials, force=force, progress=progress)
        live = not recording.closed
    print(found.path)
    print(f"trials      {found.trials:,}")
    print(f"spikes of   {', '.join(found.populations) or '-'}")
    print(f"states      {', '.join(found.signals) or '-'}")
    print(f"left out    {'; '.join(found.left_out) or '-'}")
    if live:
        print("note: the run goes on, or was killed; this is what it had saved so far")
