"""Fashion-MNIST: 70,000 images of clothing of 28 x 28 pixels in ten classes.

Reference: Xiao, Rasul and Vollgraf, Fashion-MNIST: a novel image dataset for benchmarking machine
learning algorithms, arXiv:1708.07747 (2017).
"""

from __future__ import annotations

from pathlib import Path

from evsim.datasets._digits import load_official
from evsim.datasets._files import File, Official
from evsim.datasets.base import Dataset

FIELDS: dict[str, tuple[int, ...]] = {"images": (28, 28), "labels": ()}
EVENTS: frozenset[str] = frozenset()
SIZES = {"full": {"train": 60_000, "test": 10_000}}
OFFICIAL = Official(
    folder="fashion-mnist",
    mirrors=("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
    files=(
        File(
            "train-images-idx3-ubyte.gz",
            26_421_880,
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        ),
        File(
            "train-labels-idx1-ubyte.gz",
            29_515,
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        ),
        File(
            "t10k-images-idx3-ubyte.gz",
            4_422_102,
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        ),
        File(
            "t10k-labels-idx1-ubyte.gz",
            5_148,
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    ),
)


def load(subset: str, path: Path | None, folder: Path | None) -> Dataset:
    """Return the official files; see `evsim.datasets.load`."""
    return load_official("fashion_mnist", OFFICIAL, folder)
