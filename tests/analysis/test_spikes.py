"""Statistics of spikes against trains whose statistics are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evsim.analysis.convergence import activity, residuals, typical_trials
from evsim.analysis.spikes import intervals, rates, variation
from evsim.recording.reader import open_run
from evsim.recording.writer import Writer
from tests.recording.helpers import LAYOUT, trial


def trains(times: dict[int, list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Spikes in the order of a recording: by step, then by neuron."""
    pairs = sorted((t, neuron) for neuron, found in times.items() for t in found)
    steps, neurons = zip(*pairs, strict=True) if pairs else ((), ())
    return np.array(steps, np.int64), np.array(neurons, np.uint32)


def test_a_clock_has_its_rate_its_interval_and_no_variation() -> None:
    step, neuron = trains({1: list(range(0, 100, 4)), 3: [7]})
    assert rates(neuron, 5, 100, 1e-3) == pytest.approx([0, 250, 0, 10, 0])
    interval, owner = intervals(step, neuron, 1e-3)
    assert interval == pytest.approx([4e-3] * 24)
    assert set(owner.tolist()) == {1}
    cv = variation(step, neuron, 5)
    assert cv[1] == 0 and np.isnan(cv[[0, 2, 3, 4]]).all()


def test_a_poisson_train_varies_as_much_as_its_mean() -> None:
    random = np.random.default_rng(0)
    found = np.flatnonzero(random.random(200_000) < 0.02)
    step, neuron = trains({0: found.tolist()})
    assert variation(step, neuron, 1)[0] == pytest.approx(1, abs=0.05)


@given(st.dictionaries(st.integers(0, 4), st.sets(st.integers(0, 50))))
def test_intervals_are_those_of_each_neuron_alone(times: dict[int, set[int]]) -> None:
    sorted_times = {neuron: sorted(found) for neuron, found in times.items()}
    interval, owner = intervals(*trains(sorted_times), 1.0)
    for neuron in range(5):
        expected = np.diff(sorted_times.get(neuron, []))
        assert interval[owner == neuron].tolist() == expected.tolist()


def test_activity_and_residuals_are_those_of_the_last_epoch(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    records = [trial(random, i, epoch=i // 2) for i in range(4)]
    records.append(trial(random, 0, phases=("free",), split="test", epoch=1))
    with Writer.create(tmp_path / "recording.h5", LAYOUT, {}) as writer:
        for record in records:
            writer.trial(record)
    with open_run(tmp_path) as run:
        assert typical_trials(run) == [2, 3]
        share = activity(run, "digit", [2, 3])
        counts = [
            np.concatenate([p.spikes["digit"].count for p in record.phases])
            for record in records[2:4]
        ]
        assert share == pytest.approx((counts[0] + counts[1]) / 2 / 10)
        found = residuals(run)
        assert found["train"].tolist() == [record.residual for record in records[2:4]]
        assert found["test"].tolist() == [records[4].residual]
        assert residuals(run, 0)["train"].tolist() == [r.residual for r in records[:2]]
