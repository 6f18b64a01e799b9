"""Engines that run Plans; every folder is one, with `applies(plan)` and `compile(plan)`."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType


def load(name: str) -> ModuleType:
    """Import the engine `name`: "fused" or "reference"."""
    return import_module(f"evsim.engines.{name}.engine")
