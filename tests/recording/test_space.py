"""How large a recording will be: against what is written, and against the disk."""

from __future__ import annotations

import math
import shutil
from collections import namedtuple
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import pytest

import evsim
from evsim.errors import RecordingError, RunError
from evsim.recording import space
from evsim.recording.columns import SPLITS
from evsim.recording.layout import Layout
from evsim.recording.reader import Run, open_run
from evsim.recording.space import Amount
from tests.helpers import tiny
from tests.recording.helpers import PLAIN

RECORDS = {
    "everything": "{spikes: {}, states: [{population: hidden, variables: [u]}], weights: {}}",
    "nothing": "{}",
    "some trials": """{spikes: {phases: [free], trials: 7, every: {trial: 3, epoch: 2}},
        states: [{population: hidden, variables: [u, carry], neurons: [0, 3], trials: [0, 4, 5, 99],
                  every: {step: 4, trial: 2}},
                 {population: digit, variables: [u], phases: [plus], every: 3}],
        weights: {every: {epoch: 2}}}""",
}


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_what_is_expected_is_what_is_written(tmp_path: Path, record: str) -> None:
    path = tiny.write(tmp_path)
    result = tiny.run(path, tmp_path / "out", "protocol.epochs=3", f"record={record}")
    network = evsim.load(path, ["protocol.epochs=3", f"record={record}"])
    with open_run(result.folder) as run:
        layout, rows = run.layout, run.trials
        sizes = {split: int((rows["split"] == split).sum()) // 3 for split in SPLITS}
        phases = {phase.name: phase.steps for phase in layout.phases}
        kept = space.amount(network, space.passes(network, phases, sizes))
        assert kept.trials == len(rows)
        assert kept.weights == len(run.weight_epochs)
        assert kept.steps == sum(
            end - begin for row in run.recorded for begin, end in run.phases(int(row)).values()
        )
        assert list(kept.samples) == [_samples(run, n) for n in range(len(layout.states))]
        sent = {name: run.spikes(name) for name in layout.spikes}
        activity = {n: len(trains) / max(trains.steps.sum(), 1) for n, trains in sent.items()}
        expected = space.size(layout, kept, activity)
        assert expected <= space.size(layout, kept)
        assert expected == pytest.approx(_stored(result.folder / "recording.h5"), rel=0.005)


def _samples(run: Run, number: int) -> int:
    entry, total = run.layout.states[number], 0
    for row in range(len(run.trials)):
        with suppress(RecordingError):
            name = entry.variables[0].name
            total += len(run.states(entry.population, name, row, entry=number)[0])
    return total


def _stored(path: Path) -> int:
    """Bytes of all that grows in a recording, before compression."""
    total = 0

    def add(name: str, item: object) -> None:
        nonlocal total
        if isinstance(item, h5py.Dataset) and item.ndim and not name.startswith(("commit", "metr")):
            total += item.size * item.dtype.itemsize

    with h5py.File(path) as file:
        file.visititems(add)
    return total


@pytest.mark.parametrize(("encoding", "each"), [("plain", 2), ("compact", 1)])
def test_bytes_of_spikes_states_and_weights(encoding: Any, each: int) -> None:
    layout: Layout = replace(PLAIN, encoding=encoding)
    offsets = 3 * (8 * (6 + (len(layout.phases) + 1) * 5) + 1)
    offsets += 3 * 4 * len(layout.phases) * 2 * (encoding == "compact")
    counts = 120 * (2 + 1)
    # Of 400 and 10 neurons 5 spike: the others are gaps.
    gaps = math.ceil(120 * (395 + 10) / 255) if encoding == "compact" else 0
    states = 24 * 3 * 4 + 120 * 10 * 4
    weights = 2 * (4000 + 10 + 1) * 4
    kept = Amount(trials=3, steps=120, samples=(24, 120), weights=2)
    known = offsets + counts + states + weights
    assert space.size(layout, kept, {"hidden": 5.0, "digit": 0.0}) == known + 120 * 5 * each + gaps
    assert space.size(layout, kept) == known + 120 * 410 * each


def free(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(room, 0, room))


def test_a_recording_without_room_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tiny.write(tmp_path)
    free(monkeypatch, 20_000)
    network = evsim.load(path, ["record.spikes.trials=all"])
    with pytest.raises(
        RunError, match=r"about [\d.]+ .B, but '.*' has 20 kB left(.|\n)*--ignore-s"
    ):
        evsim.run(network, out=tmp_path / "new" / "out")
    assert not (tmp_path / "new").exists()
    assert evsim.run(network, out=tmp_path / "out", ignore_space=True).metrics


def test_what_spikes_at_most_does_not_count_where_few_are_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tiny.write(tmp_path)
    network = evsim.load(path, ["record.spikes.trials=all", "record.weights=null"])
    most = evsim.check(network).recording
    free(monkeypatch, most - 1)
    assert evsim.run(network, out=tmp_path / "out").metrics
