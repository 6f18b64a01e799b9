"""From the name in a network file to divided samples."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from evsim import registry
from evsim.datasets import _files
from evsim.datasets.base import Dataset, SplitData, split
from evsim.errors import DataError

if TYPE_CHECKING:
    from evsim.spec.schema import Data

PACKAGE = "evsim.datasets"


class Variant(Protocol):
    """What the file of a data set defines; `EVENTS`, `OFFICIAL`, `NEEDS_PATH` where they apply.

    Attributes
    ----------
    FIELDS : field -> shape of one sample; empty where only the file knows.
    EVENTS : those of them that hold a list of spikes; absent where only the file knows.
    SIZES : subset -> split -> number of samples.
    """

    FIELDS: dict[str, tuple[int, ...]]
    SIZES: dict[str, dict[str, int]]

    def load(self, subset: str, path: Path | None, folder: Path | None) -> Dataset:
        """Return the samples."""


@dataclass(frozen=True)
class Entry:
    """A line of `evsim data list`: a data set, a subset, its sizes and where it is."""

    name: str
    subset: str
    train: int
    test: int
    place: str


def variant(name: str) -> Variant:
    """Return the data set of that name.

    Raises
    ------
    InputError : there is none.
    """
    return cast(Variant, registry.load(PACKAGE, name))


def load(data: Data, data_dir: Path | None = None, relative_to: Path | None = None) -> Dataset:
    """Load the data set that a network file names.

    Parameters
    ----------
    data : the file's `data` section.
    data_dir : folder that holds the official files, itself or in a subfolder named as the data set;
        by default the one that EVSIM_DATA names, then a cache, which is filled by download.
    relative_to : folder that `data.path` starts from; by default the working directory.

    Raises
    ------
    InputError : no such data set or subset, or its files are missing or damaged.
    """
    chosen = variant(data.name)
    if data.subset not in chosen.SIZES:
        known = " or ".join(f"`subset: {name}`" for name in sorted(chosen.SIZES))
        raise DataError(f"Data set '{data.name}' has no subset '{data.subset}'; write {known}.")
    if data.path is not None and not getattr(chosen, "NEEDS_PATH", False):
        raise DataError(
            f"Data set '{data.name}' takes no `path`; name the folder of its files with "
            f"`--data-dir` or {_files.VARIABLE}."
        )
    path = None if data.path is None else (relative_to or Path()) / data.path
    return chosen.load(data.subset, path, data_dir)


def divide(dataset: Dataset, data: Data) -> SplitData:
    """Divide samples as a network file says; see `split`.

    Raises
    ------
    DataError : the data set has fewer samples.
    """
    return split(dataset, data.split.train, data.split.validation, data.split.test)


def open_dataset(
    data: Data, data_dir: Path | None = None, relative_to: Path | None = None
) -> SplitData:
    """Load the data set that a network file names and divide its samples.

    Parameters and errors are those of `load` and `divide`.
    """
    return divide(load(data, data_dir, relative_to), data)


def is_here(data: Data, data_dir: Path | None = None) -> bool:
    """Return whether `load` would not need to download anything.

    Raises
    ------
    DataError : `data_dir` does not hold the files, or a place holds only some of them.
    """
    official: _files.Official | None = getattr(variant(data.name), "OFFICIAL", None)
    if official is None or data.subset == "embedded":
        return True
    return _files.find(official, data_dir) is not None


def listing(data_dir: Path | None = None) -> list[Entry]:
    """Return what data sets there are and where each subset would be read from."""
    entries = []
    for name in registry.names(PACKAGE):
        chosen = variant(name)
        for subset, sizes in chosen.SIZES.items():
            if sizes:
                place = "ships with evsim" if subset == "embedded" else _place(chosen, data_dir)
                entries.append(Entry(name, subset, sizes["train"], sizes["test"], place))
    return entries


def _place(chosen: Variant, data_dir: Path | None) -> str:
    official: _files.Official = chosen.OFFICIAL  # type: ignore[attr-defined]
    try:
        found = _files.find(official, data_dir)
    except DataError:
        return f"not in {data_dir or os.environ.get(_files.VARIABLE)}"
    return str(found) if found else "not downloaded"


def get(name: str, folder: Path | None = None) -> Path:
    """Download the official files of a data set by checksum; return the folder that holds them.

    Parameters
    ----------
    folder : folder of data sets to put them into, in a subfolder named as the data set; by default
        a cache.

    Raises
    ------
    InputError : unknown data set, no official files, or no mirror could be reached.
    """
    official = getattr(variant(name), "OFFICIAL", None)
    if official is None:
        raise DataError(f"Data set '{name}' is read from your own files; there is nothing to get.")
    return _files.download(official, folder / official.folder if folder else None)
