"""`evsim data list` and `evsim data get NAME`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options

app = typer.Typer(help="List and download data sets.", no_args_is_help=True)


@app.command("list")
def list_(data_dir: options.DataDir = None) -> None:
    """Print the data sets, their sizes and where they would be read from."""
    from evsim import datasets

    print(f"{'data set':<16}{'subset':<10}{'train':>8}{'test':>8}  where")
    for entry in datasets.listing(data_dir):
        sizes = f"{entry.train:>8}{entry.test:>8}"
        print(f"{entry.name:<16}{entry.subset:<10}{sizes}  {entry.place}")


@app.command()
def get(
    name: Annotated[str, typer.Argument(help="Name of a data set.", metavar="NAME")],
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FOLDER", help="Folder of data sets; by default a cache."),
    ] = None,
) -> None:
    """Download the official files of a data set and check them; print their folder."""
    from evsim import datasets

    print(datasets.get(name, to))
