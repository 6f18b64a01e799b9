"""Libraries that evsim works without."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from evsim.errors import Fault, InputError


def require(module: str, what: str, extra: str) -> ModuleType:
    """Import a library.

    Parameters
    ----------
    what : what needs it, the start of a sentence.
    extra : of evsim, which installs it.

    Raises
    ------
    InputError : it is not installed.
    """
    try:
        return import_module(module)
    except ImportError:
        hint = f"install it: `pip install 'evsim[{extra}]'`"
        raise InputError(Fault(f"{what} {module.partition('.')[0]}", hint=hint)) from None
