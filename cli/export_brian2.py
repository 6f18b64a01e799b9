"""`evsim export-brian2 FILE`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options


def command(
    file: options.NetworkFile,
    set_: options.Overrides = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Script to write; by default NAME.py, here.")
    ] = None,
    trial: Annotated[
        int, typer.Option("--trial", min=0, help="Training sample that the script shows.")
    ] = 0,
    data_dir: options.DataDir = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
) -> None:
    """Write one trial of the network as a plain Brian2 script, with its arrays beside it."""
    from evsim.spec.parse import parse

    network = parse(file, set_ or ())
    from evsim.export import export_brian2  # Slow, so the file's faults are shown first.

    path = out or Path(f"{network.name}.py")
    files, notes = export_brian2(network, path, trial=trial, data_dir=data_dir, force=force)
    for written in files:
        print(written)
    for note in notes:
        print(f"note: {note}")
