"""The looks of all figures, and how they are written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evsim import optional
from evsim.errors import Fault, InputError, RunError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 160

ENDINGS = (".png", ".svg")
"""Of files that figures are written to."""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")

_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.edgecolor": "#555555",
    "axes.labelcolor": "#333333",
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "legend.edgecolor": "none",
    "legend.framealpha": 0.85,
    "image.interpolation": "nearest",
}


def check_ending(out: Path) -> None:
    """Check that a file's name says which kind of picture it is to be.

    Raises
    ------
    InputError : it does not.
    """
    if out.suffix.lower() not in ENDINGS:
        raise InputError(
            Fault(f"'{out}' does not name a kind of picture", hint=f"known: {', '.join(ENDINGS)}")
        )


def save(contents: Callable[[Figure], None], out: Path) -> None:
    """Write a figure, as a PNG or an SVG by the ending of the file's name.

    Parameters
    ----------
    contents : draws on an empty figure.

    Raises
    ------
    InputError : matplotlib is missing, or the name has another ending.
    RunError : the file cannot be written.
    """
    check_ending(out)
    optional.require("matplotlib", "Figures need", "plot")
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        figure = Figure(layout="constrained")
        contents(figure)
        try:
            figure.savefig(out, dpi=DPI, format=out.suffix.lower()[1:])
        except OSError as error:
            raise RunError(f"Cannot write to '{out}': {error.strerror}") from error
