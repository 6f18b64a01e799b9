"""CSV: lines `time,neuron`, or more columns that a first line names.

A column `population` tells populations apart, a column `trial` trials; times then count from their
starts. In a folder that `evsim export` wrote, `trials.csv` and `phases.csv` tell more of them.
"""

from __future__ import annotations

import csv
from array import array
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.spikefiles.base import (
    SpikeFile,
    SpikeFileError,
    Spikes,
    Table,
    checked,
    facts,
    places,
    wanted,
)
from evsim.units import shorten

COLUMNS = ("time", "neuron")
SPIKES, TRIALS, PHASES, METADATA = "spikes.csv", "trials.csv", "phases.csv", "metadata.json"


def recognises(path: Path) -> bool:
    """Return whether a file looks like one of this format."""
    return (path / SPIKES).is_file() if path.is_dir() else path.suffix == ".csv"


def read(path: Path, only: str | None) -> SpikeFile:
    """Return what a file, or a folder that evsim exported, holds.

    Raises
    ------
    SpikeFileError : it holds something else.
    """
    folder = path.is_dir()
    rows, names = _read(path / SPIKES if folder else path)
    about = facts((path / METADATA).read_text("utf-8")) if (path / METADATA).is_file() else {}
    trials = phases = None
    if folder and (path / TRIALS).is_file():
        trials = _trials(path / TRIALS)
        phases = _table(path / PHASES) if (path / PHASES).is_file() else None
    elif "trial" in rows:
        trials = {"trial": np.unique(rows["trial"])}
    trial = None
    if trials is not None and "trial" in rows:
        trial = places(rows["trial"], trials["trial"], path)
    sizes = about.get("populations", {})
    known = {name: code for code, name in enumerate(names or ([] if about else [path.stem]))}
    found = {}
    for name in wanted(known | dict.fromkeys(sizes, -1), only, path):
        chosen = rows["population"] == known.get(name, -1) if names else slice(None)
        found[name] = Spikes(
            time=rows["time"][chosen],
            neuron=rows["neuron"][chosen],
            size=sizes.get(name, {}).get("size"),
            trial=None if trial is None else trial[chosen],
        )
    return SpikeFile(path, found, bool(about), trials, phases, about.get("dt"), about)


def _read(path: Path) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Return the numbers in the columns that count, and what the codes of populations stand for."""
    names: dict[str, int] = {}
    head, width, rows = _columns(path)
    columns = {name: array("d") for name in head}
    for number, cells in rows:
        try:
            if len(cells) != width:
                raise ValueError
            for name, at in head.items():
                cell: str | int = cells[at]
                if name == "population":
                    cell = names.setdefault(cells[at], len(names))
                columns[name].append(float(cell))
        except ValueError:
            text = shorten(",".join(cells))
            form = ",".join(head)
            raise SpikeFileError(f"line {number} of '{path}', '{text}', is not `{form}`") from None
    return {name: np.array(values) for name, values in columns.items()}, list(names)


def _columns(path: Path) -> tuple[dict[str, int], int, Iterator[tuple[int, list[str]]]]:
    """Return where the columns that count stand, how many there are, and the lines below."""
    lines = _lines(path)
    first = next(lines, None)
    if first is not None and all(name in first[1] for name in COLUMNS):
        known = (*COLUMNS, "trial", "population")
        head = {name: first[1].index(name) for name in known if name in first[1]}
        return head, len(first[1]), lines
    begun = [] if first is None else [first]
    return {name: at for at, name in enumerate(COLUMNS)}, len(COLUMNS), chain(begun, lines)


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the cells of each line that holds something."""
    # Spreadsheets begin such files with a mark of their encoding.
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            text = line.partition("#")[0].strip()
            if text:
                yield number, [cell.strip() for cell in text.split(",")]


def _trials(path: Path) -> Table:
    trials = _table(path)
    for name in ("trial", "start_time", "stop_time"):
        if name not in trials:
            raise SpikeFileError(f"'{path}' has no column `{name}`")
    return checked(trials, path)


def _table(path: Path) -> Table:
    """Return the columns of a table, as numbers where all their cells are."""
    with path.open(encoding="utf-8", newline="") as file:
        head, *rows = list(csv.reader(file)) or [[]]
    if any(len(row) != len(head) for row in rows):
        at = next(at for at, row in enumerate(rows) if len(row) != len(head))
        raise SpikeFileError(f"line {at + 2} of '{path}' has not {len(head)} cells")
    return {name: _column([row[at] for row in rows]) for at, name in enumerate(head)}


def _column(cells: list[str]) -> NDArray[Any]:
    for dtype in (np.int64, np.float64):
        try:
            return np.array([cell or "nan" for cell in cells], dtype)
        except ValueError:
            continue
    return np.array(cells, str)
