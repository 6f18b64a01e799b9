"""A small spiking network with pooling between layers of spikes, and data to learn it from."""

from pathlib import Path

import numpy as np

NETWORK = """\
name: pooled
dt: 1*ms
seed: 12
precision: float64
data: {name: npz, path: data.npz, fields: {image.u: x, digit.target: one_hot(kind)}}
neurons:
  unit: {model: sigma_delta}
populations:
  image: {shape: [1, 10, 10], values: u}
  first:
    shape: [2, 8, 8]
    neuron: unit
    share: {bias: channel}
    init: {bias: 0.4}
    learn: {bias: of_bias}
  second:
    shape: [3, 3, 3]
    neuron: unit
    share: {bias: channel}
    init: {bias: 0.4}
    learn: {bias: of_bias}
  digit: {shape: [3], neuron: unit, init: {bias: 0.4}, learn: {bias: of_bias}}
projections:
  - name: k
    from: image.u
    to: first.drive
    kind: conv
    kernel: 3
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
  - name: out
    from: second
    to: digit.received
    kind: dense
    symmetric: true
    weights: uniform(-0.2, 0.2)
    learn: of_weight
plasticity:
  of_weight: {model: contrast, update: {rate: 1}}
  of_bias: {model: bias_contrast, update: {rate: 1}}
protocol:
  constants: {beta: 0.1, eps: 0.5, lam: k**-0.75}
  phases:
    free: {steps: 100}
    plus: {steps: 50, from: free, set: {digit.nudge: +beta}, average: {variables: [u], last: 25}}
    minus: {steps: 50, from: free, set: {digit.nudge: -beta}, average: {variables: [u], last: 25}}
readout: {predict: argmax(digit.u), after: free, label: kind}
"""


def write(folder: Path, text: str = NETWORK) -> Path:
    """Write the network file and its data; return the file."""
    random = np.random.default_rng(3)
    np.savez(
        folder / "data.npz",
        train_x=random.random((12, 10, 10)),
        train_kind=np.arange(12) % 3,
        test_x=random.random((3, 10, 10)),
        test_kind=np.arange(3),
    )
    path = folder / "pooled.yaml"
    path.write_text(text)
    return path
