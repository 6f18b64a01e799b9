"""Tables of a recording say what went into it."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evsim.analysis.analyze import analyze, write
from evsim.analysis.tables.base import Table
from evsim.analysis.tables.selectivity import selectivity
from evsim.engines.base import Spikes
from evsim.errors import InputError, RunError
from evsim.orchestrator.events import PhaseRecord, TrialRecord
from evsim.recording.reader import open_run
from evsim.recording.writer import Writer
from tests.helpers.process import evsim as command
from tests.recording.helpers import LAYOUT, parameters

BARE = replace(LAYOUT, states=(), spikes=("digit",))


def spikes(raster: np.ndarray) -> Spikes:
    """Spikes of a (step, neuron) raster."""
    count = raster.sum(1).astype(np.uint32)
    return Spikes(count, np.nonzero(raster)[1].astype(np.uint32))


def trial(
    label: int, rates: dict[str, Sequence[int]], index: int = 0, epoch: int = 0
) -> TrialRecord:
    """A trial in which digit n spikes every `rates[phase][n]`-th step, never where that is 0."""
    kept = []
    for phase in LAYOUT.phases:
        if phase.name in rates:
            step = np.arange(phase.steps)[:, None]
            every = np.array(rates[phase.name])
            raster = (every > 0) & (step % np.maximum(every, 1) == 0)
            kept.append(PhaseRecord(phase.name, phase.steps, {"digit": spikes(raster)}))
    return TrialRecord(
        epoch=epoch,
        split="train",
        index=index,
        sample=index,
        label=label,
        predicted=label if index else 9,
        residual=0.01 * (index + 1),
        phases=tuple(kept),
    )


def tables(folder: Path, trials: list[TrialRecord]) -> dict[str, Table]:
    random = np.random.default_rng(0)
    with Writer.create(folder / "recording.h5", BARE, {}) as writer:
        writer.weights(0, parameters(random, BARE))
        for record in trials:
            writer.trial(record)
        writer.weights(1, {name: 2 * p for name, p in parameters(random, BARE).items()})
    with open_run(folder) as run:
        return analyze(run)


def rows(table: Table) -> list[dict[str, object]]:
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def test_activity_and_distance_are_those_of_clocks(tmp_path: Path) -> None:
    free = [1, 2, 4, 5, 0, 0, 0, 0, 0, 0]
    plus = [1, 2, 5, 0, 0, 0, 0, 0, 0, 0]
    found = tables(tmp_path, [trial(0, {"free": free, "plus": plus}, n) for n in range(3)])
    first, second = rows(found["activity"])
    assert (first["phase"], second["phase"], first["trials"]) == ("free", "plus", 3)
    # 20, 10, 5 and 4 spikes in 20 ms; 10, 5 and 2 in 10 ms; of ten neurons.
    assert first["rate"] == pytest.approx((20 + 10 + 5 + 4) / 0.02 / 10)
    assert second["rate"] == pytest.approx((10 + 5 + 2) / 0.01 / 10)
    assert (first["silent"], second["silent"]) == (pytest.approx(0.6), pytest.approx(0.7))
    assert first["cv"] == first["cv2"] == first["fano"] == 0
    (apart,) = rows(found["distances"])
    assert (apart["phase"], apart["other"]) == ("free", "plus")
    # 1000, 500, 250, 200 Hz against 1000, 500, 200, 0 Hz.
    assert apart["distance"] == pytest.approx((50 + 200) / 10)
    size = np.sqrt(1000**2 + 500**2 + 250**2 + 200**2)
    assert apart["relative"] == pytest.approx(np.hypot(50, 200) / size)


def test_errors_and_residuals_are_those_of_the_last_epoch(tmp_path: Path) -> None:
    kept = {"free": [1] * 10}
    trials = [trial(3, kept, n, epoch) for epoch in (0, 1) for n in range(4)]
    found = tables(tmp_path, trials)
    assert [row[1:] for row in found["confusion"].rows] == [(3, 3, 3, 0.75), (3, 9, 1, 0.25)]
    assert found["settling"].column("epoch") == [0, 1]
    assert found["settling"].column("median") == pytest.approx([0.025, 0.025])
    assert found["settling"].column("largest") == pytest.approx([0.04, 0.04])


def test_neurons_of_one_class_are_selective_and_those_of_all_are_not(tmp_path: Path) -> None:
    mine = np.zeros((6, 10), int)
    mine[np.arange(6), np.arange(6) % 3] = 1
    mine[:, 9] = 2
    found = tables(tmp_path, [trial(n % 3, {"free": mine[n].tolist()}, n) for n in range(6)])
    (row,) = rows(found["selectivity"])
    # Three neurons spike for one class only, one for all alike, the others never.
    assert row["selectivity"] == pytest.approx(3 / 4)
    index, preferred = selectivity(mine, np.arange(6) % 3)
    assert preferred[:3].tolist() == [0, 1, 2] and np.isnan(index[5])


def test_weights_are_compared_with_the_first(tmp_path: Path) -> None:
    found = rows(tables(tmp_path, [trial(0, {"free": [1] * 10})])["weights"])
    before, after = (row for row in found if row["parameter"] == "out")
    assert (before["change"], before["cosine"]) == (0, pytest.approx(1))
    assert after["norm"] == pytest.approx(2 * before["norm"], rel=0.1)
    assert 0.7 < after["cosine"] < 0.8, "uniform from 0 to 1: 1/4 over 1/3"


def test_files_hold_the_tables(tmp_path: Path) -> None:
    found = tables(tmp_path, [trial(n % 2, {"free": [1, 2] * 5}, n) for n in range(4)])
    paths = write(found, tmp_path / "a" / "b")
    stored = json.loads(paths[0].read_text())
    assert {path.stem for path in paths[1:]} == set(found) == set(stored)
    assert stored["activity"]["units"]["rate"] == "Hz"
    with (tmp_path / "a/b/activity.csv").open(newline="") as file:
        (line,) = csv.DictReader(file)
    assert float(line["rate (Hz)"]) == stored["activity"]["rows"][0]["rate"] == 750
    with pytest.raises(RunError, match="Cannot write to"):
        write(found, paths[0] / "below")


def test_the_command_prints_and_writes(tmp_path: Path) -> None:
    tables(tmp_path, [trial(n % 2, {"free": [1, 2] * 5, "plus": [1] * 10}, n) for n in range(4)])
    done = command("analyze", tmp_path, "activity", "confusion")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[-1] == str(tmp_path / "analysis")
    assert "rate (Hz)" in lines[1] and any("750" in line for line in lines)
    names = {path.name for path in (tmp_path / "analysis").iterdir()}
    assert names == {"analysis.json", "activity.csv", "confusion.csv"}
    stored = json.loads(command("analyze", tmp_path, "--json").out)
    assert stored["activity"][0]["rate"] == 750
    wrong = command("analyze", tmp_path, "activty")
    assert wrong.code == 2 and "did you mean 'activity'" in wrong.err


def test_nothing_to_measure_is_said(tmp_path: Path) -> None:
    bare = replace(LAYOUT, spikes=(), states=(), parameters=())
    Writer.create(tmp_path / "recording.h5", bare, {}).close()
    with open_run(tmp_path) as run:
        assert analyze(run) == {}
        with pytest.raises(InputError, match="Unknown name 'x' in tables"):
            analyze(run, ["x"])
        with pytest.raises(InputError, match="nothing that it could be made from"):
            analyze(run, ["weights"])
    done = command("analyze", tmp_path)
    assert done.code == 0 and "holds nothing to measure" in done.err
    assert "Left out: " in done.err and "weights" in done.err
    assert command("analyze", tmp_path, "weights").code == 2
