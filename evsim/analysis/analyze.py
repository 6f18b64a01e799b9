"""All tables of a recording, as files."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable
from pathlib import Path

from evsim import registry
from evsim.analysis.network import Unmeasured
from evsim.analysis.tables.base import Table
from evsim.errors import DataError, Fault, InputError, RunError
from evsim.recording.reader import Run

TABLES = "evsim.analysis.tables"


def analyze(
    run: Run,
    names: Iterable[str] = (),
    left_out: Callable[[str, InputError], None] = lambda name, why: None,
) -> dict[str, Table]:
    """Return tables by name.

    Parameters
    ----------
    names : tables wanted, see `registry.names(TABLES)`; by default all that can be made.
    left_out : told of tables that were not named and cannot be made, with the reason: the data set
        is not found, or what they are made from was not kept.

    Raises
    ------
    InputError : there is no such table, or a named one cannot be made.
    RecordingError : the recording is damaged.
    """
    wanted, found = tuple(names), {}
    for name in wanted or registry.names(TABLES):
        try:
            found[name] = registry.load(TABLES, name).table(run)
            if not found[name].rows:
                raise Unmeasured("The recording holds nothing that it could be made from.")
        except (DataError, Unmeasured) as error:
            if wanted:
                message = f"The table '{name}' cannot be made."
                raise type(error)(Fault(message, hint=str(error))) from None
            found.pop(name, None)
            left_out(name, error)
    return found


def write(tables: dict[str, Table], folder: Path) -> list[Path]:
    """Write `analysis.json` and a CSV file a table into a folder; return their paths.

    The first line of a CSV file names the columns, with units in brackets; values that are no
    numbers are empty, in JSON `null`.

    Raises
    ------
    RunError : a file cannot be written.
    """
    paths = [folder / "analysis.json"]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        records = {
            name: {"units": dict(table.units), "rows": table.records()}
            for name, table in tables.items()
        }
        paths[0].write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
        for name, table in tables.items():
            paths.append(folder / f"{name}.csv")
            with paths[-1].open("w", newline="", encoding="utf-8") as file:
                lines = csv.writer(file)
                lines.writerow([f"{c} ({u})" if u else c for c, u in table.units.items()])
                lines.writerows(record.values() for record in table.records())
    except OSError as error:
        raise RunError(f"Cannot write to '{error.filename or folder}': {error.strerror}") from error
    return paths
