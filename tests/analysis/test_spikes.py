"""Statistics of spikes against trains whose statistics are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evsim.analysis.convergence import activity, residuals, typical_trials
from evsim.analysis.spikes import (
    binned,
    correlation,
    fano_factor,
    intervals,
    local_variation,
    rates,
    smoothed_rate,
    variation,
)
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


def test_slowly_changing_rates_vary_globally_but_not_locally() -> None:
    """Intervals of 2 to 40 steps, each close to its neighbours."""
    clock = np.cumsum(np.repeat(np.arange(2, 40), 20))
    step, neuron = trains({0: clock.tolist(), 1: list(range(0, 1000, 5))})
    assert variation(step, neuron, 2)[0] > 0.5
    assert local_variation(step, neuron, 2) == pytest.approx([0.0, 0.0], abs=0.02)


def test_poisson_counts_are_as_wide_as_theory_says() -> None:
    random = np.random.default_rng(2)
    raster = random.random((40_000, 30)) < 0.03
    step, neuron = np.nonzero(raster)
    counts = binned(step, neuron, 30, 40_000, 50)
    assert counts.shape == (800, 30) and counts.sum() == raster.sum()
    # Bernoulli steps: the variance is the mean times 1 - p.
    assert fano_factor(counts).mean() == pytest.approx(0.97, abs=0.03)
    assert np.nanmean(local_variation(step, neuron, 30)) == pytest.approx(0.98, abs=0.03)
    assert abs(correlation(counts)) < 0.01


def test_spikes_behind_the_last_whole_window_are_left_out() -> None:
    step, neuron = trains({0: [0, 3, 9, 10], 2: [4, 5]})
    assert binned(step, neuron, 3, 11, 5).tolist() == [[2, 0, 1], [1, 0, 1]]


@given(st.integers(2, 8), st.integers(0, 2**31))
def test_correlation_is_the_mean_over_pairs(size: int, seed: int) -> None:
    counts = np.random.default_rng(seed).poisson(2, (50, size))
    counts[:, 0] = counts[:, 1] + counts[:, 0] % 2
    expected = np.corrcoef(counts.T)[np.triu_indices(size, 1)].mean()
    assert correlation(counts) == pytest.approx(expected, abs=1e-9)


def test_neurons_that_do_not_vary_have_no_correlation() -> None:
    assert np.isnan(correlation(np.array([[1, 0], [2, 0]])))


def test_smoothing_keeps_all_spikes_and_their_time() -> None:
    step = np.array([50, 50, 50, 50])
    rate = smoothed_rate(step, 2, 101, 1e-3, 5e-3)
    assert rate.sum() * 1e-3 == pytest.approx(2)
    assert rate.argmax() == 50 and rate[40] == pytest.approx(rate[60])


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
