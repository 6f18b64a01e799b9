"""Spikes of several trials, in the forms of other tools."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evsim.errors import RecordingError
from evsim.orchestrator.events import TrialRecord
from evsim.recording import spikes as reading
from evsim.recording.layout import Layout
from evsim.recording.reader import Run, open_run
from evsim.recording.writer import Writer
from tests.recording.helpers import LAYOUT, PLAIN, trial

PHASES = [(), ("free",), ("minus",), ("free", "minus")]


def write(path: Path, layout: Layout, records: list[TrialRecord]) -> None:
    with Writer.create(path, layout, {}) as writer:
        for record in records:
            writer.trial(record)


def made(kept: list[tuple[str, ...]], layout: Layout = LAYOUT) -> list[TrialRecord]:
    random = np.random.default_rng(1)
    return [trial(random, i, layout, phases) for i, phases in enumerate(kept)]


def rows_of(record: TrialRecord, row: int, phase: str | None) -> Iterator[tuple[int, int, int]]:
    """Each spike of hidden in a trial: row, step, neuron."""
    past = 0
    for part in record.phases:
        if phase in (None, part.name):
            spikes = part.spikes["hidden"]
            step = np.repeat(np.arange(part.steps), spikes.count) + past
            yield from zip([row] * len(step), step.tolist(), spikes.neuron.tolist(), strict=True)
            past += part.steps


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    write(tmp_path / "recording.h5", LAYOUT, made([("free", "minus"), (), ("free",)]))
    with open_run(tmp_path) as opened:
        yield opened


@settings(max_examples=40, deadline=None)
@given(
    kept=st.lists(st.sampled_from(PHASES), min_size=1, max_size=6),
    chosen=st.sets(st.integers(0, 5)),
    phase=st.sampled_from([None, "free", "minus"]),
    layout=st.sampled_from([LAYOUT, PLAIN]),
    part=st.sampled_from([1, 1 << 23]),
)
def test_any_choice_of_trials_reads_as_it_was_written(
    kept: list[tuple[str, ...]],
    chosen: set[int],
    phase: str | None,
    layout: Layout,
    part: int,
) -> None:
    records = made(kept, layout)
    mask = np.isin(np.arange(len(kept)), list(chosen))
    there = [
        row
        for row, phases in enumerate(kept)
        if mask[row] and (phase in phases if phase else phases)
    ]
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "PART", part)
        write(Path(folder) / "recording.h5", layout, records)
        with open_run(folder) as run:
            trains = run.spikes("hidden", mask, phase)
            rates = run.rates("hidden", mask, phase)
            if there:
                same = run.spikes("hidden", there, phase)
                assert same.neuron.tolist() == trains.neuron.tolist()
    expected = [spike for row in there for spike in rows_of(records[row], row, phase)]
    found = zip(trains.trial.tolist(), trains.step.tolist(), trains.neuron.tolist(), strict=True)
    assert [*found] == expected
    assert trains.rows.tolist() == there
    seconds = trains.steps.sum() * layout.dt
    sums = np.bincount([neuron for *_, neuron in expected], minlength=400)
    if there:
        np.testing.assert_allclose(rates, sums / seconds)
    else:
        assert np.isnan(rates).all()
    assert (trains.counts().sum(axis=0) == sums).all()


def test_all_forms_hold_the_same_spikes(run: Run) -> None:
    trains = run.spikes("hidden")
    frame, raster = trains.frame(), trains.raster()
    assert len(frame) == len(trains) > 100
    assert trains.steps.tolist() == [30, 20] and raster.shape == (50, 400)
    for at, (row, past) in enumerate(zip([0, 2], [0, 30], strict=True)):
        part = frame[frame.trial == row]
        dense = raster.toarray()[past : past + trains.steps[at]]
        assert (np.argwhere(dense) == part[["step", "neuron"]].to_numpy()).all()
        np.testing.assert_array_equal(part.time, part.step * run.layout.dt)
    neos = trains.neo()
    assert len(neos) == 2 * 400
    for number in (0, 57, 399, 400, 799):
        train, row, neuron = neos[number], (0, 2)[number // 400], number % 400
        chosen = frame[(frame.trial == row) & (frame.neuron == neuron)]
        assert train.times.rescale("s").magnitude.tolist() == chosen.time.tolist()
        assert train.annotations == {"population": "hidden", "neuron": neuron, "trial": row}
        assert float(train.t_stop.rescale("s")) == pytest.approx((30, 20)[row > 0] * run.layout.dt)


def test_a_choice_that_cannot_be_is_said(run: Run) -> None:
    for choice, says in (
        ([0, 1], "Nothing of trial 1 is kept"),
        ([2, 0], "ascending"),
        ([0, 0], "once"),
        ([0, 3], "No trial 3"),
        (np.ones(2, bool), "there are 3 trials, not 2"),
        ([0.5], "whole numbers"),
    ):
        with pytest.raises(RecordingError, match=says):
            run.spikes("hidden", choice)  # type: ignore[arg-type]
    assert len(run.spikes("hidden", -1).rows) == 1
    assert not len(run.spikes("hidden", np.zeros(3, bool)))
