"""Numbers from files: `.npy`, `.npz`, HDF5 and text with commas. Sizes are checked beforehand."""

from __future__ import annotations

import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

MAX_VALUES = 1 << 27
"""Numbers that an array may have: 1 GiB."""

KINDS = ".npy, .npz:NAME, .h5:PATH or .csv"
_WITH_NAME = re.compile(r"(.+\.(?:npz|h5|hdf5)):(.+)", re.DOTALL)
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


class TableError(ValueError):
    """A file holds no table of numbers; the text says why.

    Attributes
    ----------
    hint : what to write instead, or "".
    """

    def __init__(self, message: str, hint: str = ""):
        super().__init__(message)
        self.hint = hint


def read_table(file: str, folder: Path) -> NDArray[np.float64]:
    """Return the numbers in a file.

    Parameters
    ----------
    file : `x.npy`, `x.npz:name`, `x.h5:path` or `x.csv`, seen from `folder`.

    Raises
    ------
    TableError : it is missing, damaged, too large, or holds anything but numbers.
    """
    found = _WITH_NAME.fullmatch(file)
    path, inner = (found[1], found[2]) if found else (file, "")
    place = folder / path
    readers = {".npy": _npy, ".npz": _npz, ".h5": _hdf5, ".hdf5": _hdf5, ".csv": _csv}
    reader = readers.get(place.suffix)
    if reader is None:
        raise TableError(f"'{file}' is no kind of file that can be read", f"name a {KINDS} file")
    if not place.is_file():
        raise TableError(f"there is no file '{place}'")
    with _refusals(path):
        return np.asarray(reader(place, inner), np.float64, order="C")


@contextmanager
def _refusals(path: str) -> Iterator[None]:
    try:
        yield
    except TableError:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise TableError(f"'{path}' cannot be read ({reason})") from None


def _admit(shape: tuple[int, ...], kind: np.dtype[Any], what: str) -> None:
    """Refuse what is too large or holds no numbers."""
    if kind.kind not in "biuf":
        raise TableError(f"{what} holds {kind}, not numbers")
    count = int(np.prod(shape, dtype=object))
    if count > MAX_VALUES:
        raise TableError(f"{what} holds {count:,} numbers, more than {MAX_VALUES:,}")


def _npy(place: Path, inner: str) -> NDArray[Any]:
    with place.open("rb") as stream:
        return _stream(stream, f"'{place.name}'")


def _npz(place: Path, inner: str) -> NDArray[Any]:
    with zipfile.ZipFile(place) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        _choose(place, inner, names)
        with archive.open(f"{inner}.npy") as stream:
            return _stream(stream, f"'{inner}' of '{place.name}'")


def _stream(stream: IO[bytes], what: str) -> NDArray[Any]:
    version = npy.read_magic(stream)  # type: ignore[no-untyped-call]
    if version not in _HEADERS:
        raise TableError(f"{what} has version {version} of NumPy's format")
    shape, _, kind = _HEADERS[version](stream)  # type: ignore[no-untyped-call]
    _admit(shape, kind, what)
    stream.seek(0)
    array: NDArray[Any] = npy.read_array(stream, allow_pickle=False)  # type: ignore[no-untyped-call]
    return array


def _hdf5(place: Path, inner: str) -> NDArray[Any]:
    with h5py.File(place, "r") as file:
        names: list[str] = []
        file.visititems(lambda n, item: names.append(n) if isinstance(item, h5py.Dataset) else None)
        _choose(place, inner.strip("/"), names)
        found = file[inner]
        _admit(found.shape, found.dtype, f"'{inner}' of '{place.name}'")
        return np.asarray(found[()])


def _choose(place: Path, inner: str, names: list[str]) -> None:
    if inner not in names:
        shown = ", ".join(sorted(names)[:8])
        hint = f"it holds {shown}: write '{place.name}:NAME'" if names else "it holds none"
        message = f"'{place.name}' has no array '{inner}'" if inner else "which array is not said"
        raise TableError(message, hint)


def _csv(place: Path, inner: str) -> NDArray[Any]:
    # Each number takes two characters at least.
    _admit((place.stat().st_size // 2,), np.dtype(float), f"'{place.name}'")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # An empty file is refused by its shape.
        table = np.loadtxt(place, delimiter=",", ndmin=2, encoding="utf-8")
    return table[:, 0] if table.shape[1] == 1 else table
