"""N-MNIST in small: 1,100 recordings of MNIST digits by an event camera that moves before them.

Every recording lasts about 300 ms, in which the camera makes three quick movements. Field `events`
holds its events as spikes of a population of shape [2, 34, 34]: polarity (0 where it got darker, 1
where it got brighter), row, column. Cameras tell times finer than steps: several events of one
pixel and polarity in one step become one spike.

The recordings are packed as `NMNISTsmall.tar.xz`, with lists of their labels beside it.

Reference: Orchard, Jayawant, Cohen and Thakor, Converting static image datasets to spiking
neuromorphic datasets using saccades, Frontiers in Neuroscience 9:437 (2015).
"""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np

from evsim.datasets._events import EventLists
from evsim.datasets._files import File, Official, download, find
from evsim.datasets.base import Dataset

SHAPE = (2, 34, 34)
FIELDS: dict[str, tuple[int, ...]] = {"events": SHAPE, "labels": ()}
EVENTS = frozenset({"events"})
SIZES = {"full": {"train": 1_000, "test": 100}}
RECORDINGS = "NMNISTsmall.tar.xz"
LABELS = {"train": "train1K.txt", "test": "test100.txt"}
OFFICIAL = Official(
    folder="n-mnist-small",
    mirrors=(),
    files=(
        File(
            RECORDINGS,
            13_675_376,
            "6b170c5d82c18f2a9c54224bc255f15d5a74ee2c999066622b7ae9ecc8c95f47",
        ),
        File(
            "train1K.txt",
            6_909,
            "0c9a71729b400e9e24c1d7d4852f86dbf9bf931877bb9257a18af3780f6dc02d",
        ),
        File(
            "test100.txt",
            916,
            "21d53e374a5ef29d5634083b3131f420539ad86cef7bf032fdc3b281dcb41357",
        ),
    ),
)


def load(subset: str, path: Path | None, folder: Path | None) -> Dataset:
    """Return the recordings; see `evsim.datasets.load`.

    Raises
    ------
    DataError : a file is missing, truncated or foreign.
    """
    place = find(OFFICIAL, folder) or download(OFFICIAL)
    content = {file.name: OFFICIAL.read(file.name, place) for file in OFFICIAL.files}
    for name, data in content.items():
        OFFICIAL.verify(name, data, place)
    recordings = _unpack(content[RECORDINGS])
    splits, events = {}, {}
    for split, name in LABELS.items():
        rows = [line.split() for line in content[name].decode("ascii").splitlines()[1:]]
        splits[split] = {"labels": np.array([int(label) for _, label in rows])}
        events[split] = {"events": read_events([recordings[number] for number, _ in rows])}
    return Dataset("n_mnist", splits, events)


def _unpack(content: bytes) -> dict[str, bytes]:
    """Return number -> recording."""
    found = {}
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:xz") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.name.endswith(".bs2") else None
            if file is not None:
                found[Path(member.name).stem] = file.read()
    return found


def read_events(recordings: list[bytes]) -> EventLists:
    """Return the events of recordings, 5 bytes an event.

    The bytes are column, row, and in 24 bits the polarity and the time in microseconds.
    """
    data = np.frombuffer(b"".join(recordings), np.uint8).reshape(-1, 5).astype(np.int64)
    column, row, *rest = data.T
    bits = (rest[0] << 16) + (rest[1] << 8) + rest[2]
    polarity, time = bits >> 23, bits & 0x7FFFFF
    start = np.concatenate([[0], np.cumsum([len(recording) // 5 for recording in recordings])])
    return EventLists(time * 1e-6, np.ravel_multi_index((polarity, row, column), SHAPE), start)
