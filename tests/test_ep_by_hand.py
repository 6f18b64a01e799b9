"""What a few units learn, and what pooled spikes add, worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import evsim
from evsim import simulate
from evsim.spec.parse import parse_text

THREE = """\
name: three
dt: 1*ms
precision: float64
data: {name: npz, path: data.npz, fields: {image.u: x, output.target: y}}
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
      end: u = u + 0.5*(drive + back + bias - u + nudge*(target - u))
populations:
  image: {shape: [1, 2, 2], values: u}
  hidden: {shape: [1, 1, 1], neuron: unit, share: {bias: all}, learn: {bias: of_bias}}
  output: {shape: [1], neuron: unit}
projections:
  - name: kernel
    from: image.u
    to: hidden.drive
    kind: conv
    kernel: 1
    pool: {average: 2}
    sends: value
    weights: 0.8
    learn: of_weight
  - name: out
    from: hidden.u
    to: output.drive
    kind: dense
    sends: value
    weights: 0.5
    learn: of_weight
  - {name: back, from: output.u, to: hidden.back, kind: dense, sends: value, weights: 0.5}
plasticity:
  of_weight: {model: contrast, update: {rate: 0.1}}
  of_bias: {model: bias_contrast, update: {rate: 0.1}}
protocol:
  batch: 3
  order: sequential
  constants: {beta: 0.25}
  phases:
    free: {steps: 200}
    plus: {steps: 200, from: free, set: {output.nudge: +beta}}
    minus: {steps: 200, from: free, set: {output.nudge: -beta}}
record: {weights: {}}
"""


def moved_by_hand(x: np.ndarray, y: np.ndarray, beta: float) -> tuple[float, float, float]:
    """How image, hidden and output unit h = 0.8 m + 0.5 o, o = 0.5 h + n (y - o) learn.

    m is the mean of the image's pixels. Its kernel sees a quarter of what each pixel would add
    without pooling: with h that is what its weight is correlated with.
    """
    g = np.zeros(3)
    for sign in (1, -1):
        n = sign * beta
        m = x.mean((1, 2))
        # o (1 + n) = 0.5 h + n y with h = 0.8 m + 0.5 o
        o = (0.4 * m + n * y) / (0.75 + n)
        h = 0.8 * m + 0.5 * o
        for image, a, b in zip(x, h, o, strict=True):
            quarter = sum(image.ravel()) / 4
            g += sign * np.array([quarter * a, a * b, a]) / (2 * beta)
    kernel, out, bias = 0.1 * g / len(x)
    return kernel, out, bias


@pytest.mark.parametrize("engine", ["fused", "reference"])
def test_three_units_learn_as_by_hand(tmp_path: Path, engine: str) -> None:
    """Sign and scale: 1/(2 beta), mean over the batch, a quarter from pooling."""
    x = np.random.default_rng(8).random((3, 2, 2))
    y = np.array([[1.0], [0.9], [0.2]])
    np.savez(tmp_path / "data.npz", train_x=x, train_y=y)
    (tmp_path / "three.yaml").write_text(THREE)
    network = evsim.load(tmp_path / "three.yaml")
    folder = simulate.run(network, engine=engine, out=tmp_path / "runs").folder
    kernel, out, bias = moved_by_hand(x, y[:, 0], 0.25)
    with evsim.open(folder) as run:
        assert run.weights("kernel").item() - 0.8 == pytest.approx(kernel, rel=1e-9)
        assert run.weights("out").item() - 0.5 == pytest.approx(out, rel=1e-9)
        assert run.weights("hidden.bias").item() == pytest.approx(bias, rel=1e-9)
    # Each target lies above the free output, 0.4 m/0.75: what raises it grows.
    assert (y[:, 0] > 0.4 * x.mean((1, 2)) / 0.75).sum() >= 2
    assert min(kernel, out, bias) > 0


BEAT = """\
name: beat
dt: 1*ms
neurons:
  cell:                       # spikes in every step
    equations: |
      received : 1
      total : 1
    threshold: total < 1e6
    run:
      end: |
        total += received
        received = 0
populations:
  source: {shape: [1, 2, 2], neuron: cell}
  target: {shape: [1, 1, 1], neuron: cell}
projections:
  - name: pooled
    from: source
    to: target.received
    kind: conv
    kernel: 1
    pool: {average: 2}
    symmetric: true
    weights: 0.5
protocol: {phases: {one: {steps: 8}}}
record:
  states:
    - {population: source, variables: [total], when: end}
    - {population: target, variables: [total], when: end}
"""


@pytest.mark.parametrize("engine", ["fused", "reference"])
def test_pooling_divides_both_ways(tmp_path: Path, engine: str) -> None:
    """A spike of each of four pixels adds a quarter of the weight; one that comes back does too."""
    network = parse_text(BEAT)
    folder = simulate.run(network, engine=engine, out=tmp_path).folder
    with evsim.open(folder) as run:
        steps = np.arange(1, 9)[:, None]
        assert (run.states("target", "total", 0)[1] == 4 * 0.125 * steps).all()
        assert (run.states("source", "total", 0)[1] == 0.125 * steps * np.ones(4)).all()
