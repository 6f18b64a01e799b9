"""Training time to a test error: python tests/perf/time_to_error.py DATA [--epochs 12].

In one run, with the layers of networks/paper/mnist_conv_ep.yaml and all of MNIST:

- evsim, its epochs one after the other;
- a surrogate-gradient network in snnTorch: leaky integrate-and-fire neurons in the same layers, 25
  steps, cross-entropy of what the output neurons receive on average, Adam;
- the same equilibrium propagation as evsim's as dense PyTorch code, pooling folded, float32. An
  epoch of it takes so long that only its first trials are timed; it computes what evsim computes,
  so it is taken to need as many epochs.

Needs `pip install 'evsim[torch]' snntorch`. Testing is not counted.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import evsim
from evsim.build.build import build
from evsim.orchestrator.optimiser import Optimiser
from evsim.simulate import open_samples, run
from evsim.testing import torch_rules
from evsim.testing.torch_network import DenseNetwork

NETWORK = Path(__file__).parents[2] / "networks/paper/mnist_conv_ep.yaml"
AIMS = (0.02, 0.01)
STEPS, BATCH, RATE = 25, 64, 1e-3

Arrays = dict[str, NDArray[Any]]


def of_evsim(data: Path, epochs: int, seed: int, out: Path | None) -> Iterator[tuple[float, float]]:
    """Yield seconds and test error of every epoch; keep the run under `out`."""
    network = evsim.load(NETWORK, ["record={}", f"protocol.epochs={epochs}", f"seed={seed}"])
    with tempfile.TemporaryDirectory() as folder:
        found = run(network, data_dir=data, out=out or Path(folder)).folder
        rows = [json.loads(line) for line in (found / "metrics.jsonl").read_text().splitlines()]
    train = [row["seconds"] for row in rows if row["split"] == "train"]
    test = [row["error"] for row in rows if row["split"] == "test"]
    yield from zip(train, test, strict=True)


class Surrogate(torch.nn.Module):
    """32 and 64 channels of 5x5 with average pooling, spiking; ten outputs average their input."""

    def __init__(self) -> None:
        import snntorch
        from snntorch import surrogate

        super().__init__()
        torch.manual_seed(1)
        self.layers = torch.nn.ModuleList(
            [torch.nn.Conv2d(1, 32, 5), torch.nn.Conv2d(32, 64, 5), torch.nn.Linear(1024, 10)]
        )
        gradient = surrogate.fast_sigmoid(slope=25)
        self.neurons = [snntorch.Leaky(beta=0.5, spike_grad=gradient) for _ in range(2)]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return (trial, class) scores; the image is a constant input."""
        first, second, out = self.layers
        potentials = [neuron.init_leaky() for neuron in self.neurons]
        pool = torch.nn.functional.avg_pool2d
        constant, total = pool(first(images), 2), torch.zeros(())
        for _ in range(STEPS):
            sent, potentials[0] = self.neurons[0](constant, potentials[0])
            sent, potentials[1] = self.neurons[1](pool(second(sent), 2), potentials[1])
            total = total + out(sent.flatten(1)) / STEPS
        return total


def of_surrogate(images: Arrays, labels: Arrays, epochs: int) -> Iterator[tuple[float, float]]:
    """Yield seconds and test error of every epoch."""
    model, order = Surrogate(), torch.Generator().manual_seed(1)
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs, 1e-5)
    pictures = {split: torch.from_numpy(each)[:, None] for split, each in images.items()}
    classes = {split: torch.from_numpy(each) for split, each in labels.items()}
    for _ in range(epochs):
        begun = time.perf_counter()
        for pick in torch.randperm(len(classes["train"]), generator=order).split(BATCH):
            optimiser.zero_grad()
            scores = model(pictures["train"][pick])
            torch.nn.functional.cross_entropy(scores, classes["train"][pick]).backward()
            optimiser.step()
        schedule.step()
        seconds = time.perf_counter() - begun
        with torch.inference_mode():
            guesses = [model(part).argmax(1) for part in pictures["test"].split(250)]
        yield seconds, float((torch.cat(guesses) != classes["test"]).float().mean())


def of_dense(network: Any, samples: Any, trials: int) -> float:
    """Return seconds of an epoch, from those of its first trials."""
    plan = build(network)
    twin, optimiser = DenseNetwork(plan, folded=True), Optimiser(plan)
    phases = [name for name, phase in plan.phases.items() if phase.average]
    first = [name for name in plan.phases if name not in phases]
    begun = time.perf_counter()
    with torch.no_grad():
        for begin in range(0, trials, BATCH):
            each = [samples.inputs("train", n) for n in range(begin, begin + BATCH)]
            twin.load({n: torch.from_numpy(v) for n, v in optimiser.parameters.items()})
            twin.begin({key: np.stack([one[key] for one in each]) for key in each[0]}, BATCH)
            for name in first:
                twin.run(name)
            total: dict[str, Any] = {}
            for name in phases:
                row = twin.shared(name, plan.phases[name].steps - 1)
                values = twin.run(name)
                found = torch_rules.contributions(plan, twin.layers, name, values, row)
                total = {n: total.get(n, 0) + found[n] for n in found}
            optimiser.update({n: v.double().numpy() / BATCH for n, v in total.items()}, 0)
    return (time.perf_counter() - begun) * samples.size("train") / trials


def reached(rows: list[tuple[float, float]]) -> str:
    """Return the seconds, and epochs, to each aim."""
    texts, total = [], np.cumsum([seconds for seconds, _ in rows])
    for aim in AIMS:
        at = next((n for n, (_, error) in enumerate(rows) if error <= aim), None)
        texts.append("not reached" if at is None else f"{total[at]:.0f} s ({at + 1} epochs)")
    return ", ".join(f"{aim:.0%}: {text}" for aim, text in zip(AIMS, texts, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--surrogate-epochs", type=int, default=6)
    parser.add_argument("--dense-trials", type=int, default=1280)
    parser.add_argument("--seed", type=int, default=1, help="of evsim's network")
    parser.add_argument("--out", type=Path, help="folder that keeps evsim's run")
    chosen = parser.parse_args()
    network = evsim.load(NETWORK)
    samples = open_samples(network, build(network), chosen.data, NETWORK.parent)
    seconds = of_dense(network, samples, chosen.dense_trials)
    print(f"dense equilibrium propagation: {seconds:.0f} s an epoch", flush=True)
    splits = ("train", "test")
    images = {
        s: np.stack(
            [samples.inputs(s, n)["image", "u"].reshape(28, 28) for n in range(samples.size(s))]
        ).astype(np.float32)
        for s in splits
    }
    labels = {s: np.array([samples.label(s, n) for n in range(samples.size(s))]) for s in splits}
    runs = {
        "snnTorch": of_surrogate(images, labels, chosen.surrogate_epochs),
        "evsim": of_evsim(chosen.data, chosen.epochs, chosen.seed, chosen.out),
    }
    for name, epochs in runs.items():
        rows = []
        for row in epochs:
            rows.append(row)
            print(f"{name}: {row[0]:.0f} s, test error {row[1]:.2%}", flush=True)
        print(f"{name}, {reached(rows)}")
        if name == "evsim":
            dense = [(seconds, error) for _, error in rows]
            print(f"dense equilibrium propagation, {reached(dense)}")


if __name__ == "__main__":
    main()
