"""What is looked at in a trial and when: on a ramp, whose every value is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import evsim
from evsim import simulate
from evsim.simulate import Result
from tests.helpers import tiny
from tests.helpers.tiny import Listener

RAMP = """\
name: ramp
dt: 1*ms
precision: float64
neurons:
  cell:                                  # neuron i spikes in every step that i + 2 divides
    equations: |
      x : 1
      slope : 1 (constant)
      offset : 1 (shared)
      phase : 1
    run:
      before_thresholds: phase += 1
      end: x += slope + offset
    threshold: phase >= i + 2
    reset: phase = 0
populations:
  cells: {shape: [2, 2], neuron: cell, init: {slope: i + 1, x: 100*i}}
  quiet: {shape: [1], neuron: cell, init: {slope: 0.001}}
protocol:
  trials: 4
  phases:
    first: {steps: 10}
    second: {steps: 5, from: first, set: {cells.offset: 10}}
    third: {steps: 7, from: first}
  settle: {variables: [x], after: first, window: 3}
record:
  spikes: {populations: all}
  states:
    - {population: cells, variables: [x]}
    - {population: cells, variables: [x], when: end, every: 4}
    - {population: cells, variables: [x, offset], neurons: [3, 1], phases: [second], trials: [2]}
    - {population: quiet, variables: [x], every: 3, neurons: 1, trials: 1}
"""


def run(folder: Path, *overrides: str) -> tuple[Result, Listener]:
    path = folder / "ramp.yaml"
    path.write_text(RAMP)
    news = Listener()
    network = simulate.load(path, overrides)
    return simulate.run(network, out=folder / "recordings", reporter=news), news


@pytest.fixture(scope="module")
def ramp(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Listener]:
    return run(tmp_path_factory.mktemp("ramp"))


SLOPE, START = np.arange(1, 5), 100 * np.arange(4)


def test_states_at_the_start_of_steps(ramp: tuple[Result, Listener]) -> None:
    with evsim.open(ramp[0].folder) as recording:
        step, x = recording.states("cells", "x", 1, "first")
        assert step.tolist() == list(range(10))
        np.testing.assert_array_equal(x, START + SLOPE * step[:, None])
        step, x = recording.states("cells", "x", 1, "second")
        assert step.tolist() == list(range(5))
        np.testing.assert_array_equal(x, START + SLOPE * 10 + (SLOPE + 10) * step[:, None])


def test_states_at_the_end_of_steps(ramp: tuple[Result, Listener]) -> None:
    with evsim.open(ramp[0].folder) as recording:
        step, x = recording.states("cells", "x", 0, "first", entry=1)
        assert step.tolist() == [0, 4, 8]
        np.testing.assert_array_equal(x, START + SLOPE * (step + 1)[:, None])


def test_phases_continue_from_where_they_say(ramp: tuple[Result, Listener]) -> None:
    """The third starts like the second, though the second ran in between."""
    with evsim.open(ramp[0].folder) as recording:
        second = recording.states("cells", "x", 3, "second")[1]
        third = recording.states("cells", "x", 3, "third")[1]
        np.testing.assert_array_equal(second[0], third[0])
        np.testing.assert_array_equal(third[1] - third[0], SLOPE)


def test_only_chosen_neurons_phases_and_trials_are_kept(ramp: tuple[Result, Listener]) -> None:
    with evsim.open(ramp[0].folder) as recording:
        _, x = recording.states("cells", "x", 2, entry=2)
        assert x.shape == (5, 2)
        np.testing.assert_array_equal(x[0], (START + SLOPE * 10)[[3, 1]])
        _, offset = recording.states("cells", "offset", 2, entry=2)
        np.testing.assert_array_equal(offset, np.full((5, 1), 10.0))
        for trial, entry in ((1, 2), (3, 2), (1, 3)):
            with pytest.raises(evsim.EvsimError, match="Nothing of trial"):
                name = "cells" if entry == 2 else "quiet"
                recording.states(name, "x", trial, entry=entry)
        step, x = recording.states("quiet", "x", 0)
        assert step.tolist() == [0, 3, 6, 9, 10, 13, 15, 18, 21]
        assert x.shape == (9, 1)


def test_spikes_are_those_of_each_phase(ramp: tuple[Result, Listener]) -> None:
    with evsim.open(ramp[0].folder) as recording:
        for trial in range(4):
            raster = recording.spikes("cells", trial).raster().toarray()
            assert raster.shape == (22, 4)
            step = np.concatenate([np.arange(15), np.arange(10, 17)])
            expected = (step[:, None] + 1) % np.arange(2, 6) == 0
            assert (raster == expected).all()
        assert recording.phases(0) == {"first": (0, 10), "second": (10, 15), "third": (15, 22)}


def test_the_residual_is_the_largest_change_in_the_window(ramp: tuple[Result, Listener]) -> None:
    result, news = ramp
    with evsim.open(result.folder) as recording:
        np.testing.assert_allclose(recording.trials["residual"], 3 * SLOPE.max(), rtol=1e-12)
    assert result.metrics[0]["residual"] == pytest.approx(12)
    assert result.metrics[0]["unsettled"] == 1
    warning = "100% of the train trials of epoch 0 had not settled at the end of phase 'first'"
    assert [text.startswith(warning) for text in news.warnings] == [True]


def test_what_no_trial_measures_is_no_number(tmp_path: Path) -> None:
    """Tests end before the phase whose end tells how trials settle."""
    path = tiny.write(tmp_path)
    overrides = ["protocol.settle.after=plus", "protocol.epochs=1"]
    train, *tests = evsim.run(evsim.load(path, overrides), out=tmp_path).metrics
    assert train["residual"] > 0 and "unsettled" in train
    assert [(row["split"], row.keys() & {"residual", "unsettled"}) for row in tests] == [
        ("validation", set()),
        ("test", set()),
    ]


@pytest.mark.parametrize(
    ("settle", "residual"), [("window: 3, tolerance: 12", 12), ("window: 10, tolerance: 40", 40)]
)
def test_settled_trials_give_no_warning(tmp_path: Path, settle: str, residual: float) -> None:
    settle = f"protocol.settle={{variables: [x], after: first, {settle}}}"
    result, news = run(tmp_path, settle)
    assert result.metrics[0]["residual"] == pytest.approx(residual)
    assert result.metrics[0]["unsettled"] == 0
    assert news.warnings == []


def test_where_nothing_is_labelled_there_is_no_error(ramp: tuple[Result, Listener]) -> None:
    row = ramp[0].metrics[0]
    assert "error" not in row
    assert row["spikes"] == 4 * (int(np.sum(15 // np.arange(2, 6) + _third(4))) + 7 + 3)
    with evsim.open(ramp[0].folder) as recording:
        assert set(recording.trials["predicted"]) == {-1}


def _third(neurons: int) -> np.ndarray:
    """Spikes of each neuron in steps 10 to 16."""
    return 17 // np.arange(2, neurons + 2) - 10 // np.arange(2, neurons + 2)


def test_spikes_of_every_second_epoch(tmp_path: Path) -> None:
    result, _ = run(tmp_path, "protocol.epochs=3", "record.spikes.every={epoch: 2}")
    with evsim.open(result.folder) as recording:
        assert set(recording.trials["epoch"][recording.recorded]) == {0, 2}
        assert len(recording.recorded) == 8
