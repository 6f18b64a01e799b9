"""`evsim analyze RUN`."""

from __future__ import annotations

import json as json_module
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evsim import registry

from . import options

if TYPE_CHECKING:
    from evsim.analysis.tables.base import Table

SHOWN = 12
"""Rows of a table that are printed; files hold all."""

NAMES = registry.names("evsim.analysis.tables")


def command(
    run: options.RunFolder,
    tables: Annotated[
        list[str] | None,
        typer.Argument(help=f"Tables wanted, by default all: {', '.join(NAMES)}."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FOLDER", help="Folder; by default `analysis` in RUN."),
    ] = None,
    json: options.Json = False,
) -> None:
    """Measure a recording: rates, spike trains, selectivity, settling, errors, weights.

    Writes a CSV file a table and all of them as JSON.
    """
    from evsim.analysis import analyze
    from evsim.recording.reader import open_run

    reasons: dict[str, list[str]] = {}
    with open_run(run) as recording:
        found = analyze.analyze(
            recording,
            tables or (),
            left_out=lambda name, why: reasons.setdefault(str(why), []).append(name),
        )
        folder = out or recording.path.parent / "analysis"
        analyze.write(found, folder)
    for reason, names in reasons.items():
        print(f"Left out: {', '.join(names)}. {reason}", file=sys.stderr)
    if json:
        print(json_module.dumps({name: table.records() for name, table in found.items()}))
        return
    if not found:
        print(f"'{recording.path}' holds nothing to measure", file=sys.stderr)
    for name, table in found.items():
        print("\n".join(_lines(name, table)), end="\n\n")
    print(folder)


def _lines(name: str, table: Table) -> list[str]:
    """Return a table as text, cut where it is long."""
    head = [f"{column} ({unit})" if unit else column for column, unit in table.units.items()]
    rows = [[_text(value) for value in row] for row in table.rows[-SHOWN:]]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    words = [isinstance(value, str) for value in table.rows[-1]]
    lines = [
        "  ".join(
            cell.ljust(width) if word else cell.rjust(width)
            for cell, width, word in zip(row, widths, words, strict=True)
        ).rstrip()
        for row in (head, *rows)
    ]
    left = len(table.rows) - len(rows)
    return [
        name,
        *lines[:1],
        *([f"... {left} rows before, see {name}.csv"] if left else []),
        *lines[1:],
    ]


def _text(value: str | int | float) -> str:
    if isinstance(value, float):
        return f"{value:.4g}" if value == value else "-"
    return f"{value:,}" if isinstance(value, int) else value
