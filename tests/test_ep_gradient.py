"""Equilibrium propagation moves weights down the squared error.

The error is that of the free fixed point u = clip(W u + b, 0, 1); its gradient comes from finite
differences of fixed points that NumPy solves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from evsim import engines
from evsim.analysis.gradients import Agreement
from evsim.build.build import build
from evsim.engines.base import Program
from evsim.spec.parse import parse_text
from evsim.testing.ep_task import propagated

REAL = """\
name: real
dt: 1*ms
seed: 11
precision: float64
data: {name: npz, path: data.npz, fields: {image.u: x, digit.target: y}}
neurons:
  unit:
    equations: |
      u : 1
      drive : 1
      back : 1
      bias : 1 (constant)
      target : 1 (constant)
      nudge : 1 (shared)
    run:
      end: u = clip(u + 0.5*(drive + back + bias - u + nudge*(target - u)), 0, 1)
populations:
  image: {shape: [1, 5, 5], values: u}
  first:
    shape: [2, 2, 2]
    neuron: unit
    share: {bias: channel}
    init: {bias: 0.3 + 0.1*i}
    learn: {bias: of_bias}
  second:
    {shape: [4], neuron: unit, init: {bias: 0.2 + 0.1*i}, learn: {bias: of_bias}}
  digit: {shape: [3], neuron: unit, init: {bias: 0.4}, learn: {bias: of_bias}}
projections:
  - name: k
    from: image.u
    to: first.drive
    kind: conv
    kernel: 2
    pool: {average: 2}
    sends: value
    weights: uniform(-0.3, 0.3)
    learn: of_weight
  - name: in
    from: first.u
    to: second.drive
    kind: dense
    sends: value
    symmetric: true
    feedback: back
    learn: of_weight
  - name: out
    from: second.u
    to: digit.drive
    kind: dense
    sends: value
    symmetric: true
    feedback: back
    learn: of_weight
plasticity:
  of_weight: {model: contrast, update: {rate: 1}}
  of_bias: {model: bias_contrast, update: {rate: 1}}
protocol:
  constants: {beta: 0.01}
  phases:
    free: {steps: 300}
    plus: {steps: 300, from: free, set: {digit.nudge: +beta}}
    minus: {steps: 300, from: free, set: {digit.nudge: -beta}}
"""

SPIKING = """\
name: spiking
dt: 1*ms
seed: 12
precision: float64
data: {name: npz, path: data.npz, fields: {image.u: x, digit.target: y}}
neurons:
  unit: {model: sigma_delta}
populations:
  image: {shape: [1, 10, 10], values: u}
  first:
    shape: [2, 4, 4]
    neuron: unit
    share: {bias: channel}
    learn: {bias: of_bias}
  second:
    shape: [3, 1, 1]
    neuron: unit
    share: {bias: channel}
    learn: {bias: of_bias}
  digit: {shape: [3], neuron: unit, learn: {bias: of_bias}}
projections:
  - name: k
    from: image.u
    to: first.drive
    kind: conv
    kernel: 3
    pool: {average: 2}
    sends: value
    weights: uniform(-0.15, 0.15)
    learn: of_weight
  - name: in
    from: first
    to: second.received
    kind: conv
    kernel: 3
    pool: {average: 2}
    symmetric: true
    weights: uniform(-0.3, 0.3)
    learn: of_weight
  - name: out
    from: second
    to: digit.received
    kind: dense
    symmetric: true
    weights: uniform(-0.6, 0.6)
    learn: of_weight
plasticity:
  of_weight: {model: contrast, update: {rate: 1}}
  of_bias: {model: bias_contrast, update: {rate: 1}}
protocol:
  constants: {beta: 0.05, eps: 0.5, lam: k**-0.75}
  phases:
    free: {steps: 20000}
    plus:
      {steps: 10000, from: free, set: {digit.nudge: +beta}, average: {variables: [u], last: 5000}}
    minus:
      {steps: 10000, from: free, set: {digit.nudge: -beta}, average: {variables: [u], last: 5000}}
"""

Arrays = dict[str, np.ndarray]


def samples(pixels: tuple[int, ...], number: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Images (sample, row, column) and targets (sample, 3)."""
    random = np.random.default_rng(3)
    return random.random((number, *pixels)), np.eye(3)[np.arange(number) % 3]


def conv_matrix(kernel: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Convolution with 2 x 2 average pooling as a matrix, (source, target)."""
    outputs, _, side, _ = kernel.shape
    channels, rows, columns = shape
    wide = [(size - side + 1) // 2 for size in (rows, columns)]
    matrix = np.zeros((*shape, outputs, *wide))
    for r, c in np.ndindex(*wide):
        for i, j in np.ndindex(2, 2):
            top, left = 2 * r + i, 2 * c + j
            at = matrix[:, top : top + side, left : left + side, :, r, c]
            at += 0.25 * kernel.transpose(1, 2, 3, 0)
    return matrix.reshape(channels * rows * columns, -1)


def error(
    parameters: Mapping[str, np.ndarray], x: np.ndarray, y: np.ndarray, conv: bool, weak: float = 1
) -> float:
    """Mean over samples of half the squared distance of the fixed point from the target."""
    image = (1, *x.shape[1:])
    drive = x.reshape(len(x), -1) @ conv_matrix(parameters["k"], image)
    into = parameters["in"]
    if conv:
        side = int((drive.shape[1] // 2) ** 0.5)
        into = conv_matrix(into, (2, side, side))
    out = parameters["out"]
    biases = [parameters[f"{name}.bias"] for name in ("first", "second", "digit")]
    biases[0] = np.repeat(biases[0], drive.shape[1] // 2)
    first, second, digit = (np.zeros((len(x), bias.size)) for bias in biases)
    for _ in range(100):
        first, second, digit = (
            np.clip(drive + biases[0] + weak * second @ into.T, 0, 1),
            np.clip(first @ into + biases[1] + weak * digit @ out.T, 0, 1),
            np.clip(second @ out + biases[2], 0, 1),
        )
    return float(0.5 * np.sum((y - digit) ** 2) / len(x))


def differences(
    parameters: Arrays, learned: list[str], *rest: object, of: Callable[..., float] = error
) -> Arrays:
    """Central differences of the error, by parameter."""
    found = {}
    for name in learned:
        found[name] = np.zeros(parameters[name].shape)
        for place in np.ndindex(*parameters[name].shape):
            sides = []
            for step in (1e-5, -1e-5):
                moved = parameters[name].copy()
                moved[place] += step
                sides.append(of(parameters | {name: moved}, *rest))
            found[name][place] = (sides[0] - sides[1]) / 2e-5
    return found


def learned(program: Program, x: np.ndarray, y: np.ndarray) -> Arrays:
    """The mean of `g` over the samples, by parameter."""
    trials = [
        {("image", "u"): image.ravel(), ("digit", "target"): target}
        for image, target in zip(x, y, strict=True)
    ]
    return propagated(program, trials, program.plan.phases)


def compiled(text: str) -> tuple[Program, Arrays]:
    """A network's program and its parameters."""
    plan = build(parse_text(text))
    program = engines.load("fused").compile(plan)
    return program, {name: np.array(values) for name, values in plan.parameters.items()}


def assert_follows(
    found: Arrays,
    slope: Arrays,
    cosine: float,
    ratio: float,
    expected: Mapping[str, float] | None = None,
) -> None:
    """What is learned points down the slope; its length is `expected` (1) times the slope's."""
    for name in slope:
        agreement = Agreement.of(found[name], -slope[name])
        assert agreement.cosine > cosine, name
        wanted = expected[name] if expected else 1
        assert agreement.ratio == pytest.approx(wanted, rel=ratio), name


ONE_SIDED = (
    REAL[: REAL.index("  phases:")]
    .replace("model: contrast,", "model: contrast_one_sided,")
    .replace("model: bias_contrast,", "model: bias_contrast_one_sided,")
    .replace("beta: 0.01", "beta: BETA")
    + """\
  phases:
    free: {steps: 300}
    nudged: {steps: 300, from: free, set: {digit.nudge: beta}}
"""
)


@pytest.mark.parametrize(
    "text",
    [
        REAL,
        ONE_SIDED.replace("BETA", "0.0005"),
        ONE_SIDED.replace("BETA", "0.0005*sign(rand() - 0.5)"),
    ],
    ids=["three phases", "one-sided", "random sign"],
)
def test_a_real_valued_network_follows_the_gradient(text: str) -> None:
    """Values are sent both ways."""
    program, parameters = compiled(text)
    x, y = samples((5, 5))
    found = learned(program, x, y)
    slope = differences(parameters, list(program.plan.rules), x, y, False)
    assert_follows(found, slope, cosine=0.999, ratio=0.01)


def test_weak_feedback_divides_each_layers_gradient_by_one_number() -> None:
    """The energy in which layer l counts weak**l has the same fixed point."""
    weak = 0.5
    program, parameters = compiled(REAL.replace("drive + back", f"drive + {weak}*back"))
    x, y = samples((5, 5))
    found = learned(program, x, y)
    slope = differences(parameters, list(program.plan.rules), x, y, False, weak)
    below = {"k": 2, "first.bias": 2, "in": 1, "second.bias": 1, "out": 0, "digit.bias": 0}
    expected = {name: weak**layer for name, layer in below.items()}
    assert_follows(found, slope, 0.999, 0.01, expected)


CROSS = (
    REAL.replace("beta: 0.01", "beta: 0.001")
    .replace(
        "  digit: {shape: [3], neuron: unit, init: {bias: 0.4},",
        "  digit: {shape: [3], neuron: shares, init: {bias: 0.2*i},",
    )
    .replace("neurons:\n", "neurons:\n  shares: {model: softmax}\n")
    .replace(
        "plasticity:",
        "  - {name: sum, from: digit.score, to: digit.total, kind: dense, "
        "sends: value, weights: 1}\n"
        "plasticity:",
    )
)


def cross_entropy(parameters: Mapping[str, np.ndarray], x: np.ndarray, y: np.ndarray) -> float:
    """Mean over samples, where the output does not act on the layers before it."""
    drive = x.reshape(len(x), -1) @ conv_matrix(parameters["k"], (1, 5, 5))
    drive = drive + np.repeat(parameters["first.bias"], 4)
    first, second = np.zeros((len(x), 8)), np.zeros((len(x), 4))
    for _ in range(100):
        first, second = (
            np.clip(drive + second @ parameters["in"].T, 0, 1),
            np.clip(first @ parameters["in"] + parameters["second.bias"], 0, 1),
        )
    scores = np.exp(second @ parameters["out"] + parameters["digit.bias"])
    return float(-np.log((y * scores).sum(1) / scores.sum(1)).mean())


def test_shares_of_one_follow_the_gradient_of_cross_entropy() -> None:
    program, parameters = compiled(CROSS)
    x, y = samples((5, 5))
    found = learned(program, x, y)
    slope = differences(parameters, list(program.plan.rules), x, y, of=cross_entropy)
    assert_follows(found, slope, cosine=0.999, ratio=0.01)


def centre(parameters: Arrays, x: np.ndarray) -> None:
    """Set biases so that activations are near 0.5: where a unit is at its limit nothing learns."""
    drive = x.reshape(len(x), -1) @ conv_matrix(parameters["k"], (1, *x.shape[1:]))
    into, out = conv_matrix(parameters["in"], (2, 4, 4)), parameters["out"]
    first = 0.5 - drive.mean(0) - 0.5 * into.sum(1)
    parameters["first.bias"] = first.reshape(2, -1).mean(1)
    parameters["second.bias"] = 0.5 - 0.5 * into.sum(0) - 0.5 * out.sum(1)
    parameters["digit.bias"] = 0.5 - 0.5 * out.sum(0)


def test_a_spiking_network_follows_the_gradient() -> None:
    """Spikes are sent both ways through convolution, pooling and dense weights."""
    program, parameters = compiled(SPIKING)
    x, y = samples((10, 10))
    centre(parameters, x)
    program.load(parameters)
    found = learned(program, x, y)
    slope = differences(parameters, list(program.plan.rules), x, y, True)
    assert_follows(found, slope, cosine=0.99, ratio=0.1)


RATES = (
    SPIKING.replace("name: spiking", "name: rates")
    .replace(
        "  unit: {model: sigma_delta}\n",
        """\
  unit:                   # integrate-and-fire: its rate is its input, between 0 and 1
    equations: |
      v : 1
      u : 1               # 1 in a step in which it spikes, so the mean of u is its rate
      rate : 1
      received : 1
      drive : 1
      bias : 1 (constant)
      target : 1 (constant)
      nudge : 1 (shared)
    threshold: v > 0.5
    reset: |
      v -= 1
      u = 1
    run:
      start: |
        u = 0
        v = clip(v + drive + bias + received + nudge*(target - rate), -3, 3)
        received = 0
      end: rate += 0.02*(u - rate)
""",
    )
    .replace("constants: {beta: 0.05, eps: 0.5, lam: k**-0.75}", "constants: {beta: 0.02}")
    .replace("steps: 10000", "steps: 20000")
    .replace("last: 5000", "last: 15000")
)


def test_integrate_and_fire_rates_follow_the_gradient() -> None:
    """Spikes as they come, without an encoder; learning sees rates over a phase."""
    program, parameters = compiled(RATES)
    x, y = samples((10, 10))
    centre(parameters, x)
    program.load(parameters)
    found = learned(program, x, y)
    slope = differences(parameters, list(program.plan.rules), x, y, True)
    assert_follows(found, slope, cosine=0.999, ratio=0.05)
