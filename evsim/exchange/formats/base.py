"""What the file of a format defines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from evsim.exchange.session import Session


class Format(Protocol):
    """A format that recordings are exported to.

    Attributes
    ----------
    SUFFIX : of its file; empty where it is a folder of several.
    """

    SUFFIX: str

    def left_out(self, session: Session) -> list[str]:
        """Return what this format does not hold of the spikes, states and trials."""

    def write(self, session: Session, path: Path, facts: Mapping[str, Any]) -> None:
        """Write to `path`, where there is nothing, or an empty folder.

        Raises
        ------
        InputError : the library that writes the format is not installed.
        RecordingError : the recording is damaged.
        """
