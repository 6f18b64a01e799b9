"""Draw the embedded MNIST subset from the official files.

    python tests/tools/make_mnist_subset.py FOLDER

`FOLDER` holds the four official files, itself or in a subfolder `mnist`. The draw is the beginning
of `stratified_order` under SEED; arrays are stored in ascending order of the official indices.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from evsim.datasets import mnist
from evsim.datasets.base import stratified_order

SEED = 6000


def main(folder: Path) -> None:
    full = mnist.load("full", None, folder)
    arrays = {}
    for split, count in mnist.SIZES["embedded"].items():
        indices = np.sort(stratified_order(full.field(split, "labels"), SEED)[:count])
        arrays[f"{split}_indices"] = indices.astype(np.uint16)
        arrays[f"{split}_images"] = full.field(split, "images")[indices]
        arrays[f"{split}_labels"] = full.field(split, "labels")[indices]
    np.savez_compressed(mnist.EMBEDDED, **arrays)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
