"""Makes a whole recording of what a killed process or a bad disk left."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.engines.base import Spikes
from evsim.errors import RecordingError
from evsim.orchestrator.events import SPLITS, PhaseRecord, TrialRecord
from evsim.recording import encoding, hdf5
from evsim.recording.columns import (
    TRIAL_COLUMNS,
    TRIAL_ROWS,
    columns,
    spikes_path,
    states_path,
    sums_path,
)
from evsim.recording.committed import Committed
from evsim.recording.encoded import SILENT
from evsim.recording.folder import RunFolder, manifest_beside, recording_path
from evsim.recording.writer import Writer, replacing

DAMAGED = "recording.damaged-{}.h5"
"""What a recording is called, from 1 on, after one without its damage has taken its place."""


@dataclass(frozen=True)
class Health:
    """What a look at every value of a recording found.

    Attributes
    ----------
    path : of the HDF5 file.
    closed : False if the process that wrote it was killed.
    trials : in its table.
    lost : those whose values are damaged, (trial,).
    weights : how often parameters were kept.
    lost_weights : those times, by row, whose values are damaged.
    metrics : whether the lines of metrics are whole.
    """

    path: Path
    closed: bool
    trials: int
    lost: tuple[int, ...]
    weights: int
    lost_weights: tuple[int, ...]
    metrics: bool

    @property
    def whole(self) -> bool:
        """Whether every value is as it was written."""
        return self.metrics and not self.lost and not self.lost_weights


def check(path: Path) -> Health:
    """Look at every value of a recording.

    Parameters
    ----------
    path : a run's folder, a folder of runs (its `latest`), or a recording.h5.

    Raises
    ------
    RecordingError : there is none, it is not evsim's, or so damaged that nothing can be read.
    """
    data = Committed(recording_path(path))
    try:
        weights = _kept(data)
        return Health(
            path=data.path,
            closed=data.closed,
            trials=data.lengths["trials/split"],
            lost=tuple(n for n, trial in enumerate(_trials(data)) if trial is None),
            weights=weights,
            lost_weights=tuple(n for n in range(weights) if _weights(data, n) is None),
            metrics=_readable(data, "metrics"),
        )
    finally:
        data.close()


def repair(path: Path) -> Health:
    """Replace a recording that is not closed or damaged by one of all that can be read.

    A damaged one is kept beside it, as `recording.damaged-1.h5`, or the next that is free.

    Returns
    -------
    What was found before.

    Raises
    ------
    RecordingError : see `check`; or a process is writing to it.
    RunError : there is no room for the new one; the old one is left as it is.
    """
    target = recording_path(path)
    folder = RunFolder(target.parent)
    with folder.lock():
        health = check(target)
        if health.whole and health.closed:
            return health
        data = Committed(target)
        try:
            with hdf5.writing(target), replacing(target) as fresh:
                _copy(data, fresh, health)
                if not health.whole:
                    os.link(target, _free_name(target))
        finally:
            data.close()
        if manifest_beside(target).get("status") == "running":
            folder.update_manifest(status="killed")
    return health


def _free_name(target: Path) -> Path:
    names = (target.with_name(DAMAGED.format(number)) for number in count(1))
    return next(path for path in names if not path.exists())


def _copy(data: Committed, fresh: Path, health: Health) -> None:
    hdf5.create(fresh, data.layout, data.text("provenance"))
    with Writer(fresh, data.layout) as writer:
        for row in range(health.weights):
            found = _weights(data, row)
            if found is not None:
                epoch = int(data.read("weight_epochs", row, row + 1)[0])
                writer.weights(epoch, found)
        for trial in _trials(data):
            if trial is not None:
                writer.trial(trial)
        for line in _metrics(data, health):
            writer.metrics(line)


def _metrics(data: Committed, health: Health) -> list[dict[str, Any]]:
    """Return the lines of metrics; those of the run's folder where the recording's are damaged."""
    if health.metrics:
        return [json.loads(line) for line in data.read("metrics").tobytes().splitlines()]
    try:
        return RunFolder(data.path.parent).read_metrics()
    except RecordingError:
        return []


def _readable(data: Committed, path: str) -> bool:
    try:
        data.read(path)
    except RecordingError:
        return False
    return True


def _kept(data: Committed) -> int:
    return data.lengths["weight_epochs"] if data.layout.parameters else 0


def _weights(data: Committed, row: int) -> dict[str, NDArray[Any]] | None:
    """Return all parameters as they were kept once; None where they are damaged."""
    try:
        data.read("weight_epochs", row, row + 1)
        return {
            parameter.name: data.read(f"weights/{parameter.name}", row, row + 1)[0]
            for parameter in data.layout.parameters
        }
    except RecordingError:
        return None


def _trials(data: Committed) -> Iterator[TrialRecord | None]:
    """Yield every trial; None for those that are damaged."""
    layout, rows = data.layout, data.lengths["trials/split"]
    paths = [c.path for c in columns(layout) if c.path.startswith("trials/")]
    for begin in range(0, rows, TRIAL_ROWS):
        end = min(begin + TRIAL_ROWS, rows)
        try:
            table = {path: data.read(path, begin, end) for path in paths}
        except RecordingError:
            yield from [None] * (end - begin)
            continue
        for at in range(end - begin):
            try:
                yield _trial(data, {path: rows[at] for path, rows in table.items()})
            except RecordingError:
                yield None


def _trial(data: Committed, row: Mapping[str, Any]) -> TrialRecord:
    """Return a trial, given its row of every table."""
    layout = data.layout
    with hdf5.reading(data.path):
        values = {name: row[f"trials/{name}"].item() for name in TRIAL_COLUMNS}
        values["split"] = SPLITS[values["split"]]
        steps = row["trials/step_offset"].astype(np.int64)
        sent = {name: _spikes(data, name, steps, row) for name in layout.spikes}
        seen = [_states(data, number, row) for number in range(len(layout.states))]
    phases = []
    for at, phase in enumerate(layout.phases):
        states = {number: found[at] for number, found in enumerate(seen) if found[at]}
        kept = int(steps[at + 1] - steps[at])
        spikes = {name: found[at] for name, found in sent.items()} if kept else {}
        if spikes or states:
            phases.append(PhaseRecord(phase.name, kept, spikes, states))
    return TrialRecord(**values, phases=tuple(phases))


def _spikes(
    data: Committed, name: str, steps: NDArray[np.int64], row: Mapping[str, Any]
) -> list[Spikes]:
    """Return the spikes of a trial by phase; `steps` says where each begins."""
    layout, size = data.layout, data.layout.population(name).size
    path, counts = spikes_path(layout, name), f"spikes/{name}/count"
    marks = row[f"trials/spike_offset/{name}"].astype(np.int64)
    stored = data.read(path, marks[0], marks[-1])
    if name in layout.summed:
        encoding.check(stored, np.diff(marks), row[sums_path(name)])
    found = []
    ends = pairwise(marks - marks[0])
    for (begin, end), (first, last) in zip(pairwise(steps), ends, strict=True):
        if begin == end:
            found.append(SILENT)
            continue
        sent = data.read(counts, begin, end).astype(np.int64)
        neuron = encoding.decode(stored[first:last], sent, size, layout.encoding)
        found.append(Spikes(sent.astype(np.uint32), neuron))
    return found


def _states(data: Committed, number: int, row: Mapping[str, Any]) -> list[dict[str, NDArray[Any]]]:
    """Return the samples of an entry of `record.states` by phase; empty where none are kept."""
    entry, marks = data.layout.states[number], row[f"trials/state_offset/{number}"]
    paths = {v.name: states_path(number, entry, v.name) for v in entry.variables}
    return [
        {name: data.read(path, begin, end) for name, path in paths.items()} if end > begin else {}
        for begin, end in pairwise(marks)
    ]
