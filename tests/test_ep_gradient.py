"""Equilibrium propagation moves weights down the squared error.

The error is that of the free fixed point u = clip(W u + b, 0, 1); its gradient comes from finite
differences of fixed points that NumPy solves.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

import evsim
from evsim import engines, simulate
from evsim.build.build import build
from evsim.build.plan import Plan
from evsim.engines.base import Program
from evsim.spec.parse import parse_text

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
  - {name: in, from: first.u, to: second.drive, kind: dense, sends: value, learn: of_weight}
  - {name: out, from: second.u, to: digit.drive, kind: dense, sends: value, learn: of_weight}
  - {name: in_back, from: second.u, to: first.back, kind: dense, sends: value}
  - {name: out_back, from: digit.u, to: second.back, kind: dense, sends: value}
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
    init: {bias: 0.3 + 0.1*i}
    learn: {bias: of_bias}
  second:
    shape: [3, 1, 1]
    neuron: unit
    share: {bias: channel}
    init: {bias: 0.3 + 0.1*i}
    learn: {bias: of_bias}
  digit: {shape: [3], neuron: unit, init: {bias: 0.4}, learn: {bias: of_bias}}
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
    weights: uniform(-0.2, 0.2)
    learn: of_weight
  - {name: out, from: second, to: digit.received, kind: dense, symmetric: true, learn: of_weight}
plasticity:
  of_weight: {model: contrast, update: {rate: 1}}
  of_bias: {model: bias_contrast, update: {rate: 1}}
protocol:
  constants: {beta: 0.1, eps: 0.5, lam: k**-0.75}
  phases:
    free: {steps: 6000}
    plus:
      {steps: 4000, from: free, set: {digit.nudge: +beta}, average: {variables: [u], last: 2000}}
    minus:
      {steps: 4000, from: free, set: {digit.nudge: -beta}, average: {variables: [u], last: 2000}}
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


def error(parameters: Mapping[str, np.ndarray], x: np.ndarray, y: np.ndarray, conv: bool) -> float:
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
            np.clip(drive + biases[0] + second @ into.T, 0, 1),
            np.clip(first @ into + biases[1] + digit @ out.T, 0, 1),
            np.clip(second @ out + biases[2], 0, 1),
        )
    return float(0.5 * np.sum((y - digit) ** 2) / len(x))


def differences(parameters: Arrays, learned: list[str], *rest: object) -> Arrays:
    """Central differences of the error, by parameter."""
    found = {}
    for name in learned:
        found[name] = np.zeros(parameters[name].shape)
        for place in np.ndindex(*parameters[name].shape):
            sides = []
            for step in (1e-5, -1e-5):
                moved = parameters[name].copy()
                moved[place] += step
                sides.append(error(parameters | {name: moved}, *rest))  # type: ignore[arg-type]
            found[name][place] = (sides[0] - sides[1]) / 2e-5
    return found


def propagated(plan: Plan, program: Program, x: np.ndarray, y: np.ndarray) -> Arrays:
    """The mean of `g` over the samples, by parameter."""
    simulation = program.simulation()
    for image, target in zip(x, y, strict=True):
        simulation.begin({("image", "u"): image.ravel(), ("digit", "target"): target})
        for name, phase in plan.phases.items():
            simulation.enter(name)
            simulation.advance(phase.steps)
            simulation.learn(name)
            simulation.leave()
    return program.gradients(simulation.take_gradients().astype(np.float64) / len(x))


def alike(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """Cosine between two directions, and the ratio of their lengths."""
    lengths = np.linalg.norm(one), np.linalg.norm(other)
    return float(np.vdot(one, other) / np.prod(lengths)), float(lengths[0] / lengths[1])


def test_a_real_valued_network_follows_the_gradient() -> None:
    """Values are sent both ways; the way back has the transposed weights."""
    plan = build(parse_text(REAL))
    program = engines.load("fused").compile(plan)
    parameters = {name: np.array(values) for name, values in plan.parameters.items()}
    parameters |= {f"{name}_back": parameters[name].T.copy() for name in ("in", "out")}
    program.load(parameters)
    x, y = samples((5, 5))
    found = propagated(plan, program, x, y)
    slope = differences(parameters, list(plan.rules), x, y, False)
    for name in plan.rules:
        cosine, ratio = alike(found[name], -slope[name])
        assert cosine > 0.999, name
        assert ratio == pytest.approx(1, abs=0.01), name


def test_a_spiking_network_follows_the_gradient() -> None:
    """Spikes are sent both ways through convolution, pooling and dense weights."""
    plan = build(parse_text(SPIKING))
    program = engines.load("fused").compile(plan)
    parameters = {name: np.array(values) for name, values in plan.parameters.items()}
    program.load(parameters)
    x, y = samples((10, 10))
    found = propagated(plan, program, x, y)
    slope = differences(parameters, list(plan.rules), x, y, True)
    for name in plan.rules:
        cosine, ratio = alike(found[name], -slope[name])
        print(name, cosine, ratio)
        assert cosine > 0.9, name
        assert ratio == pytest.approx(1, abs=0.3), name
