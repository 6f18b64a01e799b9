"""Loading of data sets that come as MNIST does: four idx files of images and labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evsim.datasets._files import Official, download, find
from evsim.datasets._idx import parse_idx
from evsim.datasets.base import Dataset

FILES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}


def load_official(name: str, official: Official, folder: Path | None) -> Dataset:
    """Return the whole data set from its official files, downloading them where needed.

    Raises
    ------
    DataError : a file is missing, truncated, foreign or cannot be fetched.
    """
    place = find(official, folder) or download(official)

    def read(file: str) -> NDArray[np.uint8]:
        content = official.read(file, place)
        values = parse_idx(content, str(place / file))
        official.verify(file, content, place)
        return values

    splits = {
        split: {"images": read(images), "labels": read(labels)}
        for split, (images, labels) in FILES.items()
    }
    return Dataset(name, splits)
