"""Distances between spike trains, against their definitions and against Elephant."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evsim.analysis.sampling import evenly, spiking
from evsim.analysis.spikes import van_rossum, victor_purpura
from evsim.analysis.tables import class_distances, distances
from evsim.engines.base import Spikes
from evsim.orchestrator.events import PhaseRecord, TrialRecord
from evsim.recording.layout import Phase
from evsim.recording.reader import open_run
from evsim.recording.writer import Writer
from tests.recording.helpers import LAYOUT

TRAINS = st.lists(
    st.lists(st.integers(0, 60), max_size=7).map(lambda ms: np.array(sorted(ms)) * 1e-3),
    min_size=1,
    max_size=4,
)


def filtered(train: np.ndarray, tau: float) -> np.ndarray:
    """A train as exponentials on a fine grid of time."""
    time = np.arange(0, 0.2, 2e-5)
    after = time[:, None] - train
    return np.where(after >= 0, np.exp(-np.maximum(after, 0) / tau), 0).sum(axis=1)


def cheapest(a: list[float], b: list[float], cost: float) -> float:
    """Victor and Purpura's distance by its definition, spike by spike from the end."""
    if not a or not b:
        return float(len(a) + len(b))
    return min(
        cheapest(a[:-1], b, cost) + 1,
        cheapest(a, b[:-1], cost) + 1,
        cheapest(a[:-1], b[:-1], cost) + cost * abs(a[-1] - b[-1]),
    )


def test_one_spike_more_is_one_apart() -> None:
    trains = [np.zeros(0), np.array([0.01]), np.array([0.01, 5.0]), np.array([0.01, 0.01])]
    assert van_rossum(trains, 0.02) == pytest.approx(
        np.array([[0, 1, 2**0.5, 2], [1, 0, 1, 1], [2**0.5, 1, 0, 2**0.5], [2, 1, 2**0.5, 0]])
    )
    assert victor_purpura(trains, 100.0)[0].tolist() == [0, 1, 2, 2]


def test_a_spike_that_is_late_costs_what_was_paid_for_it() -> None:
    """Two spikes d apart: 2 (1 - exp(-d/tau)) squared, and q d until two changes are cheaper."""
    for late in (0.0, 0.003, 0.01, 0.08):
        pair = [np.array([0.1]), np.array([0.1 + late])]
        expected = np.sqrt(2 * (1 - np.exp(-late / 0.02)))
        assert van_rossum(pair, 0.02)[0, 1] == pytest.approx(expected)
        assert victor_purpura(pair, 100.0)[0, 1] == pytest.approx(min(100 * late, 2))


@settings(deadline=None)
@given(TRAINS, st.sampled_from([0.004, 0.03]))
def test_van_rossum_is_the_integral(trains: list[np.ndarray], tau: float) -> None:
    found = van_rossum(trains, tau)
    # Tails that the grid cuts off fall by the same exponential.
    curves = [filtered(train, tau) for train in trains]
    for i, one in enumerate(curves):
        for j, other in enumerate(curves):
            apart = (one - other) ** 2
            square = (apart.sum() * 2e-5 + apart[-1] * tau / 2) * 2 / tau
            assert found[i, j] ** 2 == pytest.approx(square, abs=0.02 + 0.01 * square)


@settings(deadline=None)
@given(TRAINS.map(lambda trains: [t[:4] for t in trains]), st.sampled_from([5.0, 80.0, 1e4]))
def test_victor_purpura_is_the_least_cost(trains: list[np.ndarray], cost: float) -> None:
    found = victor_purpura(trains, cost)
    for i, one in enumerate(trains):
        for j, other in enumerate(trains):
            least = cheapest(one.tolist(), other.tolist(), cost)
            assert found[i, j] == pytest.approx(least, abs=1e-9)


@pytest.mark.filterwarnings("ignore:van_rossum_distance:RuntimeWarning")
@settings(deadline=None)
@given(TRAINS)
def test_distances_are_those_of_elephant(trains: list[np.ndarray]) -> None:
    elephant = pytest.importorskip("elephant.spike_train_dissimilarity")
    neo, units = pytest.importorskip("neo"), pytest.importorskip("quantities")
    theirs = [neo.SpikeTrain(1e3 * train, units="ms", t_stop=100.0) for train in trains]
    expected = elephant.van_rossum_distance(theirs, 20.0 * units.ms)
    assert van_rossum(trains, 0.02) == pytest.approx(expected, abs=1e-5)
    expected = elephant.victor_purpura_distance(theirs, 50.0 * units.Hz)
    assert victor_purpura(trains, 50.0) == pytest.approx(expected, abs=1e-9)


def test_few_stand_for_many_from_the_first_to_the_last() -> None:
    assert evenly(np.arange(5), 9).tolist() == [0, 1, 2, 3, 4]
    assert evenly(np.arange(101), 5).tolist() == [0, 25, 50, 75, 100]
    spikes = np.zeros(300, np.int64)
    spikes[100:] = 3
    assert len(spiking(spikes)) == 50 and spikes[spiking(spikes)].all()
    assert spiking(np.array([0, 60_000, 60_000])).tolist() == [1]
    assert spiking(np.zeros(3, np.int64)).tolist() == []


PHASES = replace(
    LAYOUT,
    states=(),
    spikes=("digit",),
    parameters=(),
    phases=(Phase("free", 100), Phase("plus", 50)),
)


def record(path: Path, trials: list[tuple[int, dict[str, dict[int, list[int]]]]]) -> None:
    """Trials of a label and, by phase, the steps in which neurons of `digit` spike."""
    with Writer.create(path / "recording.h5", PHASES, {}) as writer:
        for index, (label, phases) in enumerate(trials):
            kept = []
            for phase in PHASES.phases:
                if phase.name in phases:
                    raster = np.zeros((phase.steps, 10), np.bool_)
                    for neuron, steps in phases[phase.name].items():
                        raster[steps, neuron] = True
                    count = raster.sum(1).astype(np.uint32)
                    spikes = Spikes(count, np.nonzero(raster)[1].astype(np.uint32))
                    kept.append(PhaseRecord(phase.name, phase.steps, {"digit": spikes}))
            writer.trial(
                TrialRecord(
                    epoch=0,
                    split="train",
                    index=index,
                    sample=index,
                    label=label,
                    predicted=-1,
                    residual=float("nan"),
                    phases=tuple(kept),
                )
            )


def rows(table: Any) -> list[dict[str, Any]]:
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def test_classes_that_spike_at_different_times_are_apart(tmp_path: Path) -> None:
    """Both classes have as many spikes: only short scales tell them apart."""
    random = np.random.default_rng(0)
    trials = []
    for index in range(12):
        phase = 5 if index % 2 else 0
        steps = np.arange(10, 90, 10) + phase + random.integers(0, 2, 8)
        trials.append((index % 2, {"free": {3: steps.tolist(), 7: steps.tolist()}}))
    record(tmp_path, trials)
    with open_run(tmp_path) as run:
        short, middle, long = rows(class_distances.table(run))
    assert (short["trials"], short["neurons"], short["phase"]) == (12, 2, "free")
    # Eight spikes in 100 ms.
    assert [row["scale"] for row in (short, middle, long)] == pytest.approx(
        [1.25e-3, 0.0125, 0.125]
    )
    assert short["nearest"] == middle["nearest"] == 1
    assert short["chance"] == pytest.approx(5 / 11)
    assert middle["between"] > 2 * middle["within"]
    assert long["between"] < short["between"] / 4


def test_equal_trials_are_as_near_as_chance(tmp_path: Path) -> None:
    record(tmp_path, [(index % 2, {"free": {0: [10, 40]}}) for index in range(6)])
    with open_run(tmp_path) as run:
        for row in rows(class_distances.table(run)):
            assert row["within"] == row["between"] == 0
            assert row["nearest"] == pytest.approx(row["chance"]) == pytest.approx(2 / 5)


def test_trials_without_labels_have_no_classes(tmp_path: Path) -> None:
    record(tmp_path, [(-1, {"free": {0: [1]}}), (-1, {"free": {0: [2]}})])
    with open_run(tmp_path) as run:
        assert class_distances.table(run).rows == []


def test_phases_are_compared_by_their_last_steps(tmp_path: Path) -> None:
    """A phase that goes on as the free one ended is not far from it, whatever came before."""
    same = {"free": {1: [3, 60, 80]}, "plus": {1: [10, 30]}}
    late = {"free": {1: [20, 51, 90]}, "plus": {1: [1, 45]}}
    record(tmp_path, [(0, same), (0, late)])
    with open_run(tmp_path) as run:
        (row,) = rows(distances.table(run))
    # Ten spikes of one neuron in 2 * 150 ms.
    assert row["scale"] == pytest.approx(0.03)
    assert row["trains"] == pytest.approx(np.sqrt(2 * (1 - np.exp(-5 / 30))) / 2)
    first, second = (np.array(times) * 1e-3 for times in ([10, 30], [1, 40]))
    assert row["others"] == pytest.approx(van_rossum([first, second], 0.03)[0, 1])
