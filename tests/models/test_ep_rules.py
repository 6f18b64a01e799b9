"""Rules of equilibrium propagation from spikes alone agree with the contrast of rates."""

from dataclasses import replace

import numpy as np
import pytest

from evsim.build.build import build
from evsim.engines.fused import engine as fused
from evsim.spec.parse import parse_text

NETWORK = """\
name: spikes_alone
dt: 1*ms
seed: 5
neurons: {unit: {model: sigma_delta}}
populations:
  image: {shape: [12], values: u}
  hidden: {shape: [15], neuron: unit, init: {bias: 0.3*rand()}}
  digit: {shape: [5], neuron: unit, init: {bias: 0.2, target: int(i == 2)}}
projections:
  - {name: input, from: image.u, to: hidden.drive, kind: dense, sends: value, weights: "INPUT"}
  - name: output
    from: hidden
    to: digit.received
    kind: dense
    symmetric: true
    weights: uniform(-0.6, 1)/sqrt(fan_in)
    learn: rule
plasticity:
  rule: {RULE, update: {rate: 1}}
protocol:
  constants: {beta: 0.2, eps: 0.5, lam: k**-0.75, weight: 1/(2*beta), gain: 0}
  phases:
    free: {steps: 200}
    plus: {steps: 400, from: free, set: {digit.nudge: +beta, gain: GAIN}, AVERAGE}
    minus: {steps: 400, from: free, set: {digit.nudge: -beta, gain: -GAIN}, AVERAGE}
"""


def gradient(rule, gain):
    text = NETWORK.replace("RULE", rule).replace("GAIN", gain)
    text = text.replace("INPUT", "uniform(-0.75, 1.2)/sqrt(fan_in)")
    text = text.replace("AVERAGE", "average: {variables: [u], last: 10}")
    plan = replace(build(parse_text(text)), inputs=(("image", "u"),))
    program = fused.compile(plan)
    simulation, rng = program.simulation(), np.random.default_rng(0)
    for trial in range(10):
        simulation.begin({("image", "u"): rng.random(12)}, trial)
        for phase in plan.phases.values():
            simulation.enter(phase.name)
            simulation.advance(phase.steps)
            simulation.learn(phase.name)
            simulation.leave()
    return program.gradients(simulation.take_gradients().astype(float))["output"].ravel()


@pytest.fixture(scope="module")
def contrast():
    return gradient("model: contrast", "0*weight")


@pytest.mark.parametrize(
    ("rule", "gain", "cosine"),
    [
        # The last 100 of 600 steps; traces of 20 steps.
        ("model: ep_pair_stdp", "weight*int(k > 500)/(2*20*100)", 0.999),
        ("model: ep_rate_difference", "weight", 0.995),
    ],
)
def test_spikes_alone_give_the_gradient_of_rates(contrast, rule, gain, cosine):
    found = gradient(rule, gain)
    sizes = np.linalg.norm(found), np.linalg.norm(contrast)
    assert found @ contrast / sizes[0] / sizes[1] > cosine
    assert sizes[0] / sizes[1] == pytest.approx(1, abs=0.1)
