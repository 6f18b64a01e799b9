"""Every integrator gives Brian2's numbers, and errors that fall as its order says."""

import numpy as np
import pytest

from evsim.build.build import build
from evsim.engines.base import stream_keys
from evsim.engines.fill import fill_normal
from evsim.engines.fused import engine as fused
from evsim.spec.parse import parse_text
from evsim.testing.engine import assert_same, states

# Neuron n's equation runs 2**(n // NEURONS) times as fast, so that its steps are as much longer.
LEVELS, NEURONS, STEPS = 4, 400, 512
END = 4 * STEPS * 1e-3
"""Time since the start, in units of 1/speed."""

GROWTH = "dv/dt = (v - v*v)*speed : 1"
# Brian2's form of Milstein's method lets the drift into its estimate of the noise's slope, so that
# its order is 1 without drift only, and 1/2 otherwise.
METHODS = {
    "euler": GROWTH,
    "exponential_euler": "dv/dt = -v*w*speed : 1\ndw/dt = -w*speed : 1",
    "rk2": GROWTH,
    "rk4": GROWTH,
    "exact": "dv/dt = (0.5 - v)*speed : 1",
    "heun": "dv/dt = -v/2*speed + v/2*sqrt(speed)*xi : 1",
    "milstein": "dv/dt = v/2*sqrt(speed)*xi : 1",
}
SOLUTIONS = {
    "euler": 1 / (1 + 7 * np.exp(-END)),
    "exponential_euler": np.exp(np.exp(-END) - 1) / 8,
    "rk2": 1 / (1 + 7 * np.exp(-END)),
    "rk4": 1 / (1 + 7 * np.exp(-END)),
}
ORDERS = {"euler": 1, "exponential_euler": 1, "rk2": 2, "rk4": 4}


@pytest.fixture(scope="module")
def plan():
    lines = ["name: integrators", "dt: 1*ms", "precision: float64", "neurons:"]
    for method, equation in METHODS.items():
        text = equation.replace("\n", "\\n") + "\\nspeed : Hz (constant)"
        lines.append(f'  {method}: {{equations: "{text}", method: {method}}}')
    lines.append("populations:")
    for method, equation in METHODS.items():
        init = f"v: 0.125, speed: 2**int(i/{NEURONS})*4*Hz" + ", w: 1" * ("dw" in equation)
        shape = [LEVELS * NEURONS]
        lines.append(f"  {method}_s: {{shape: {shape}, neuron: {method}, init: {{{init}}}}}")
    lines.append(f"protocol: {{phases: {{run: {{steps: {STEPS}}}}}}}")
    return build(parse_text("\n".join(lines)))


def start(program):
    simulation = program.simulation()
    simulation.begin({})
    simulation.enter("run")
    return simulation


@pytest.fixture(scope="module")
def program(plan):
    return fused.compile(plan, "libm")


@pytest.fixture(scope="module")
def ends(program):
    """Each population's v when the neurons of each level have come equally far: (level, neuron)."""
    simulation, done = start(program), 0
    found = {method: np.empty((LEVELS, NEURONS)) for method in METHODS}
    for level in reversed(range(LEVELS)):
        simulation.advance((STEPS >> level) - done)
        done = STEPS >> level
        for method, values in found.items():
            values[level] = simulation.get(f"{method}_s", "v").reshape(LEVELS, NEURONS)[level]
    return found


def order(errors):
    """The power of the step length that the errors of the levels follow."""
    return np.polyfit(np.arange(LEVELS), np.log2(errors), 1)[0]


def test_every_method_gives_the_numbers_of_strict_code(plan, program, compile_strict):
    left, right = start(program), start(compile_strict(plan))
    for simulation in (left, right):
        simulation.advance(100)
    assert_same(states(left, plan), states(right, plan))


@pytest.mark.parametrize("method", ORDERS)
def test_the_error_of_a_smooth_equation_falls_with_the_order_of_the_method(ends, method):
    errors = np.abs(ends[method][:, 0] - SOLUTIONS[method])
    assert order(errors) == pytest.approx(ORDERS[method], abs=0.15)


def test_the_exact_method_is_exact_whatever_the_step(ends):
    np.testing.assert_allclose(ends["exact"], 0.5 - 0.375 * np.exp(-END), rtol=1e-12)


@pytest.mark.parametrize(("method", "decay"), [("heun", END / 2), ("milstein", 0)])
def test_paths_of_a_stochastic_equation_converge_with_order_one(plan, ends, method, decay):
    """Stratonovich's solution is v0*exp(-decay + W/2), W being the sum of the noise."""
    key = np.uint64(stream_keys(plan)[f"{method}_s_stateupdater", "_normal_0"])
    draws = np.empty((STEPS, LEVELS * NEURONS))
    for step, row in enumerate(draws):
        fill_normal(row, 0, len(row), key, np.uint64(0), step)
    errors = np.empty(LEVELS)
    for level, values in enumerate(ends[method]):
        steps = STEPS >> level
        noise = draws[:steps].reshape(steps, LEVELS, NEURONS)[:, level]
        path = noise.sum(0) * np.sqrt(END / steps)
        errors[level] = np.abs(values - 0.125 * np.exp(path / 2 - decay)).mean()
    assert order(errors) == pytest.approx(1, abs=0.25)
