"""The tables of `evsim analyze`."""

from __future__ import annotations

from collections.abc import Sequence

from evsim.analysis.analyze import analyze
from evsim.analysis.report.blocks import Block, Folded, Grid, Note, Section
from evsim.analysis.report.subject import Subject
from evsim.analysis.tables.base import Table
from evsim.errors import InputError
from evsim.wording import some

ORDER = 100
MOST = 200
"""Rows that are shown of a table of a run."""


def section(subjects: Sequence[Subject]) -> Section:
    """Return the tables, folded; with several runs, one below the other in each."""
    reasons: dict[str, list[str]] = {}

    def left_out(name: str, why: InputError) -> None:
        names = reasons.setdefault(str(why).splitlines()[0], [])
        if name not in names:
            names.append(name)

    found = {subject.label: analyze(subject.run, left_out=left_out) for subject in subjects}
    names = list(dict.fromkeys(name for tables in found.values() for name in tables))
    blocks: list[Block] = [
        _table(name, {label: tables[name] for label, tables in found.items() if name in tables})
        for name in names
    ]
    if not blocks:
        blocks = [Note("The recording holds nothing to measure.")]
    blocks += [Note(f"Left out: {', '.join(names)}. {why}") for why, names in reasons.items()]
    about = "What `evsim analyze` writes as CSV and JSON."
    return Section("Tables", about, blocks)


def _table(name: str, found: dict[str, Table]) -> Folded:
    several = len(found) > 1
    units = next(iter(found.values())).units
    head = [f"{column} ({unit})" if unit else column for column, unit in units.items()]
    rows = [
        (label, *row) if several else row
        for label, table in found.items()
        for row in table.rows[-MOST:]
    ]
    total = sum(len(table.rows) for table in found.values())
    shown = "" if total == len(rows) else f", the last {len(rows):,} shown"
    grid = Grid(name, ["run", *head] if several else head, rows)
    return Folded(f"{name}: {some(total, 'row')}{shown}", [grid])
