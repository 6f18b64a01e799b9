"""The looks of all figures, and how they are written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evsim import optional
from evsim.errors import RunError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 160

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


def save(contents: Callable[[Figure], None], out: Path) -> None:
    """Write a figure, as an SVG where the file's name ends so, else as a PNG.

    Parameters
    ----------
    contents : draws on an empty figure.

    Raises
    ------
    InputError : matplotlib is missing.
    RunError : the file cannot be written.
    """
    optional.require("matplotlib", "Figures need", "plot")
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        figure = Figure(layout="constrained")
        contents(figure)
        try:
            figure.savefig(out, dpi=DPI, format="svg" if out.suffix == ".svg" else "png")
        except OSError as error:
            raise RunError(f"Cannot write to '{out}': {error.strerror}") from error
