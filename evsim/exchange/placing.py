"""Files and folders that are there whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

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


def _remove(path: Path) -> None:
    """Remove a file or a folder, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
