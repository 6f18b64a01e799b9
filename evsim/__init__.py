"""Spiking networks written as Brian2 equations, trained and recorded at the speed of kernels.

import evsim

network = evsim.load("networks/conv_ep.yaml", ["protocol.epochs=1"])
result = evsim.run(network)
recording = evsim.open(result.folder)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evsim.errors import EvsimError as EvsimError
    from evsim.recording.reader import open_run as open
    from evsim.script import compile
    from evsim.simulate import load, resume, run
    from evsim.summary import check, explain

__version__ = "0.1.0"

__all__ = ["EvsimError", "check", "compile", "explain", "load", "open", "resume", "run"]

_PLACES = {
    "EvsimError": ("evsim.errors", "EvsimError"),
    "compile": ("evsim.script", "compile"),
    "open": ("evsim.recording.reader", "open_run"),
    **{name: ("evsim.simulate", name) for name in ("load", "resume", "run")},
    **{name: ("evsim.summary", name) for name in ("check", "explain")},
}


def __getattr__(name: str) -> Any:
    """Import what is asked for only then: Brian2 and Numba take seconds."""
    if name not in _PLACES:
        raise AttributeError(f"module 'evsim' has no attribute '{name}'")
    module, attribute = _PLACES[name]
    return getattr(import_module(module), attribute)
