"""What layers can learn without feedback: python tests/perf/capacity.py DATA p64-5,p128-5,f512.

An upper bound for equilibrium propagation in the same layers, quick to have before a long run:
activations between 0 and 1, squared error, backpropagation, AdamW with decay 0.05 and a cosine,
batches of 64; tested on the last 5,000 training images, which it does not learn from. A layer is
`pCHANNELS-KERNEL[-PADDING]`, a convolution with 2x2 average pooling, or `fUNITS`, dense. Needs
`pip install 'evsim[torch]'`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as nn

from evsim.datasets._idx import parse_idx

HELD_OUT, BATCH, DECAY = 5000, 64, 0.05


class Pooled(torch.nn.Module):
    """Convolution with pooling folded into its kernel."""

    def __init__(self, channels: int, features: int, kernel: int, padding: int = 0):
        super().__init__()
        bound = (channels * kernel**2) ** -0.5
        shape = (features, channels, kernel, kernel)
        self.weight = torch.nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
        self.bias = torch.nn.Parameter(torch.empty(features).uniform_(-bound, bound))
        self.padding = padding

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shifts = [(0, 1), (1, 0)]
        folded = sum(nn.pad(self.weight, (*across, *down)) for across in shifts for down in shifts)
        found = nn.conv2d(x, folded / 4, self.bias, stride=2, padding=self.padding)
        return found.clamp(0, 1)


class Dense(torch.nn.Linear):
    """All inputs to all units."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.flatten(1)).clamp(0, 1)


def network(layers: str) -> torch.nn.Sequential:
    """Return the layers that a text describes, and ten outputs."""
    found: list[torch.nn.Module] = []
    x = torch.zeros(1, 1, 28, 28)
    for word in layers.split(","):
        kind, sizes = word[0], [int(size) for size in word[1:].split("-")]
        found.append(Pooled(x.shape[1], *sizes) if kind == "p" else Dense(x.numel(), *sizes))
        x = found[-1](x)
    return torch.nn.Sequential(*found, torch.nn.Flatten(), torch.nn.Linear(x.numel(), 10))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("layers")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--epochs", type=int, default=8)
    chosen = parser.parse_args()
    torch.manual_seed(1)
    names = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"
    arrays = [np.array(parse_idx((chosen.data / name).read_bytes(), name)) for name in names]
    images, labels = torch.from_numpy(arrays[0]).float() / 255, torch.from_numpy(arrays[1]).long()
    images, held = images[:-HELD_OUT, None], images[-HELD_OUT:, None]
    labels, truth = labels[:-HELD_OUT], labels[-HELD_OUT:]
    model, batches = network(chosen.layers), len(labels) // BATCH
    optimiser = torch.optim.AdamW(model.parameters(), lr=chosen.rate, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, chosen.epochs * batches, 1e-5)
    for epoch in range(chosen.epochs):
        wrong = 0
        for pick in torch.randperm(len(labels)).split(BATCH)[:batches]:
            found, target = model(images[pick]), nn.one_hot(labels[pick], 10)
            optimiser.zero_grad()
            (0.5 * ((found - target) ** 2).sum(1).mean()).backward()
            optimiser.step()
            schedule.step()
            wrong += int((found.argmax(1) != labels[pick]).sum())
        with torch.inference_mode():
            guesses = torch.cat([model(part).argmax(1) for part in held.split(500)])
        error = float((guesses != truth).float().mean())
        print(
            f"epoch {epoch + 1}: {wrong / (batches * BATCH):.2%}, held out {error:.2%}", flush=True
        )


if __name__ == "__main__":
    main()
