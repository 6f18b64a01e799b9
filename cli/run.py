"""`evsim run FILE`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options
from .console import reporter
from .signals import stop_on_signals
from .until import stopping


def command(
    file: options.NetworkFile,
    set_: options.Overrides = None,
    engine: options.EngineOption = options.Engine.auto,
    out: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help="Folder that gets the run's folder.")
    ] = Path("recordings"),
    data_dir: options.DataDir = None,
    weights: options.Weights = None,
    threads: options.Threads = None,
    until: options.Until = None,
    ignore_space: Annotated[
        bool,
        typer.Option("--ignore-space", help="Begin though the disk may fill up."),
    ] = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Train and test a network; record spikes, weights and metrics."""
    from evsim.spec.parse import parse

    network = parse(file, set_ or ())
    from evsim import simulate  # Slow, so the file's faults are shown first.

    with reporter(quiet, json) as news, stop_on_signals() as stop, stopping(until, stop):
        simulate.run(
            network,
            engine=engine.value,
            out=out,
            data_dir=data_dir,
            threads=threads,
            weights=weights,
            reporter=news,
            stop=stop,
            ignore_space=ignore_space,
        )
