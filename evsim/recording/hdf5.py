"""Opening recordings and their commits: which lengths of the datasets count.

A commit is a row of `/commit/lengths`: its number, a checksum, and the length of every dataset in
`/commit/datasets`. Two rows take turns, so that one always holds a whole commit.
"""

from __future__ import annotations

import ctypes
import os
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import h5py
import numpy as np
from h5py import h5f, h5p
from numpy.typing import NDArray

from evsim.errors import RecordingError, RunError
from evsim.recording.columns import Column, columns
from evsim.recording.layout import Layout

FORMAT = "evsim recording"
VERSION = 2
PAGE = 4096

_CACHE = 1 << 22
_FLAGS = 11
_ATTEMPTS = 24
_DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, IndexError)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what HDF5 says about a damaged file into a RecordingError."""
    try:
        yield
    except _DAMAGE as error:
        reason = str(error.args[0] if error.args else error).partition("\n")[0]
        raise RecordingError(f"Recording '{path}' is damaged: {reason}") from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a failed write into a RunError that says why."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        number = getattr(error, "errno", None) or _errno(str(error))
        reason = os.strerror(number) if number else str(error).partition("\n")[0]
        raise RunError(
            f"Cannot write to '{path}': {reason}; the recording reads up to its last commit"
        ) from error


def create(path: Path, layout: Layout, provenance: str) -> None:
    """Make a recording without data: all groups, datasets and attributes, and a first commit."""
    every = columns(layout)
    # Made in memory and written at once: HDF5 does not survive a disk that fills up here.
    in_memory = {"libver": "latest", "driver": "core", "backing_store": False}
    # A process that is killed may leave a write half done, but no page of the system: what HDF5
    # keeps of its own must not lie across two.
    in_pages = {"fs_strategy": "page", "fs_page_size": PAGE}
    with h5py.File(path, "w", **in_memory, **in_pages) as file:
        file.attrs.update({"format": FORMAT, "version": VERSION, "dt": layout.dt, "dt_unit": "s"})
        _write_text(file, "layout", layout.to_json())
        _write_text(file, "provenance", provenance)
        for name in layout.spikes:
            group = file.create_group(f"spikes/{name}")
            shape = layout.population(name).shape
            group.attrs.update({"shape": shape, "encoding": layout.encoding})
        for number, entry in enumerate(layout.states):
            group = file.create_group(f"states/{entry.population}/{number}")
            group.attrs["neurons"] = "all" if entry.neurons is None else entry.neurons
        for column in every:
            column.create(file)
        step_offset = file["trials/step_offset"]
        step_offset.attrs["phases"] = [phase.name for phase in layout.phases]
        file["commit/datasets"] = [column.path for column in every]
        file["commit/lengths"] = np.zeros((2, 2 + len(every)), np.uint64)
        write_commit(file, 1, dict.fromkeys((column.path for column in every), 0))
        file.flush()
        image = file.id.get_file_image()
    with path.open("wb") as target:
        target.write(image)
        target.flush()
        os.fsync(target.fileno())


def open_for_writing(path: Path) -> h5py.File:
    """Open a cleanly closed recording so that it stays readable if this process is killed."""
    flags = h5f.ACC_RDWR | h5f.ACC_SWMR_WRITE
    return h5py.File(h5f.open(bytes(path), flags, _access()))


def abandon(file: h5py.File) -> None:
    """Close a file that cannot be written any more, leaving it on disk as it is.

    HDF5 keeps what it could not write, tries again when it closes and brings the process down when
    that fails; so it gets a place where writing succeeds.
    """
    with suppress(OSError, RuntimeError, ValueError):
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, file.id.get_vfd_handle())
        os.close(nowhere)
        file.close()


def open_for_reading(path: Path) -> tuple[h5py.File, Layout, bool]:
    """Open a finished, running or killed recording.

    Returns
    -------
    file, layout, closed : `closed` is False while a writer has the file open, or was killed.

    Raises
    ------
    RecordingError : there is no such file, or it is not a recording, or damaged.
    """
    if not path.is_file():
        raise RecordingError(f"No recording at '{path}'; name a run's folder or its recording.h5")
    try:
        hdf5 = h5py.is_hdf5(path)
        path.open("rb").close()
    except OSError as error:
        raise RecordingError(f"Cannot read '{path}': {error.strerror}") from error
    if not hdf5:
        raise RecordingError(f"'{path}' is not a recording: it is not an HDF5 file")
    with reading(path):
        file, closed = _open(path)
    try:
        with reading(path):
            _check_format(file, path)
            return file, Layout.from_json(read_text(file, "layout")), closed
    except BaseException:
        file.close()
        raise


def read_text(file: h5py.File, name: str) -> str:
    """Return the text of a dataset.

    Raises
    ------
    ValueError : it is not what was written.
    """
    text: str = file[name].asstr()[()]
    if zlib.crc32(text.encode()) != file[name].attrs["crc32"]:
        raise ValueError(f"'{name}' has another checksum")
    return text


def write_commit(file: h5py.File, number: int, lengths: Mapping[str, int]) -> None:
    """Write commit `number`, from 1."""
    row = np.array([number, 0, *lengths.values()], np.uint64)
    row[1] = _checksum(row)
    file["commit/lengths"][number % 2] = row


def read_commit(
    file: h5py.File, every: Sequence[Column], live: bool = False
) -> tuple[int, dict[str, int]]:
    """Return the number of the last commit and the length of every dataset.

    Parameters
    ----------
    live : whether a writer may be at work, so that what is known of the file may be old.

    Raises
    ------
    ValueError : no commit is whole, or a dataset is shorter than it should be.
    """
    commits = file["commit/lengths"]
    if live:
        commits.id.refresh()
    rows = commits[()]
    if rows.shape != (2, 2 + len(every)):
        raise ValueError("its table of commits has another shape")
    whole = [row for row in rows if row[0] and row[1] == _checksum(row)]
    if not whole:
        raise ValueError("no commit is whole")
    last = max(whole, key=lambda row: int(row[0]))
    lengths = {column.path: int(n) for column, n in zip(every, last[2:], strict=True)}
    for column in every:
        dataset = file[column.path]
        if live:
            # After the commit was read, so that no dataset seems shorter than it says.
            dataset.id.refresh()
        if dataset.shape[1:] != column.tail or len(dataset) < lengths[column.path]:
            raise ValueError(f"'{column.path}' is shorter than the last commit says")
        if dataset.dtype != column.dtype:
            raise ValueError(f"'{column.path}' is of another type")
    return int(last[0]), lengths


def _errno(message: str) -> int | None:
    """Return the system's error number in a message of HDF5."""
    found = re.search(r"errno = (\d+)", message)
    return int(found[1]) if found else None


def _open(path: Path) -> tuple[h5py.File, bool]:
    with path.open("rb") as raw:
        start = raw.read(_FLAGS + 1)
    # HDF5 sets these flags in its superblock while a file is open for writing.
    closed = len(start) <= _FLAGS or start[_FLAGS] == 0
    if closed:
        return h5py.File(path, "r", libver="latest"), True
    access = _access()
    _set_attempts(access)
    return h5py.File(h5f.open(bytes(path), h5f.ACC_RDONLY | h5f.ACC_SWMR_READ, access)), False


def _access() -> h5p.PropFAID:
    access = h5p.create(h5p.FILE_ACCESS)
    access.set_libver_bounds(h5f.LIBVER_LATEST, h5f.LIBVER_LATEST)
    access.set_cache(0, 521, _CACHE, 1.0)
    return access


def _set_attempts(access: h5p.PropFAID) -> None:
    """Limit how often HDF5 reads what a writer may be changing.

    It waits twice as long after each of 100 attempts, which on a damaged file is for ever. h5py has
    no call for this, so it is looked up in the library that h5py has loaded.
    """
    with suppress(OSError, AttributeError):
        call = ctypes.CDLL(h5p.__file__).H5Pset_metadata_read_attempts
        call.argtypes = (ctypes.c_int64, ctypes.c_uint)
        call(access.id, _ATTEMPTS)


def _check_format(file: h5py.File, path: Path) -> None:
    if file.attrs.get("format") != FORMAT:
        raise RecordingError(f"'{path}' is not a recording: evsim did not write this HDF5 file")
    version = int(file.attrs["version"])
    if version > VERSION:
        raise RecordingError(
            f"Recording '{path}' is of format {version}, newer than {VERSION}; update evsim"
        )


def _write_text(file: h5py.File, name: str, text: str) -> None:
    data = text.encode()
    dtype = h5py.string_dtype("utf-8", max(len(data), 1))
    file.create_dataset(name, data=data, dtype=dtype).attrs["crc32"] = zlib.crc32(data)


def _checksum(row: NDArray[np.uint64]) -> int:
    return zlib.crc32(row[0].tobytes() + row[2:].tobytes())
