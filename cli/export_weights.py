"""`evsim export-weights RUN`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options


def command(
    run: options.RunFolder,
    epoch: Annotated[
        int | None,
        typer.Option(
            "--epoch", min=0, help="Recorded weights after N epochs; by default those learned last."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="PATH", help="File.npz; by default RUN/weights.npz."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write the weights of a run as an archive that `evsim run --weights` reads; print its path."""
    from evsim.exchange.exporting import export_weights

    path, parameters = export_weights(run, out, epoch=epoch, force=force)
    print(path)
    width = max(map(len, parameters))
    for name, values in parameters.items():
        print(f"{name:{width}}  {' x '.join(map(str, values.shape))}")
