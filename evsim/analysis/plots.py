"""Figures of a recording as picture files."""

from __future__ import annotations

from pathlib import Path

from evsim import registry
from evsim.analysis.style import save
from evsim.recording.reader import Run

FIGURES = "evsim.analysis.figures"


def plot(run: Run, what: str, out: Path, trial: int | None = None) -> None:
    """Draw a figure of a recording.

    Parameters
    ----------
    what : name of a figure, one of `registry.names(FIGURES)`.
    out : file to write, a PNG or, where its name ends so, an SVG.
    trial : row of `run.trials` where one is drawn; by default one of the last epoch.

    Raises
    ------
    InputError : matplotlib is missing, there is no such figure, or the recording lacks its data.
    RunError : the file cannot be written.
    """
    draw = registry.load(FIGURES, what).draw
    save(lambda figure: draw(run, figure, trial), out)
