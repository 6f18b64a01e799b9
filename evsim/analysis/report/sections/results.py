"""How each split went in its last pass, and what a trial cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from evsim.analysis.report.blocks import Grid, Note, Section
from evsim.analysis.report.subject import SPLITS, Subject
from evsim.recording.space import readable
from evsim.wording import duration, large, number, percent

ORDER = 30

Row = Mapping[str, Any]

MEASURES: Mapping[str, Mapping[str, Callable[[Row], str]]] = {
    "Outcome": {
        "error": lambda row: percent(row["error"]),
        "accuracy": lambda row: percent(1 - row["error"]),
        "loss": lambda row: number(row["loss"]),
        "least error": lambda row: f"{percent(row['least'])}, epoch {row['at']}",
        "epoch": lambda row: str(row["epoch"] + 1),
        "trials": lambda row: number(row["trials"]),
        "mean residual": lambda row: number(row["residual"]),
        "trials not settled": lambda row: percent(row["unsettled"]),
    },
    "Cost": {
        "time of the pass": lambda row: duration(row["seconds"]),
        "time of a trial": lambda row: f"{number(row['ms_per_trial'])} ms",
        "spikes of a trial": lambda row: large(row["spikes"] / max(row["trials"], 1)),
        "neurons and steps without a spike": lambda row: percent(row["activation_sparsity"]),
        "accumulations of a trial": lambda row: large(row["synaptic_operations"]["acs"]),
        "multiplications of a trial": lambda row: large(row["synaptic_operations"]["macs"]),
        "both, if all sent in every step": lambda row: large(row["synaptic_operations"]["dense"]),
        "memory of parameters and state": lambda row: readable(row["footprint"]),
    },
}
"""What is shown of a line of metrics, where the line has it."""


def section(subjects: Sequence[Subject]) -> Section:
    """Return tables whose columns are the splits of one run, or for each split the runs."""
    title, about = (
        "Results and costs",
        "Of the last pass over each split; costs are means of a trial.",
    )
    splits = [split for split in SPLITS if any(s.last(split) for s in subjects)]
    if not splits:
        return Section(title, "", [Note("No pass is complete, so there are no metrics.")])
    if len(subjects) == 1:
        return Section(title, about, _grids("", {s: _last(subjects[0], s) for s in splits}))
    grids = [_grids(f", {split}", {s.label: _last(s, split) for s in subjects}) for split in splits]
    return Section(title, about, [grid for group in grids for grid in group])


def _last(subject: Subject, split: str) -> Row:
    """Return the last line of a split and its least error; empty without one."""
    row = subject.last(split)
    if row is None:
        return {}
    errors = [
        (line["error"], line["epoch"] + 1)
        for line in subject.metrics
        if line.get("split") == split and line.get("error") is not None
    ]
    if not errors or len(errors) < 2:
        return row
    least, at = min(errors)
    return {**row, "least": least, "at": at}


def _grids(of: str, found: Mapping[str, Row]) -> list[Grid]:
    """Return a table a group of measures, without those that no line has."""
    grids = []
    for group, measures in MEASURES.items():
        rows = []
        for name, show in measures.items():
            cells = [_cell(row, show) for row in found.values()]
            if any(cells):
                rows.append((name, *(cell or "–" for cell in cells)))
        grids.append(Grid(group + of, ("", *found), rows))
    return grids


def _cell(row: Row, show: Callable[[Row], str]) -> str:
    """Return a measure as text, empty where the line does not have it."""
    try:
        return show(row)
    except (KeyError, TypeError):
        return ""
