"""Optimisers and schedules against their formulas."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from evsim.build.build import build
from evsim.build.plan import Plan
from evsim.errors import RunError
from evsim.orchestrator.optimiser import Optimiser
from tests.helpers import tiny

SHARED = "populations.digit.share={bias: all}"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write(tmp_path_factory.mktemp("optimiser"))


def plan_of(path: Path, *overrides: str) -> Plan:
    return build(tiny.load(path, *overrides))


def gradients(plan: Plan, number: int) -> list[dict[str, np.ndarray]]:
    random = np.random.default_rng(2)
    return [
        {name: np.asarray(random.normal(size=plan.parameters[name].shape)) for name in plan.rules}
        for _ in range(number)
    ]


def sgd(w: np.ndarray, found: list[np.ndarray], rates: list[float], momentum: float) -> np.ndarray:
    v = np.zeros_like(w)
    for g, rate in zip(found, rates, strict=True):
        v = momentum * v + g
        w = w + rate * v
    return w


def adam(w: np.ndarray, found: list[np.ndarray], rates: list[float]) -> np.ndarray:
    """Algorithm 1 of Kingma & Ba, upwards."""
    m = v = np.zeros_like(w)
    for t, (g, rate) in enumerate(zip(found, rates, strict=True), 1):
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g**2
        w = w + rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return w


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_weights_move_as_the_formulas_say(path: Path, precision: str) -> None:
    """Adam for weights, momentum for biases; one rate for the two updates of an epoch."""
    step = "plasticity.{}.update.schedule={{step: {{every: 1, factor: 0.5}}}}"
    overrides = [step.format(name) for name in ("contrast", "bias_contrast")]
    plan = plan_of(path, *overrides, SHARED, f"precision={precision}")
    optimiser = Optimiser(plan)
    steps = gradients(plan, 6)
    for at, found in enumerate(steps):
        optimiser.update(found, at // 2)
    halves = [0.5 ** (at // 2) for at in range(6)]
    rounding = 1e-6 if precision == "float32" else 1e-13
    assert set(plan.rules) == {"k", "out", "hidden.bias", "digit.bias"}
    for name in plan.rules:
        start = plan.parameters[name].astype(np.float64)
        found = [step[name] for step in steps]
        expected = (
            sgd(start, found, [0.02 * half for half in halves], 0.5)
            if name.endswith("bias")
            else adam(start, found, [0.005 * half for half in halves])
        )
        moved = optimiser.parameters[name]
        assert (moved.shape, moved.dtype) == (start.shape, plan.dtype)
        np.testing.assert_allclose(moved, expected, rtol=0, atol=rounding)


def test_a_long_gradient_is_clipped_and_weights_decay_apart_from_it(path: Path) -> None:
    update = "plasticity.contrast.update={rule: sgd, rate: 0.5, clip: 2, decay: 0.125}"
    plan = plan_of(path, update, "precision=float64")
    optimiser = Optimiser(plan)
    w = plan.parameters["out"]
    for norm, factor in ((5.0, 0.4), (1.5, 1.0)):
        found = gradients(plan, 1)[0]
        found["out"] *= norm / np.linalg.norm(found["out"])
        optimiser.update(found, 0)
        w = w - 0.5 * 0.125 * w + 0.5 * factor * found["out"]
        np.testing.assert_allclose(optimiser.parameters["out"], w, atol=1e-13)


def test_adam_takes_a_single_value(path: Path) -> None:
    override = "plasticity.bias_contrast.update={rule: adam, rate: 0.005}"
    plan = plan_of(path, SHARED, override)
    assert plan.parameters["digit.bias"].shape == ()
    optimiser = Optimiser(plan)
    steps = gradients(plan, 3)
    for found in steps:
        optimiser.update(found, 0)
    start = plan.parameters["digit.bias"].astype(np.float64)
    expected = adam(start, [step["digit.bias"] for step in steps], [0.005] * 3)
    np.testing.assert_allclose(optimiser.parameters["digit.bias"], expected, atol=1e-6)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_parameter_that_is_not_finite_is_named(path: Path, wrong: float) -> None:
    plan = plan_of(path)
    optimiser = Optimiser(plan)
    optimiser.update(gradients(plan, 1)[0], 0)
    found = gradients(plan, 1)[0]
    found["out"][1, 2] = wrong
    with pytest.raises(RunError, match="'out' became nan in update 2, epoch 1"):
        optimiser.update(found, 1)


def rates(path: Path, update: str, epochs: int, *overrides: str) -> Mapping[str, np.ndarray]:
    more = (f"plasticity.contrast.update={update}", f"protocol.epochs={epochs}", *overrides)
    return {name: rule.rates for name, rule in plan_of(path, *more).rules.items()}


def test_a_cosine_runs_from_the_rate_to_its_end(path: Path) -> None:
    update = "{rule: sgd, rate: 0.1, schedule: {cosine: {to: 0.02}}}"
    found = rates(path, update, 8)["out"]
    expected = [0.02 + 0.04 * (1 + np.cos(np.pi * epoch / 8)) for epoch in range(8)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert found[0] == 0.1
    assert found[4] == pytest.approx(0.06)


def test_a_cosine_of_fewer_epochs_stays_at_its_end(path: Path) -> None:
    update = "{rule: sgd, rate: 0.1, schedule: {cosine: {to: 0.02, epochs: 4}}}"
    found = rates(path, update, 7)["out"]
    np.testing.assert_allclose(found[:4], rates(path, update, 4)["out"], rtol=1e-12)
    np.testing.assert_allclose(found[4:], 0.02, rtol=1e-12)


def test_steps_multiply_the_rate(path: Path) -> None:
    update = "{rule: sgd, rate: 0.1, schedule: {step: {every: 3, factor: 0.1}}}"
    expected = [0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.001]
    np.testing.assert_allclose(rates(path, update, 7)["out"], expected, rtol=1e-12)


def test_a_projection_may_have_its_own_rate(path: Path) -> None:
    update = "{rule: sgd, rate: 0.1, schedule: {step: {every: 1, factor: 0.5}}}"
    found = rates(path, update, 2, "projections.out.rate=0.4")
    assert found["out"].tolist() == [0.4, 0.2]
    assert found["k"].tolist() == [0.1, 0.05]


@pytest.mark.parametrize("grid", [2**-6, 0.01])
def test_weights_stay_on_their_grid(path: Path, grid: float) -> None:
    plan = plan_of(path, f"weights.grid={grid}")
    optimiser = Optimiser(plan)
    for name, values in plan.parameters.items():
        np.testing.assert_allclose(values, np.rint(values / grid) * grid, rtol=1e-6, err_msg=name)
    free = Optimiser(plan_of(path))
    free.parameters = {name: values.copy() for name, values in optimiser.parameters.items()}
    found = gradients(plan, 1)[0]
    optimiser.update(found, 0)
    free.update(found, 0)
    for name in plan.rules:
        moved = optimiser.parameters[name]
        nearest = np.rint(free.parameters[name] / grid) * grid
        np.testing.assert_allclose(moved, nearest, rtol=1e-6, err_msg=name)
        assert moved.dtype == np.float32


def test_a_run_on_a_grid_records_weights_on_the_grid(path: Path, tmp_path: Path) -> None:
    folder = tiny.run(path, tmp_path, "weights.grid=2**-6", "protocol.epochs=1").folder
    arrays = tiny.last_checkpoint(folder).arrays
    parameters = [name for name in arrays if name.startswith("parameter:")]
    assert len(parameters) == 4
    for name in parameters:
        assert (arrays[name] * 64 == np.rint(arrays[name] * 64)).all(), name
