"""In which settings the runs of a page differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evsim.analysis.report.blocks import Block, Folded, Grid, Note, Section
from evsim.analysis.report.subject import Subject

ORDER = 5
MOST = 200
OPEN = 30
"""Rows up to which the table is not folded."""


def section(subjects: Sequence[Subject]) -> Section | None:
    """Return a table of the settings that differ, a column a run; None for one run."""
    if len(subjects) == 1:
        return None
    settings = [_settings(subject) for subject in subjects]
    names = list(dict.fromkeys(name for found in settings for name in found))
    rows = [
        (name, *(found.get(name, "–") for found in settings))
        for name in names
        if len({found.get(name) for found in settings}) > 1
    ]
    about = "Fields of the network files, with overrides, and what ran them. A dash: not set."
    blocks: list[Block] = [Note(f"{s.label}: {s.fault}") for s in subjects if s.fault]
    if len(rows) > MOST:
        blocks.append(Note(f"The first {MOST} of {len(rows)} settings that differ."))
    if rows:
        head = ("setting", *(subject.label for subject in subjects))
        grid = Grid("Settings that differ", head, rows[:MOST])
        blocks.append(grid if len(rows) <= OPEN else Folded(f"{len(rows)} settings", [grid]))
    else:
        blocks.append(Note("No setting differs."))
    return Section("Settings that differ", about, blocks)


def _settings(subject: Subject) -> dict[str, str]:
    manifest = subject.manifest
    machine, versions = manifest.get("machine"), manifest.get("versions")
    ran = {"engine": manifest.get("engine"), "commit": manifest.get("commit")}
    ran |= {"processor": machine.get("cpu")} if isinstance(machine, Mapping) else {}
    ran |= versions if isinstance(versions, Mapping) else {}
    file = subject.network.source.data if subject.network is not None else {}
    return _flat(file, "") | _flat({k: v for k, v in ran.items() if v is not None}, "ran with ")


def _flat(value: Any, path: str) -> dict[str, str]:
    """Return path -> text of every value below `value`; lists of named items by their names."""
    if isinstance(value, Mapping):
        items = [(str(key), item) for key, item in value.items()]
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        items = [
            (str(item.get("name", number)) if isinstance(item, Mapping) else str(number), item)
            for number, item in enumerate(value)
        ]
    else:
        return {path: str(value)}
    found: dict[str, str] = {}
    for key, item in items:
        nested = f"{path}.{key}" if path and not path.endswith(" ") else f"{path}{key}"
        found |= _flat(item, nested)
    return found
