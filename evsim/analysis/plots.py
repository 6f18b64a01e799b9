"""Figures of a recording as picture files."""

from __future__ import annotations

from pathlib import Path

from evsim import registry
from evsim.analysis.style import save
from evsim.errors import Fault, InputError
from evsim.recording.reader import Run

FIGURES = "evsim.analysis.figures"


def plot(run: Run, what: str, out: Path, trial: int | None = None) -> None:
    """Draw a figure of a recording.

    Parameters
    ----------
    what : name of a figure, one of `registry.names(FIGURES)`.
    out : file to write, a PNG or an SVG by the ending of its name.
    trial : row of `run.trials` where one is drawn; by default one of the last epoch.

    Raises
    ------
    InputError : matplotlib is missing, there is no such figure, it is not of one trial, or the
        recording lacks its data.
    RunError : the file cannot be written.
    """
    chosen = registry.load(FIGURES, what)
    if trial is not None and not _of_one_trial(what):
        fitting = [name for name in registry.names(FIGURES) if _of_one_trial(name)]
        raise InputError(
            Fault(f"Figure '{what}' is not of one trial.", hint=f"these are: {', '.join(fitting)}")
        )
    save(lambda figure: chosen.draw(run, figure, trial), out)


def _of_one_trial(what: str) -> bool:
    """Return whether a figure can be of one trial, which its module says."""
    return getattr(registry.load(FIGURES, what), "OF_ONE_TRIAL", False)
