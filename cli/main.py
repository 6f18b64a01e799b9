"""The `evsim` command: its subcommands, and what becomes of errors.

Exit codes: 0 done, 1 a run failed, 2 what was given cannot be used, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import Annotated

import typer

from evsim.errors import EvsimError, Interrupted

from . import (
    analyze,
    bench,
    check,
    data,
    explain,
    export,
    export_brian2,
    export_weights,
    gradcheck,
    import_,
    info,
    plot,
    repair,
    report,
    resume,
    run,
    schema,
    watch,
)

DEBUG = "EVSIM_DEBUG"

app = typer.Typer(
    name="evsim",
    help="Train and record spiking networks that are written as Brian2 equations in a YAML file.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
COMMANDS = (
    run,
    resume,
    watch,
    repair,
    check,
    explain,
    gradcheck,
    schema,
    export_brian2,
    info,
    plot,
    analyze,
    report,
    export,
    export_weights,
    import_,
    bench,
)
for command in COMMANDS:
    name = command.__name__.rpartition(".")[2].rstrip("_").replace("_", "-")
    app.command(name)(command.command)
app.add_typer(data.app, name="data")


def _print_version(wanted: bool) -> None:
    if wanted:
        import evsim

        print(evsim.__version__)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Train and record spiking networks that are written as Brian2 equations in a YAML file."""


def main() -> None:
    """Run the command line; errors end it with a message and their exit code."""
    try:
        app()
    except EvsimError as error:
        _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        _fail("Interrupted.", Interrupted.exit_code)
    except Exception as error:
        if os.environ.get(DEBUG):
            traceback.print_exc()
        _fail(
            f"evsim failed in a way that it should not: {type(error).__name__}: {error}\n"
            f"Please report this with the traceback, which {DEBUG}=1 prints.",
            1,
        )


def _fail(text: str, code: int) -> None:
    print(text, file=sys.stderr)
    sys.exit(code)
