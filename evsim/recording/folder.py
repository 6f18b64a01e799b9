"""The folder of one run: recording, network file, manifest and metrics."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evsim.errors import RecordingError, RunError
from evsim.recording import text

RECORDING = "recording.h5"
NETWORK = "network.yaml"
MANIFEST = "manifest.json"
METRICS = "metrics.jsonl"
STATUS = "status.json"
LATEST = "latest"
STAMP = "%Y%m%dT%H%M%SZ"
BESIDE = (NETWORK, MANIFEST, METRICS, STATUS)
"""Files of a run besides the recording."""

PATIENCE = 0.5
"""Time for which who wants to write waits, as `RunFolder.is_written` locks for a moment, s."""


class RunFolder:
    """A run's folder, `ROOT/NAME/UTC-ID`; `ROOT/NAME/latest` points at the newest.

    Attributes
    ----------
    path : of the folder.
    """

    def __init__(self, path: Path):
        self.path = path

    @property
    def checkpoints(self) -> Path:
        """The folder of what `resume` needs."""
        return self.path / "checkpoints"

    @classmethod
    def create(
        cls, root: Path, name: str, network_text: str, manifest: Mapping[str, Any]
    ) -> RunFolder:
        """Make a new folder with the network file and the manifest; never one that exists.

        Raises
        ------
        RunError : it cannot be written.
        """
        parent = root / name
        with _writing(parent):
            parent.mkdir(parents=True, exist_ok=True)
            stamp = datetime.now(UTC).strftime(STAMP)
            path = parent / f"{stamp}-{secrets.token_hex(3)}"
            path.mkdir()
            folder = cls(path)
            _replace(folder.network, network_text)
            _replace(path / MANIFEST, text.to_text(manifest))
            folder.metrics.touch()
            _point(parent / LATEST, path.name)
        return folder

    @classmethod
    def open(cls, path: str | Path) -> RunFolder:
        """Open the folder of a run, given it, its `latest` link or a file in it.

        Raises
        ------
        RecordingError : it is not a run's folder, or its manifest is damaged.
        """
        folder = cls(recording_path(Path(path)).parent)
        _ = folder.manifest
        return folder

    @property
    def recording(self) -> Path:
        """Path of the HDF5 file."""
        return self.path / RECORDING

    @property
    def network(self) -> Path:
        """Path of the network file as it was given."""
        return self.path / NETWORK

    @property
    def metrics(self) -> Path:
        """Path of the metrics, one line of JSON an epoch and split."""
        return self.path / METRICS

    @property
    def manifest(self) -> dict[str, Any]:
        """What made the run and how it went.

        Raises
        ------
        RecordingError : it is missing or damaged.
        """
        path = self.path / MANIFEST
        try:
            manifest = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            raise RecordingError(f"'{self.path}' is not a run: it has no {MANIFEST}") from None
        except (OSError, ValueError) as error:
            raise RecordingError(f"'{path}' cannot be read: {error}") from error
        if not isinstance(manifest, dict):
            raise RecordingError(f"'{path}' is not a manifest: it holds no fields")
        return manifest

    def update_manifest(self, **fields: Any) -> None:
        """Set fields of the manifest; a crash leaves the old or the new one.

        Raises
        ------
        RunError : it cannot be written.
        """
        manifest = self.manifest | fields
        with _writing(self.path):
            _replace(self.path / MANIFEST, text.to_text(manifest))

    def append_metrics(self, row: Mapping[str, Any]) -> None:
        """Add a line of metrics and wait until it is on disk.

        Raises
        ------
        RunError : it cannot be written.
        """
        with _writing(self.path), self.metrics.open("a", encoding="utf-8") as file:
            file.write(text.to_line(row) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def read_metrics(self) -> list[dict[str, Any]]:
        """Return the lines of metrics so far; one that is being written is left out."""
        try:
            lines = self.metrics.read_text("utf-8").split("\n")[:-1]
            return [json.loads(line) for line in lines]
        except (OSError, ValueError) as error:
            raise RecordingError(f"'{self.metrics}' cannot be read: {error}") from error

    def replace_metrics(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write all lines of metrics anew, as a run that is resumed needs.

        Raises
        ------
        RunError : they cannot be written.
        """
        with _writing(self.path):
            _replace(self.metrics, "".join(text.to_line(row) + "\n" for row in rows))

    @property
    def status(self) -> dict[str, Any]:
        """How far the run is, see `evsim.recording.status`; empty where that is not known."""
        try:
            found = json.loads((self.path / STATUS).read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def write_status(self, status: Mapping[str, Any]) -> None:
        """Replace the status, at once for all who look; a full disk keeps the old one."""
        fresh = self.path / f".{STATUS}.new"
        with suppress(OSError):
            fresh.write_text(text.to_text(status), "utf-8")
            os.replace(fresh, self.path / STATUS)

    @property
    def is_written(self) -> bool:
        """Whether a process is writing to this run now."""
        try:
            handle = os.open(self.path, os.O_RDONLY)
        except OSError as error:
            raise RecordingError(f"'{self.path}' cannot be read: {error.strerror}") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
        return False

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes from writing to this run; those that only look do not hinder.

        Raises
        ------
        RecordingError : one does already.
        """
        with _writing(self.path):
            handle = os.open(self.path, os.O_RDONLY)
        if not _locks(handle):
            os.close(handle)
            raise RecordingError(
                f"Run '{self.path}' is being written by another process; wait until it ends"
            )
        try:
            yield
        finally:
            os.close(handle)


def recording_path(path: Path) -> Path:
    """Return the HDF5 file that `path` stands for: itself, a run's, or the latest run's in it.

    Raises
    ------
    RecordingError : there is nothing at `path`, or a folder without runs.
    """
    if not path.exists():
        raise RecordingError(f"No run at '{path}'; name a run's folder or its {RECORDING}")
    if not path.is_dir():
        return path.parent / RECORDING if path.name in BESIDE else path
    inside = path if (path / MANIFEST).exists() or not (path / LATEST).exists() else path / LATEST
    folder = inside.resolve()
    if not (folder / MANIFEST).exists() and not (folder / RECORDING).exists():
        raise RecordingError(f"'{path}' is not a run: it has no {MANIFEST}; name a run's folder")
    return folder / RECORDING


def begun(folder: Path) -> datetime | None:
    """Return when a run began, by its folder's name; None where it was named otherwise."""
    try:
        return datetime.strptime(folder.name.partition("-")[0], STAMP).replace(tzinfo=UTC)
    except ValueError:
        return None


def manifest_beside(recording: Path) -> dict[str, Any]:
    """Return the manifest of the folder that holds `recording`; empty without."""
    if not (recording.parent / MANIFEST).exists():
        return {}
    return RunFolder(recording.parent).manifest


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunError(f"Cannot write to '{path}': {error.strerror}") from error


def _locks(handle: int) -> bool:
    """Return whether an exclusive lock was had within `PATIENCE`."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > end:
                return False
            time.sleep(0.01)


def _replace(path: Path, content: str) -> None:
    """Write a file so that a crash leaves the old one or all of the new one."""
    fresh = path.with_name(f".{path.name}.new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, path)


def _point(link: Path, target: str) -> None:
    """Let a symbolic link point at `target`, at once for all who look."""
    fresh = link.with_name(f".{link.name}.{target}")
    fresh.symlink_to(target, target_is_directory=True)
    os.replace(fresh, link)
