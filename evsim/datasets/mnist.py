"""MNIST: 70,000 handwritten digits of 28 x 28 pixels in ten classes.

The embedded subset is a stratified random draw of 5,000 of the 60,000 training images and 1,000 of
the 10,000 test images; its fields `indices` give their positions in the official files.

Reference: LeCun, Bottou, Bengio and Haffner, Gradient-based learning applied to document
recognition, Proceedings of the IEEE 86 (1998).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from evsim.datasets._digits import load_official
from evsim.datasets._files import File, Official
from evsim.datasets.base import Dataset

FIELDS: dict[str, tuple[int, ...]] = {"images": (28, 28), "labels": ()}
EVENTS: frozenset[str] = frozenset()
SIZES = {
    "embedded": {"train": 5_000, "test": 1_000},
    "full": {"train": 60_000, "test": 10_000},
}
OFFICIAL = Official(
    folder="mnist",
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    files=(
        File(
            "train-images-idx3-ubyte.gz",
            9_912_422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        File(
            "train-labels-idx1-ubyte.gz",
            28_881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
        File(
            "t10k-images-idx3-ubyte.gz",
            1_648_877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        File(
            "t10k-labels-idx1-ubyte.gz",
            4_542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    ),
)
EMBEDDED = Path(__file__).parent / "files" / "mnist_6000.npz"


def load(subset: str, path: Path | None, folder: Path | None) -> Dataset:
    """Return the embedded subset or the official files; see `evsim.datasets.load`."""
    if subset == "full":
        return load_official("mnist", OFFICIAL, folder)
    with np.load(EMBEDDED, allow_pickle=False) as arrays:
        splits = {
            split: {field: arrays[f"{split}_{field}"] for field in ("images", "labels", "indices")}
            for split in ("train", "test")
        }
    return Dataset("mnist", splits)
