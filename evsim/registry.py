"""Variants are files: the modules of a package are the names that users may write.

Names come from a scan of the folder, so that listing them imports none.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from evsim.errors import Fault, InputError, nearest


def scan(package: str) -> Mapping[str, str]:
    """Return name -> full module path of every variant in `package`, sorted by name.

    `base` and names that begin with an underscore are not variants.

    Raises
    ------
    ModuleNotFoundError : there is no such package.
    """
    spec = find_spec(package)
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError(f"no package named {package!r}", name=package)
    found = (module.name for module in pkgutil.iter_modules(spec.submodule_search_locations))
    variants = sorted(name for name in found if name != "base" and not name.startswith("_"))
    return {name: f"{package}.{name}" for name in variants}


def names(package: str) -> tuple[str, ...]:
    """Return the names of the variants in `package`, sorted."""
    return tuple(scan(package))


def load(package: str, name: str) -> ModuleType:
    """Import the variant `name` of `package`.

    Raises
    ------
    InputError : there is no such variant; the hint names the closest.
    """
    known = scan(package)
    if name not in known:
        noun = package.rpartition(".")[2]
        raise InputError(Fault(f"Unknown name '{name}' in {noun}", hint=nearest(name, known)))
    return import_module(known[name])
