"""The folder of what evsim keeps from one run to the next: compiled programs, derived code."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path


def cache_folder(kind: str) -> Path:
    """Return where things of a kind are kept: in EVSIM_CACHE, or in the user's cache folder."""
    if "EVSIM_CACHE" in os.environ:
        return Path(os.environ["EVSIM_CACHE"]) / kind
    base = os.environ.get("XDG_CACHE_HOME")
    if base:
        return Path(base) / "evsim" / kind
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "evsim" / kind
    return Path.home() / ".cache" / "evsim" / kind


def keep(path: Path, text: str) -> None:
    """Write a file of the cache at once: another process may do the same.

    Raises
    ------
    OSError : it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        os.replace(temporary, path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise
