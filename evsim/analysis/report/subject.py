"""A run as a report sees it: its recording, and what lies beside that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from evsim.errors import InputError
from evsim.recording.folder import RECORDING, RunFolder, begun, manifest_beside
from evsim.recording.reader import Run
from evsim.spec.parse import parse_text
from evsim.spec.schema import Network

SPLITS = ("test", "validation", "train")
"""The split that counts most comes first."""


@dataclass(frozen=True)
class Subject:
    """A run of a report.

    Attributes
    ----------
    label : names the run among those of the page.
    number : place on the page, from 0; gives its colour.
    several : whether the page compares runs.
    manifest : of the run's folder, or what the recording knows where it lies alone.
    text : the network file; empty without.
    network : what the file means with the run's overrides; None where `fault` says why not.
    metrics : lines of metrics.
    """

    run: Run
    label: str
    number: int
    several: bool
    manifest: Mapping[str, Any]
    text: str
    network: Network | None
    fault: str
    metrics: Sequence[Mapping[str, Any]]

    @property
    def started(self) -> datetime | None:
        """When the run began, from its folder's name."""
        return begun(self.run.path.parent)

    @property
    def status(self) -> str:
        """How the run ended, or that it has not."""
        noted = str(self.manifest.get("status", ""))
        if self.run.closed:
            return noted or "finished"
        writing = bool(noted) and RunFolder(self.run.path.parent).is_written
        return "running" if writing else "ended without being closed"

    @property
    def seconds(self) -> float:
        """Wall time of all passes, s."""
        return sum(float(row.get("seconds") or 0) for row in self.metrics)

    def last(self, split: str) -> Mapping[str, Any] | None:
        """Return the last line of metrics of a split."""
        return next((row for row in reversed(self.metrics) if row.get("split") == split), None)


def subjects(runs: Sequence[Run]) -> tuple[Subject, ...]:
    """Return the subjects of a page, with labels that differ.

    Raises
    ------
    RecordingError : a recording is damaged.
    """
    labels = _labels(runs)
    return tuple(
        _subject(run, label, number, len(runs) > 1)
        for number, (run, label) in enumerate(zip(runs, labels, strict=True))
    )


def _subject(run: Run, label: str, number: int, several: bool) -> Subject:
    manifest = manifest_beside(run.path) or run.provenance
    text = _network_text(run.path.parent) if "name" in manifest or "script" in manifest else ""
    network, fault = _network(text, manifest)
    return Subject(run, label, number, several, manifest, text, network, fault, run.metrics)


def _network_text(folder: Path) -> str:
    try:
        return RunFolder(folder).network.read_text("utf-8-sig", errors="replace")
    except OSError:
        return ""


def _network(text: str, manifest: Mapping[str, Any]) -> tuple[Network | None, str]:
    if manifest.get("script"):
        return None, "The network was made by a Python script."
    if not text:
        return None, "The network file does not lie beside the recording."
    overrides = manifest.get("overrides")
    try:
        return parse_text(
            text, "network.yaml", overrides if isinstance(overrides, list) else ()
        ), ""
    except InputError as error:
        reason = str(error).splitlines()[0]
        return None, f"The network file cannot be read by this version of evsim: {reason}"


def _name(folder: Path) -> str:
    """Return the network's name; without a manifest that of the folder that says most."""
    noted = manifest_beside(folder / RECORDING).get("name")
    return str(noted or (folder.parent if begun(folder) else folder).name)


def _labels(runs: Sequence[Run]) -> list[str]:
    """Return names; where two are the same, with the end of the folder's name; else numbered."""
    names = [_name(run.path.parent) for run in runs]
    for attempt in range(2):
        counts = Counter(names)
        parts = [run.path.parent.name.rpartition("-")[2] for run in runs]
        extra = parts if attempt == 0 else [f"({number + 1})" for number in range(len(runs))]
        names = [
            f"{name} {more}" if counts[name] > 1 else name
            for name, more in zip(names, extra, strict=True)
        ]
    return names
