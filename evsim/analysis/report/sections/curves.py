"""Error and loss of each split by epoch, all runs in one chart."""

from __future__ import annotations

from collections.abc import Sequence

from evsim.analysis.report.blocks import Axis, Block, Chart, Line, Note, Section
from evsim.analysis.report.sections.base import COLOURS, DASHES, numbers, visible
from evsim.analysis.report.subject import SPLITS, Subject

ORDER = 40


def section(subjects: Sequence[Subject]) -> Section:
    """Return a chart of errors and one of losses."""
    title = "Learning curves"
    error = Axis("error (%); accuracy is what is missing to 100 %", zero=True)
    charts = [
        Chart("Error", "", _EPOCH, error, lines(subjects, "error", 100)),
        Chart("Loss", "", _EPOCH, Axis("loss", zero=True), lines(subjects, "loss")),
    ]
    blocks: list[Block] = visible(charts)
    if not blocks:
        return Section(title, "", [Note(_lacking(subjects))])
    return Section(title, "Means over each pass of an epoch.", blocks)


_EPOCH = Axis("epoch", whole=True)


def _lacking(subjects: Sequence[Subject]) -> str:
    if not any(subject.metrics for subject in subjects):
        return "No pass is complete, so there are no metrics."
    return "No errors or losses were measured: the network has no readout."


def lines(subjects: Sequence[Subject], name: str, scale: float = 1) -> list[Line]:
    """Return a line of a metric for each run and split that has it."""
    found = []
    for subject in subjects:
        for split in SPLITS:
            rows = [
                row
                for row in subject.metrics
                if row.get("split") == split and row.get(name) is not None
            ]
            if rows:
                found.append(
                    Line(
                        f"{subject.label} {split}" if subject.several else split,
                        [row["epoch"] + 1 for row in rows],
                        numbers(scale * row[name] for row in rows),
                        subject.number if subject.several else COLOURS[split],
                        DASHES[split] if subject.several else 0,
                        dots=True,
                    )
                )
    return found
