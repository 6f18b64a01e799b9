"""From a path to what the file holds."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Protocol, cast

from evsim import registry
from evsim.spikefiles.base import SpikeFile, SpikeFileError

PACKAGE = "evsim.spikefiles"


class Format(Protocol):
    """What the file of a format defines."""

    def recognises(self, path: Path) -> bool:
        """Return whether a file looks like one of this format."""

    def read(self, path: Path, only: str | None) -> SpikeFile:
        """Return what a file holds; of the populations, `only` one where it is named."""


def guess(path: Path) -> str | None:
    """Return the name of the format that a file looks like; None where it is like none."""
    for name in registry.names(PACKAGE):
        if _format(name).recognises(path):
            return name
    return None


def read(path: Path, format: str | None = None, only: str | None = None) -> SpikeFile:
    """Read a file.

    Parameters
    ----------
    format : its format; by default what it looks like.
    only : the population wanted; by default all.

    Raises
    ------
    SpikeFileError : the file is missing, damaged, or holds something else.
    InputError : there is no such format, or the library that reads it is not installed.
    """
    try:
        path.stat()
        name = format or guess(path)
        if name is None:
            raise SpikeFileError(f"'{path}' is of no format that holds spikes")
        return _format(name).read(path, only)
    except FileNotFoundError as error:
        raise SpikeFileError(f"there is no file '{error.filename or path}'") from None
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, UnicodeDecodeError):
        raise SpikeFileError(f"'{path}' cannot be read or is damaged") from None


def _format(name: str) -> Format:
    return cast(Format, registry.load(PACKAGE, name))
