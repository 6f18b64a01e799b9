"""Errors that users meet: where, what, and what instead.

A `Fault` is one mistake at one place. Stages that read what users wrote collect faults and raise
them together, so that a file is mended in one go.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, replace

WIDTH = 100
"""Longest excerpt of a line that a message shows, in characters."""


@dataclass(frozen=True)
class Mark:
    """A place in a text file; `line` and `column` count from 1, line 0 stands for the whole."""

    file: str
    line: int
    column: int
    length: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


def _window(line: str, column: int) -> tuple[str, int]:
    """Return the part of a long line around `column`, and the column in it."""
    line = line.replace("\t", " ")
    start = max(0, column - WIDTH // 2) if len(line) > WIDTH else 0
    text = line[start : start + WIDTH]
    return text, min(column - start, len(text))


@dataclass(frozen=True)
class Fault:
    """One mistake: what is wrong, where, and what to write instead.

    Attributes
    ----------
    message : what is wrong, with the offending value in single quotes.
    mark : where it stands; None when there is no file to point at.
    excerpt : the line of the file that `mark` points at.
    hint : what to write instead.
    """

    message: str
    mark: Mark | None = None
    excerpt: str = ""
    hint: str = ""

    def at(self, mark: Mark, excerpt: str) -> Fault:
        """Return the fault with a place; its own, where it has one."""
        return self if self.mark else replace(self, mark=mark, excerpt=excerpt)

    def __str__(self) -> str:
        where = f"{self.mark}: " if self.mark else ""
        lines = [where + self.message]
        if self.mark and self.excerpt:
            number = str(self.mark.line)
            text, column = _window(self.excerpt, self.mark.column - 1)
            lines.append(f"  {number} | {text}")
            length = max(1, min(self.mark.length, len(text) - column))
            lines.append(f"  {' ' * len(number)} | {' ' * column}{'^' * length}")
        if self.hint:
            lines.append(f"  {self.hint}")
        return "\n".join(lines)


class EvsimError(Exception):
    """Base of every error that evsim raises on purpose; `exit_code` is the command line's."""

    exit_code = 1


class InputError(EvsimError):
    """What the user gave cannot be used: a network file, data, an option, a recording."""

    exit_code = 2

    def __init__(self, faults: str | Fault | Iterable[Fault]):
        if isinstance(faults, str):
            faults = [Fault(faults)]
        elif isinstance(faults, Fault):
            faults = [faults]
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class SpecError(InputError):
    """The network file cannot be read or contradicts itself."""


class BuildError(InputError):
    """The network is well-formed but cannot be built: equations, units, shapes."""


class EngineError(InputError):
    """The chosen engine cannot run this network."""


class DataError(InputError):
    """A data set is missing, truncated or fails its checksum."""


class RecordingError(InputError):
    """A recording or run folder is missing, damaged or of another kind."""


class RunError(EvsimError):
    """A run that started could not go on: a state is not finite, the disk is full."""


class Interrupted(EvsimError):
    """The user asked the run to stop; its state is saved."""

    exit_code = 130


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint that names the closest of `known`, or lists them all.

    Examples
    --------
    >>> nearest("lfi", ["adex", "lif"])
    "did you mean 'lif'? known: adex, lif"
    """
    names = sorted(known)
    if not names:
        return "none is defined"
    listing = "known: " + ", ".join(names)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"did you mean '{close[0]}'? {listing}" if close else listing
