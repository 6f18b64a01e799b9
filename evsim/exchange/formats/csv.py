"""CSV: a folder with `spikes.csv`, `trials.csv`, `phases.csv` and a file for each sampled variable.

Times of spikes and samples count from the start of their trial.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.exchange.session import Session, Signal
from evsim.spikefiles.base import Table
from evsim.spikefiles.csv import PHASES, SPIKES, TRIALS

SUFFIX = ""


def left_out(session: Session) -> list[str]:
    """Return what this format does not hold."""
    return []


def write(session: Session, path: Path, facts: Mapping[str, Any]) -> None:
    """Write the files into a folder.

    Raises
    ------
    RecordingError : the recording is damaged.
    """
    _write(path / TRIALS, list(session.trials()), _rows(session.trials()))
    _write(path / PHASES, list(session.phases()), _rows(session.phases()))
    columns = ["trial", "population", "neuron", "step", "time"]
    _write(path / SPIKES, columns, _spikes(session))
    for signal in session.signals:
        head = ["trial", "step", "time", *(map(str, signal.neurons.tolist()) or ["all"])]
        name = f"{signal.name}.csv"
        _write(path / name, head, _samples(session, signal))


def _write(path: Path, columns: list[str], rows: Iterable[Iterable[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(columns)
        lines.writerows(rows)


def _rows(table: Table) -> Iterable[tuple[Any, ...]]:
    return zip(*(_plain(values) for values in table.values()), strict=True)


def _spikes(session: Session) -> Iterable[tuple[Any, ...]]:
    for population in session.populations:
        for trains in session.spikes(population):
            trial, neuron = trains.trial.tolist(), trains.neuron.tolist()
            names = [population] * len(trains)
            yield from zip(
                trial, names, neuron, trains.step.tolist(), trains.time.tolist(), strict=True
            )


def _samples(session: Session, signal: Signal) -> Iterable[tuple[Any, ...]]:
    for trial, steps, values in session.samples(signal):
        row, times = int(session.rows[trial]), np.multiply(steps, session.dt).tolist()
        # The shortest text that gives the same number in the variable's own precision.
        cells = values.astype(str).tolist() if values.dtype.kind == "f" else values.tolist()
        for step, time, numbers in zip(steps.tolist(), times, cells, strict=True):
            yield row, step, time, *numbers


def _plain(values: NDArray[Any]) -> list[Any]:
    """Return values as they are written: truth as 1 and 0, nothing where there is no number."""
    items: list[Any] = (values.astype(int) if values.dtype.kind == "b" else values).tolist()
    return ["" if item != item else item for item in items]
