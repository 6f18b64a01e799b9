"""Compiled programs on disk.

Source is written to a file named by a hash of itself, of the modules it calls and of the versions
that compile it; Numba keeps the machine code beside it, for the CPU that it was made for.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import llvmlite
import numba
import numpy as np

from evsim.cache import cache_folder, keep
from evsim.engines import counts, fill, random, single, transcendental
from evsim.engines.fused import helpers, vector
from evsim.errors import Fault, RunError


def import_source(source: str) -> ModuleType:
    """Return generated source as a module; its file and machine code stay on disk.

    Raises
    ------
    RunError : the cache cannot be written.
    """
    parts = [source, numba.__version__, llvmlite.__version__, np.__version__, sys.version]
    parts += [
        Path(str(module.__file__)).read_text()
        for module in (counts, fill, helpers, random, single, transcendental, vector)
    ]
    name = "program_" + hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:24]
    path = cache_folder("programs") / name / f"{name}.py"
    try:
        if not path.exists():
            keep(path, source)
    except OSError as error:
        message = f"Compiled programs cannot be kept in '{path.parents[1]}': {error.strerror}."
        hint = "name a folder in the environment variable EVSIM_CACHE"
        raise RunError(Fault(message, hint=hint)) from None
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def is_cached(module: ModuleType) -> bool:
    """Whether machine code of a generated module is on disk."""
    return any((Path(str(module.__file__)).parent / "__pycache__").glob("*.nbc"))
