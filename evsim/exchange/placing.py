"""Files and folders that are there whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

import h5py

from evsim.errors import RunError


@contextmanager
def placed(path: Path, folder: bool) -> Iterator[Path]:
    """Give a place beside `path`; what is there in the end replaces `path` if nothing failed.

    Parameters
    ----------
    folder : whether it is a folder, which is made.

    Raises
    ------
    RunError : it cannot be written.
    """
    fresh, old = (path.with_name(f".{path.stem}.{end}{path.suffix}") for end in ("new", "old"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove(fresh)
        if folder:
            fresh.mkdir()
        yield fresh
        if folder and path.exists():
            _remove(old)
            os.replace(path, old)
        os.replace(fresh, path)
        _remove(old)
    except OSError as error:
        raise RunError(f"Cannot write to '{path}': {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            _remove(fresh)


@contextmanager
def new_hdf5(path: Path) -> Iterator[h5py.File]:
    """Make an HDF5 file.

    HDF5 does not survive a write that fails: it keeps what it could not write, tries again when it
    closes, and brings the process down. So it writes to something that takes everything.

    Raises
    ------
    OSError : the disk is full.
    """
    with path.open("w+b", buffering=0) as raw:
        target = _Taking(raw)
        try:
            with h5py.File(target, "w") as file:
                yield file
        finally:
            if target.error is not None:
                raise target.error


class _Taking:
    """A file that takes what cannot be written, too; `error` is why the first of it could not."""

    def __init__(self, file: FileIO):
        self.file = file
        self.error: OSError | None = None
        self.read, self.readinto = file.read, file.readinto
        self.seek, self.tell = file.seek, file.tell

    def write(self, data: memoryview) -> int:
        """Write all of some bytes."""
        rest = memoryview(data).cast("B")
        while self.error is None and len(rest):
            try:
                rest = rest[self.file.write(rest) :]
            except OSError as error:
                self.error = error
        return len(data)

    def truncate(self, size: int) -> int:
        """Set the length of the file."""
        try:
            return self.file.truncate(size)
        except OSError as error:
            self.error = self.error or error
            return size

    def flush(self) -> None:
        """Do nothing: no bytes wait."""


def _remove(path: Path) -> None:
    """Remove a file or a folder, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
