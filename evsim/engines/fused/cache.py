"""Compiled programs on disk.

Source is written to a file named by a hash of itself, of the modules it calls and of the versions
that compile it; Numba keeps the machine code beside it, for the CPU that it was made for.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import llvmlite
import numba
import numpy as np

from evsim.engines import counts, fill, random, single, transcendental
from evsim.engines.fused import helpers, vector


def cache_folder() -> Path:
    """Return where compiled programs are kept: EVSIM_CACHE, or the user's cache folder."""
    if "EVSIM_CACHE" in os.environ:
        return Path(os.environ["EVSIM_CACHE"]) / "programs"
    base = os.environ.get("XDG_CACHE_HOME")
    if base:
        return Path(base) / "evsim" / "programs"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "evsim" / "programs"
    return Path.home() / ".cache" / "evsim" / "programs"


def import_source(source: str) -> ModuleType:
    """Return generated source as a module; its file and machine code stay on disk."""
    parts = [source, numba.__version__, llvmlite.__version__, np.__version__, sys.version]
    parts += [
        Path(str(module.__file__)).read_text()
        for module in (counts, fill, helpers, random, single, transcendental, vector)
    ]
    name = "program_" + hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:24]
    path = cache_folder() / name / f"{name}.py"
    if not path.exists():
        _write(path, source)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _write(path: Path, source: str) -> None:
    """Write atomically: another process may do the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    with os.fdopen(descriptor, "w") as file:
        file.write(source)
    os.replace(temporary, path)


def is_cached(module: ModuleType) -> bool:
    """Whether machine code of a generated module is on disk."""
    return any((Path(str(module.__file__)).parent / "__pycache__").glob("*.nbc"))
