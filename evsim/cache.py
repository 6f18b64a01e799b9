"""The folder of what evsim keeps from one run to the next: compiled programs, derived code."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


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


def kept_njit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return `numba.njit` for functions of evsim's own files, whose machine code is kept here.

    Numba would write it beside these files, where pip does not know of it: what is left there when
    evsim is taken away hides the next installation.
    """
    import numba

    config: Any = numba.config

    def compile_kept(function: Callable[..., Any]) -> Any:
        before = config.CACHE_DIR
        config.CACHE_DIR = before or str(cache_folder("functions"))
        try:
            return numba.njit(nogil=True, cache=True, **options)(function)
        finally:
            config.CACHE_DIR = before

    return compile_kept
