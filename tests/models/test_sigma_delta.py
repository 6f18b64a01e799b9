"""Sigma-delta networks settle where the real-valued network does, however steps are chosen."""

from dataclasses import replace

import numpy as np
import pytest

from evsim.build.build import build
from evsim.engines.fused import engine as fused
from evsim.engines.reference import engine as reference
from evsim.spec.parse import parse_text

NETWORK = """\
name: settling
dt: 1*ms
seed: 5
precision: float64
neurons: {unit: {model: MODEL}}
populations:
  image: {shape: [40], values: u}
  hidden: {shape: [60], neuron: unit, init: {bias: 0.4 + 0.2*rand()}}
  digit: {shape: [5], neuron: unit, init: {bias: 0.5}}
projections:
  - name: input
    from: image.u
    to: hidden.drive
    kind: dense
    sends: value
    weights: uniform(-1, 1)/sqrt(fan_in)
  - name: output
    from: hidden
    to: digit.received
    kind: dense
    symmetric: true
    weights: uniform(-1, 1)/sqrt(fan_in)
protocol:
  constants: {CONSTANTS}
  phases: {free: {steps: 1000}}
"""


def plan_of(model, constants):
    text = NETWORK.replace("MODEL", model).replace("CONSTANTS", constants)
    return replace(build(parse_text(text)), inputs=(("image", "u"),))


def settled(plan, biases, image):
    """Activations of hidden units at the equilibrium of values."""
    into, out = plan.parameters["input"], plan.parameters["output"]
    hidden, digit = np.zeros(60), np.zeros(5)
    for _ in range(1000):
        hidden, digit = (
            np.clip(hidden + 0.3 * (image @ into + biases[0] + out @ digit - hidden), 0, 1),
            np.clip(digit + 0.3 * (hidden @ out + biases[1] - digit), 0, 1),
        )
    return hidden


def distances(model, constants):
    """Mean distance of hidden units from equilibrium after 100 and after 1,000 steps."""
    plan = plan_of(model, constants)
    simulation, rng = fused.compile(plan).simulation(), np.random.default_rng(0)
    found = []
    for trial in range(5):
        image = rng.random(40)
        simulation.begin({("image", "u"): image}, trial)
        simulation.enter("free")
        biases = simulation.get("hidden", "bias"), simulation.get("digit", "bias")
        expected = settled(plan, biases, image)
        assert 0.3 < ((expected > 0) & (expected < 1)).mean()
        row = []
        for steps in (100, 900):
            simulation.advance(steps)
            row.append(np.abs(simulation.get("hidden", "u") - expected).mean())
        found.append(row)
    return np.mean(found, 0)


SCHEDULES = {
    "power laws, least mean error": ("0.843/k**0.0923", "0.832/k**0.584"),
    "power laws, least mean error of a first search": ("0.9505/k**0.2905", "0.8683/k**0.7853"),
    "power laws, least last error": ("0.8864/k**0.4268", "0.8997/k**0.8798"),
    "25 epochs": ("0.726", "0.614/k**0.797"),
    "three layers, 5 epochs": ("0.987", "1/k**0.818"),
    "three layers, 25 epochs": ("0.86", "1/k**0.876"),
    "evsim's own": ("0.5", "k**-0.75"),
}


@pytest.mark.parametrize("eps, lam", SCHEDULES.values(), ids=SCHEDULES.keys())
def test_annealed_schedules_settle(eps, lam):
    """The error after 1,000 steps is less than a third of that after 100."""
    early, late = distances("sigma_delta", f"eps: {eps}, lam: {lam}")
    assert early < 1e-3
    assert late < early / 3


@pytest.mark.parametrize(
    "eps, lam, floor", [("0.354", "0.503/k**0.292", 2e-4), ("0.592", "0.632", 4e-3)]
)
def test_schedules_that_hardly_fall_stay_at_their_noise(eps, lam, floor):
    _, late = distances("sigma_delta", f"eps: {eps}, lam: {lam}")
    assert floor < late < 3 * floor


@pytest.mark.parametrize(
    "model, lam", [("sigma_delta_kesten", "k**-0.75"), ("sigma_delta_optimal", "0.275")]
)
def test_steps_of_a_neuron_s_own_settle(model, lam):
    early, late = distances(model, f"lam: {lam}")
    assert early < 1e-3
    assert late < early


@pytest.mark.parametrize("model", ["sigma_delta_kesten", "sigma_delta_optimal"])
def test_engines_agree(model):
    plan = plan_of(model, "lam: k**-0.75")
    image = np.random.default_rng(1).integers(0, 257, 40) / 256
    found = []
    for program in (fused.compile(plan, "libm"), reference.compile(plan, "numpy")):
        simulation = program.simulation()
        simulation.begin({("image", "u"): image})
        simulation.enter("free")
        simulation.advance(60, record=True)
        found.append((simulation.take_spikes()["hidden"], simulation.get("hidden", "u")))
    (left, u), (right, v) = found
    np.testing.assert_array_equal(left.count, right.count)
    np.testing.assert_array_equal(left.neuron, right.neuron)
    np.testing.assert_allclose(u, v, rtol=1e-9, atol=1e-12)
