"""A network and data so small that a whole training run takes a fraction of a second."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from evsim import simulate
from evsim.orchestrator.checkpoint import Checkpoint, read_checkpoint
from evsim.orchestrator.report import Reporter
from evsim.spec.schema import Network

NETWORK = """\
name: tiny
dt: 1*ms
seed: 3
data:
  name: npz
  path: data.npz
  split: {train: 32, validation: 5, test: 9}
  fields: {image.u: x, digit.target: one_hot(kind)}
neurons:
  unit: {model: sigma_delta}
populations:
  image: {shape: [1, 6, 6], values: u}
  hidden:
    shape: [2, 2, 2]
    neuron: unit
    share: {bias: channel}
    init: {bias: "uniform(0.1, 0.6)"}
    learn: {bias: bias_contrast}
  digit: {shape: [3], neuron: unit, init: {bias: 0.2}, learn: {bias: bias_contrast}}
projections:
  - name: k
    from: image.u
    to: hidden.drive
    kind: conv
    kernel: 3
    pool: {average: 2}
    sends: value
    learn: contrast
  - {name: out, from: hidden, to: digit.received, kind: dense, symmetric: true, learn: contrast}
plasticity:
  contrast: {model: contrast, update: {rule: adam, rate: 0.005}}
  bias_contrast: {model: bias_contrast, update: {rule: sgd, rate: 0.02, momentum: 0.5}}
protocol:
  epochs: 3
  batch: 5
  constants: {beta: 0.2, eps: 0.5, lam: k**-0.75}
  phases:
    free: {steps: 20}
    plus: {steps: 10, from: free, set: {digit.nudge: +beta}, average: {variables: [u], last: 3}}
    minus: {steps: 10, from: free, set: {digit.nudge: -beta}, average: {variables: [u], last: 3}}
  test: {phases: [free], split: [validation, test]}
  settle: {variables: [u], after: free}
readout: {predict: argmax(digit.u), after: free, label: kind, metrics: [error, loss]}
record:
  spikes: {populations: all}
  states:
    - {population: digit, variables: [u, carry], when: end, trials: 3, every: 4}
  weights: {every: {epoch: 1}}
"""
TIMES = {"seconds", "ms_per_trial"}


def write(folder: Path, text: str = NETWORK) -> Path:
    """Write the network file and its data; return the file."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "data.npz", **arrays())
    path = folder / "tiny.yaml"
    path.write_text(text)
    return path


def arrays() -> dict[str, np.ndarray]:
    """Three kinds of images: a bright third with noise."""
    random = np.random.default_rng(5)
    found = {}
    for split, number in (("train", 40), ("test", 9)):
        kind = np.arange(number) % 3
        x = 0.5 * random.random((number, 6, 6))
        for image, k in zip(x, kind, strict=True):
            image[2 * k : 2 * k + 2] += 0.5
        found |= {f"{split}_x": x.astype(np.float32), f"{split}_kind": kind}
    return found


def load(path: Path, *overrides: str) -> Network:
    return simulate.load(path, overrides)


def run(path: Path, out: Path, *overrides: str, **options: Any) -> simulate.Result:
    return simulate.run(load(path, *overrides), out=out, **options)


def last_checkpoint(folder: Path) -> Checkpoint:
    return read_checkpoint(folder / "checkpoints")


def learned(folder: Path) -> dict[str, bytes]:
    """Parameters and the state of the optimiser in the last checkpoint."""
    return {name: values.tobytes() for name, values in last_checkpoint(folder).arrays.items()}


def timeless(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Lines of metrics without times."""
    return [{name: row[name] for name in row if name not in TIMES} for row in rows]


def lines(folder: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl without times."""
    text = (folder / "metrics.jsonl").read_text()
    return timeless([json.loads(line) for line in text.splitlines()])


def recorded(folder: Path) -> dict[str, object]:
    """Everything in a closed recording but times, provenance and the number of commits."""
    found: dict[str, object] = {}

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and not name.startswith(("commit", "provenance")):
            found[name] = (str(item.dtype), item.shape, np.asarray(item[()]).tobytes())

    with h5py.File(folder / "recording.h5", "r") as file:
        file.visititems(visit)
        text = file["metrics"][()].tobytes().decode()
    found["metrics"] = timeless([json.loads(line) for line in text.splitlines()])
    return found


def assert_equal_runs(one: Path, other: Path) -> None:
    """Weights, metrics and recordings of two runs are the same bit for bit, but for times."""
    assert learned(one) == learned(other)
    assert lines(one) == lines(other)
    first, second = recorded(one), recorded(other)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


class Listener(Reporter):
    """Keeps warnings; calls `heard(epoch, split, done)` after every batch."""

    def __init__(self, heard: Any = None):
        self.heard = heard
        self.warnings: list[str] = []
        self.heard_all: list[tuple[int, str, int]] = []

    def progress(
        self, epoch: int, split: str, done: int, total: int, error: float | None, spikes: int
    ) -> None:
        self.heard_all.append((epoch, split, done))
        if self.heard is not None:
            self.heard(epoch, split, done)

    def warning(self, text: str) -> None:
        self.warnings.append(text)
