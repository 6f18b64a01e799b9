"""What a chip's memory makes of weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evsim import simulate
from evsim.build.build import build
from evsim.build.storage import Storage
from evsim.errors import BuildError, SpecError
from tests.helpers import tiny

WIDE = np.random.default_rng(1).uniform(-2, 2, 4000)


def test_what_is_stored_stays_as_it_is() -> None:
    memory = Storage(1, "w", 0.01)
    first = memory.write(np.linspace(-1, 1, 201), 0).astype(np.float32)
    assert memory.write(first, 1).tobytes() == first.tobytes()


@given(bits=st.integers(2, 12), largest=st.floats(0.01, 10), seed=st.integers(0, 99))
def test_values_lie_on_steps_within_the_range(bits: int, largest: float, seed: int) -> None:
    steps = 2 ** (bits - 1) - 1
    for stochastic in (False, True):
        memory = Storage(seed, "w", largest / steps, largest, stochastic)
        found = memory.write(WIDE, 1) / memory.step
        np.testing.assert_allclose(found, np.rint(found), atol=1e-9)
        assert abs(found).max() <= steps + 1e-9
        inside = abs(WIDE) < largest
        within = 1 if stochastic else 0.5
        assert (abs(found - WIDE / memory.step)[inside] <= within + 1e-9).all()
        np.testing.assert_array_equal(memory.write(memory.write(WIDE, 1), 2), memory.write(WIDE, 1))


def test_rounding_up_and_down_is_right_on_average() -> None:
    memory = Storage(0, "w", step=1.0, stochastic=True)
    values = np.full(10_000, 0.3)
    first, second = memory.write(values, 1), memory.write(values, 2)
    assert set(first) == {0, 1}
    assert first.mean() == pytest.approx(0.3, abs=0.02)
    assert (first != second).any(), "every update draws anew"
    np.testing.assert_array_equal(first, memory.write(values, 1))


def test_noise_and_mismatch_have_their_size() -> None:
    noisy = Storage(0, "w", noise=0.05).write(np.zeros(10_000), 3)
    assert noisy.std() == pytest.approx(0.05, rel=0.05)
    assert abs(noisy.mean()) < 0.003
    unlike = Storage(0, "w", mismatch=0.1)
    factors = unlike.acting(np.full(10_000, 2.0)) / 2
    assert factors.std() == pytest.approx(0.1, rel=0.05)
    np.testing.assert_allclose(unlike.acting(np.full(10_000, -3.0)), -3 * factors)
    other = Storage(0, "v", mismatch=0.1).acting(np.full(10_000, 2.0))
    assert abs(np.corrcoef(other, factors)[0, 1]) < 0.05


def test_a_network_file_says_how_weights_are_kept(tmp_path: Path) -> None:
    text = "weights={bits: 4, range: 3, noise: 0.02, mismatch: 0.1, rounding: stochastic}"
    plan = build(tiny.load(tiny.write(tmp_path), text))
    plain = build(tiny.load(tiny.write(tmp_path)))
    for name in ("k", "out"):
        kept, initial = plan.storage[name], plain.parameters[name]
        assert kept.largest == pytest.approx(3 * abs(initial).max())
        assert kept.step == pytest.approx(kept.largest / 7)
        assert kept.noise == pytest.approx(0.02 * kept.largest)
        far = abs(plan.parameters[name] - initial).max()
        assert 0 < far < kept.step / 2 + 5 * kept.noise
    np.testing.assert_array_equal(plan.parameters["hidden.bias"], plain.parameters["hidden.bias"])
    byte = build(tiny.load(tiny.write(tmp_path), "weights={bits: 8, grid: 2**-6}"))
    assert byte.storage["out"].largest == 127 / 64


def test_a_grid_concerns_biases_too_and_no_weight_leaves_the_range(tmp_path: Path) -> None:
    path = tiny.write(tmp_path)
    plan = build(tiny.load(path, "weights={grid: 2**-4, range: 2.2, rounding: stochastic}"))
    for name in ("k", "out", "hidden.bias"):
        assert plan.storage[name].step == 1 / 16 and plan.storage[name].stochastic
    out = plan.storage["out"]
    assert out.largest <= 2.2 * abs(plan.parameters["out"]).max() + 1 / 16
    assert abs(out.write(np.full(99, 50.0), 1)).max() == out.largest
    with pytest.raises(BuildError, match="less than a step of 100"):
        build(tiny.load(path, "weights={grid: 100, range: 2}"))


@pytest.mark.parametrize("weights", ["{bits: 2}", "{grid: 100}"])
def test_a_step_that_leaves_no_weight_is_refused(tmp_path: Path, weights: str) -> None:
    with pytest.raises(BuildError, match="All weights of 'k' become 0") as caught:
        build(tiny.load(tiny.write(tmp_path), f"weights={weights}"))
    assert "finer `grid`" in caught.value.faults[0].hint


def test_neurons_feel_the_mismatch_and_files_hold_what_is_stored(tmp_path: Path) -> None:
    frozen = [f"plasticity.{name}.update={{rate: 1e-30}}" for name in ("contrast", "bias_contrast")]
    frozen.append("protocol.epochs=1")
    found = []
    for mismatch in (0.0, 0.3):
        folder = tmp_path / str(mismatch)
        result = tiny.run(tiny.write(folder), folder, *frozen, f"weights={{mismatch: {mismatch}}}")
        stored = tiny.learned(result.folder).items()
        kept = {name: values for name, values in stored if name.startswith("parameter:")}
        found.append((result.metrics[0]["loss"], kept))
    assert found[0][0] != found[1][0]
    assert found[0][1] == found[1][1]


def test_a_resumed_run_stores_the_same(tmp_path: Path) -> None:
    text = "weights={bits: 5, noise: 0.01, mismatch: 0.1, rounding: stochastic}"
    whole = tiny.run(tiny.write(tmp_path / "whole"), tmp_path / "whole", text)
    first = tiny.run(tiny.write(tmp_path / "cut"), tmp_path / "cut", text, "protocol.epochs=2")
    simulate.resume(first.folder, until_epochs=3)
    assert tiny.learned(whole.folder) == tiny.learned(first.folder)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("{bits: 4, grid: 0.1, range: 2}", "range follows from"),
        ("{rounding: stochastic}", "Nothing is rounded"),
        ("{bits: 1}", "at least 2"),
        ("{grid: -1}", "greater than 0"),
    ],
)
def test_contradictions_are_refused(tmp_path: Path, weights: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        tiny.load(tiny.write(tmp_path), f"weights={weights}")


def test_weights_of_zero_give_no_range(tmp_path: Path) -> None:
    path = tiny.write(tmp_path)
    zero = ["projections.1.weights=0", "weights={bits: 4}"]
    with pytest.raises(BuildError, match="The weights of 'out' are 0 at the start"):
        build(tiny.load(path, *zero))
    assert build(tiny.load(path, "projections.1.weights=0", "weights={bits: 4, grid: 0.1}"))
