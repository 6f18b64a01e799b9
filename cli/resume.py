"""`evsim resume RUN`."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options
from .console import reporter
from .signals import stop_on_signals
from .until import stopping


def command(
    run: options.RunFolder,
    epochs: Annotated[
        int | None,
        typer.Option("--epochs", min=1, help="Train until this many epochs are done in all."),
    ] = None,
    data_dir: options.DataDir = None,
    threads: options.Threads = None,
    until: options.Until = None,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Continue a run that was interrupted, as if it had not been."""
    from evsim import simulate

    with reporter(quiet, json) as news, stop_on_signals() as stop, stopping(until, stop):
        simulate.resume(
            run,
            until_epochs=epochs,
            data_dir=data_dir,
            threads=threads,
            reporter=news,
            stop=stop,
        )
