"""`evsim import FILE`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evsim import registry

from . import console

NAMES = registry.names("evsim.spikefiles")


def command(
    file: Annotated[
        Path, typer.Argument(help="File of spikes, or folder of `evsim export`.", metavar="FILE")
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help="Folder of the run, which is made.")
    ],
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help=f"{', '.join(NAMES)}; by default what the file looks like.",
        ),
    ] = None,
    dt: Annotated[
        str | None,
        typer.Option(
            "--dt", metavar="TIME", help="Time step, 0.1ms; by default the resolution of the file."
        ),
    ] = None,
    unit: Annotated[
        str | None,
        typer.Option(
            "--unit", metavar="UNIT", help="That of times in a file that says none; else seconds."
        ),
    ] = None,
) -> None:
    """Make a recording of spikes that other tools wrote, for analyze, plot and export."""
    from evsim.exchange.importing import import_spikes

    step = None if dt is None else _seconds(dt)
    with console.progress() as progress:
        found = import_spikes(file, out, format=format, dt=step, unit=unit, progress=progress)
    print(found.path)
    print(f"trials      {found.trials:,}")
    print(f"spikes      {found.spikes:,} of {', '.join(found.populations)}")
    for note in found.notes:
        print(f"note: {note}")


def _seconds(text: str) -> float:
    """Return the time that `0.1ms` or `0.1*ms` is, s.

    Raises
    ------
    InputError : it is none above 0.
    """
    import re

    from evsim import units
    from evsim.errors import Fault, InputError

    close = re.fullmatch(r"\s*([\d.]+)\s*([a-z]+)\s*", text)
    try:
        seconds = units.parse(f"{close[1]}*{close[2]}" if close else text, unit="second").value
    except units.UnitError as error:
        raise InputError(f"`--dt`: {error}") from None
    if not seconds > 0:
        raise InputError(Fault(f"'{text}' is no time step", hint="write `--dt 0.1ms`"))
    return seconds
