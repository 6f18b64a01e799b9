"""Sections become one HTML file that needs nothing else."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

import evsim
from evsim import registry
from evsim.analysis.report.blocks import Block, Section, Value
from evsim.analysis.report.subject import SPLITS, Subject, subjects
from evsim.errors import RunError
from evsim.recording import text
from evsim.recording.reader import Run
from evsim.wording import duration, number, percent

SECTIONS = "evsim.analysis.report.sections"
FILES = Path(__file__).parent / "page"


def write(runs: Sequence[Run], out: Path) -> None:
    """Write a page about one run, or about several side by side.

    Raises
    ------
    RecordingError : a recording is damaged.
    RunError : the file cannot be written.
    """
    content = html(runs)
    try:
        out.write_text(content, encoding="utf-8", errors="xmlcharrefreplace")
    except OSError as error:
        raise RunError(f"Cannot write to '{out}': {error.strerror}") from error


def html(runs: Sequence[Run]) -> str:
    """Return the page as text.

    Raises
    ------
    RecordingError : a recording is damaged.
    """
    found = subjects(runs)
    environment = Environment(
        loader=FileSystemLoader(FILES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"json": _json, "cell": cell, "kind": _kind, "code": _code}
    return environment.get_template("page.html").render(
        title=", ".join(subject.label for subject in found),
        version=evsim.__version__,
        runs=[(subject, headlines(subject)) for subject in found],
        sections=sections(found),
    )


def sections(found: Sequence[Subject]) -> list[Section]:
    """Return all sections that have something to say about the runs, in their order."""
    modules = [registry.load(SECTIONS, name) for name in registry.names(SECTIONS)]
    made = [module.section(found) for module in sorted(modules, key=lambda m: int(m.ORDER))]
    return [section for section in made if section is not None]


def headlines(subject: Subject) -> list[tuple[str, str]]:
    """Return the few figures that a reader looks for first."""
    rows: list[tuple[str, str]] = [("status", subject.status)]
    for split in SPLITS:
        row = subject.last(split)
        if row is not None and row.get("error") is not None:
            rows.append((f"{split} error", percent(row["error"])))
            break
    if subject.metrics:
        epochs = max(int(row.get("epoch", 0)) for row in subject.metrics) + 1
        rows += [("epochs", str(epochs)), ("wall time", duration(subject.seconds))]
    rows.append(("trials", number(len(subject.run.trials))))
    return rows


def cell(value: Value) -> str:
    """Return a value of a table as text."""
    if value is None:
        return "–"
    return value if isinstance(value, str) else number(value)


def _kind(block: Block) -> str:
    """Return the name of the macro that draws a block."""
    return type(block).__name__


def _code(words: str) -> Markup:
    """Return a sentence whose `code` stands out."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(words))))


def _json(block: Any) -> Markup:
    """Return a block as JSON that may stand in a script element."""
    return Markup(text.to_line(dataclasses.asdict(block)).replace("<", r"\u003c"))
