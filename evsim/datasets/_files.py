"""Where the files of a data set are: a folder of the user's, or a cache filled by checksum."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evsim.errors import DataError

VARIABLE = "EVSIM_DATA"


@dataclass(frozen=True)
class File:
    """One official file: its name, size in bytes and SHA-256."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Official:
    """The official files of a data set.

    Attributes
    ----------
    folder : name of the folder that holds them inside a folder of data sets.
    mirrors : addresses that the files' names are appended to, in the order they are tried.
    """

    folder: str
    mirrors: tuple[str, ...]
    files: tuple[File, ...]

    def read(self, name: str, folder: Path) -> bytes:
        """Return a file's bytes as they lie on the disk.

        Raises
        ------
        DataError : the file cannot be read.
        """
        try:
            return (folder / name).read_bytes()
        except OSError as error:
            raise DataError(f"Cannot read {folder / name}: {error.strerror}.") from error

    def verify(self, name: str, content: bytes, folder: Path) -> None:
        """Check that `content` is the official file.

        Raises
        ------
        DataError : size or checksum differ.
        """
        file = next(file for file in self.files if file.name == name)
        found = hashlib.sha256(content).hexdigest()
        if found != file.sha256:
            raise DataError(
                f"{folder / name} is not the official file: {len(content)} bytes with SHA-256 "
                f"{found[:16]}..., expected {file.size} bytes with {file.sha256[:16]}...; "
                "copy or download it again."
            )


def cache() -> Path:
    """Return the folder that downloads are kept in."""
    import pooch

    return Path(pooch.os_cache("evsim"))


def find(official: Official, folder: Path | None) -> Path | None:
    """Return the folder that holds the official files, or None where nothing holds them.

    Looked at in order: `folder`, the folder that EVSIM_DATA names, the cache; of the first two also
    the subfolder named as the data set.

    Raises
    ------
    DataError : `folder` is given and does not hold the files, or a place holds only some of them.
    """
    named = folder or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    places = [named, named / official.folder] if named else []
    for place in places if folder else [*places, cache() / official.folder]:
        missing = [file.name for file in official.files if not (place / file.name).is_file()]
        if not missing:
            return place
        if len(missing) < len(official.files):
            raise DataError(f"{place} lacks {_listing(missing)} of the official files.")
    if folder:
        raise DataError(
            f"Neither {folder} nor {folder / official.folder} holds "
            f"{_listing([file.name for file in official.files])}."
        )
    return None


def download(official: Official, folder: Path | None = None) -> Path:
    """Fetch the official files that `folder` (by default in the cache) lacks; return the folder.

    Raises
    ------
    DataError : no mirror gave a file with the right checksum.
    """
    target = folder or cache() / official.folder
    for file in official.files:
        _download_one(official, file, target)
    return target


def _download_one(official: Official, file: File, target: Path) -> None:
    import pooch

    reasons = []
    for mirror in official.mirrors:
        try:
            pooch.retrieve(
                url=mirror + file.name,
                known_hash=f"sha256:{file.sha256}",
                fname=file.name,
                path=target,
            )
            return
        except (OSError, ValueError) as error:
            reasons.append(f"{mirror}{file.name}: {_first_line(error)}")
    files = _listing([file.name for file in official.files])
    why = ":\n  " + "\n  ".join(reasons) if reasons else ": it has no address."
    raise DataError(
        f"Cannot download {file.name}{why}"
        f"\nPut {files} into a folder '{official.folder}' and name the folder around it with "
        f"`--data-dir` or {VARIABLE}."
    )


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


def _listing(names: Sequence[str]) -> str:
    return ", ".join(names)
