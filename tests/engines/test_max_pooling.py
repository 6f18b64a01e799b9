"""Pooling by maximum: in each step the largest sum of a window counts, both ways."""

import numpy as np
import pytest

from evsim.build.build import build
from evsim.engines.fused import engine as fused
from evsim.engines.reference import engine as reference
from evsim.errors import SpecError
from evsim.spec.parse import parse_text
from evsim.testing.engine import assert_same, run_trial, take_gradients

TEXT = """\
name: pooled
dt: 1*ms
precision: float64
seed: 2
neurons:
  cell:
    equations: |
      dv/dt = -v/(10*ms) : 1
      drive : 1
      level : 1
      graded : 1
    run: {start: v += drive*rand()}
    threshold: v > 1
    reset: v = 0
    method: euler
populations:
  image: {shape: [2, 7, 8], neuron: cell, init: {drive: 0.4}}
  features: {shape: [3, 2, 1], neuron: cell, init: {drive: 0.6}}
projections:
  - name: conv
    from: image
    to: features.level
    kind: conv
    kernel: 3
    stride: 2
    padding: 1
    pool: {max: [2, 3]}
    weights: int(99*randn())/1024
    symmetric: true
    learn: contrast
    DELAY
  - {name: values, from: image.level, to: features.graded, kind: conv, kernel: 3, stride: 2,
     padding: 1, pool: {max: [2, 3]}, weights: int(99*randn())/1024, sends: value}
plasticity:
  contrast:
    at_end: {free: "g -= v_pre*level_post", nudged: "g += (v_pre + 1)*level_post"}
    every_step: {nudged: "g += 0.125*level_post"}
    update: {rate: 0.1}
protocol:
  phases:
    free: {steps: 60}
    nudged: {steps: 10, from: free, set: {features.drive: 0.5}}
"""


HELD = {
    "      level : 1": "      dlevel/dt = 0/second : 1 (unless refractory)",
    "    reset: v = 0": "    reset: v = 0\n    refractory: 3*ms",
}
"""Changes after which neurons that just sent a spike receive nothing."""


def plan_of(delay="", changes=()):
    text = TEXT.replace("    DELAY\n", f"    delay: {delay}\n" if delay else "")
    for old in changes:
        text = text.replace(old, changes[old])
    return build(parse_text(text))


@pytest.mark.parametrize(
    ("delay", "changes"), [("", {}), ("2*ms", HELD), ("(1 + 3*rand())*ms", {})]
)
def test_engines_agree(delay, changes):
    plan = plan_of(delay, changes)
    programs = fused.compile(plan, "libm"), reference.compile(plan, "numpy")
    simulations = [program.simulation() for program in programs]
    for _ in range(2):
        seen = [run_trial(simulation, plan, {}, True) for simulation in simulations]
        assert_same(*seen)
    pairs = zip(programs, simulations, strict=True)
    gradients = [take_gradients(program, simulation)["conv"] for program, simulation in pairs]
    assert np.abs(gradients[0]).max() > 0
    np.testing.assert_allclose(*gradients, rtol=1e-12, atol=1e-12)


def convolved(image, kernel):
    """Stride 2, padding 1; (feature, row, column)."""
    padded = np.pad(image, ((0, 0), (1, 1), (1, 1)))
    rows, columns = (padded.shape[1] - 1) // 2, (padded.shape[2] - 1) // 2
    found = np.zeros((len(kernel), rows, columns))
    for y in range(rows):
        for x in range(columns):
            part = padded[:, 2 * y : 2 * y + 3, 2 * x : 2 * x + 3]
            found[:, y, x] = (part * kernel).sum((1, 2, 3))
    return found


def pooled(sums):
    """Largest of each window of 2 x 3 and its place."""
    windows = sums[:, :4, :3].reshape(3, 2, 2, 1, 3).transpose(0, 1, 3, 2, 4).reshape(3, 2, 1, 6)
    return windows.max(-1), windows.argmax(-1)


def test_a_step_passes_the_largest_sums_on_and_back():
    plan = plan_of()
    kernel = plan.parameters["conv"]
    simulation = fused.compile(plan).simulation()
    simulation.begin({})
    simulation.enter("free")
    sent = 0
    for _ in range(60):
        before = {name: simulation.get(name, "level") for name in ("image", "features")}
        simulation.advance(1, record=True)
        spikes = simulation.take_spikes()
        image = np.bincount(spikes["image"].neuron, minlength=112).reshape(2, 7, 8)
        features = np.bincount(spikes["features"].neuron, minlength=6).reshape(3, 2, 1)
        largest, winner = pooled(convolved(image, kernel))
        change = simulation.get("features", "level") - before["features"]
        np.testing.assert_allclose(change, largest.ravel(), atol=1e-12)
        back = np.zeros((2, 9, 10))
        for feature, row, column in np.argwhere(features):
            y, x = divmod(winner[feature, row, column], 3)
            y, x = 2 * (2 * row + y), 2 * (3 * column + x)
            back[:, y : y + 3, x : x + 3] += kernel[feature]
        change = simulation.get("image", "level") - before["image"]
        np.testing.assert_allclose(change, back[:, 1:8, 1:9].ravel(), atol=1e-12)
        sent += features.sum()
    assert sent > 20


@pytest.mark.parametrize(
    ("pool", "message"),
    [
        ("{max: 2, average: 2}", "`average` or by their `max`"),
        ("{}", "`average` or by their `max`"),
        ("{max: [5, 3]}", "does not fit"),
    ],
)
def test_pools_that_make_no_sense_are_refused(pool, message):
    text = TEXT.replace("    DELAY\n", "").replace("{max: [2, 3]}", pool, 1)
    with pytest.raises(SpecError, match=message):
        parse_text(text)


@pytest.mark.parametrize("kind", ["max", "average"])
@pytest.mark.parametrize(
    ("code", "message"),
    [("on_pre: g += 1", "runs code at spikes"), ("equations: 'z : 1'", "has equations")],
)
def test_synapses_that_are_pooled_have_no_code_of_their_own(kind, code, message):
    code = f"    {code}\n    update: {{rate: 0.1}}\n"
    text = TEXT.replace("    DELAY\n", "").replace("    update: {rate: 0.1}\n", code)
    with pytest.raises(SpecError, match=message):
        parse_text(text.replace("{max:", f"{{{kind}:"))
