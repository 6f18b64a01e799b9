"""Writes a recording while the run goes on."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

from evsim.errors import RecordingError, RunError
from evsim.orchestrator.events import SPLITS, PhaseRecord, TrialRecord
from evsim.recording import hdf5, text
from evsim.recording.buffer import Buffer
from evsim.recording.columns import columns, spikes_path, states_path, sums_path
from evsim.recording.encoded import EncodedTrial, encode
from evsim.recording.layout import Layout


class Writer:
    """A recording that grows; a `Sink` of the orchestrator.

    Whatever ends the process, the file reads up to the last `commit`. Data wait in memory, up to
    1 MiB a dataset, until a block of them is worth writing. Use as a context manager: leaving it
    commits and closes.

    Attributes
    ----------
    path : of the file.
    layout : what it holds.
    """

    def __init__(self, path: Path, layout: Layout):
        self.path, self.layout = path, layout
        self._file: h5py.File | None = None
        self._clock = f"spikes/{layout.spikes[0]}/count" if layout.spikes else None
        with hdf5.writing(path):
            self._file = hdf5.open_for_writing(path)
            self._number, self._committed = hdf5.read_commit(self._file, columns(layout))
            self._buffers = {
                column.path: Buffer(self._file[column.path], column, self._committed[column.path])
                for column in columns(layout)
            }

    @classmethod
    def create(cls, path: Path, layout: Layout, provenance: Mapping[str, Any]) -> Writer:
        """Start a recording.

        Parameters
        ----------
        provenance : what made it, as JSON can hold it.

        Raises
        ------
        RecordingError : `path` exists.
        RunError : it cannot be written.
        """
        if path.exists():
            raise RecordingError(f"'{path}' exists; recordings are not overwritten")
        with hdf5.writing(path), replacing(path) as fresh:
            hdf5.create(fresh, layout, text.to_text(provenance))
        return cls(path, layout)

    @classmethod
    def reopen(cls, path: Path, layout: Layout, position: Mapping[str, int]) -> Writer:
        """Continue a recording from where a commit returned `position`; drop what came later.

        Raises
        ------
        RecordingError : it is damaged, holds something else or ends before `position`.
        RunError : it cannot be written.
        """
        file, found, closed = hdf5.open_for_reading(path)
        with file:
            layout = replace(layout, sums=found.sums)
            if found != layout or position.keys() != {c.path for c in columns(layout)}:
                raise RecordingError(
                    f"Recording '{path}' holds other populations, states or phases than this "
                    "network; start a new run"
                )
            with hdf5.reading(path):
                _, lengths = hdf5.read_commit(file, columns(layout))
            late = sorted(name for name in position if position[name] > lengths[name])
            if late:
                raise RecordingError(
                    f"Recording '{path}' ends before the checkpoint: '{late[0]}' is too short"
                )
            if not closed or any(len(file[name]) > rows for name, rows in position.items()):
                with hdf5.reading(path):
                    provenance = hdf5.read_text(file, "provenance")
                with hdf5.writing(path), replacing(path) as fresh:
                    hdf5.create(fresh, layout, provenance)
                    with cls(fresh, layout) as writer:
                        writer._copy(file, position)
        return cls(path, layout)

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def encode(self, phases: Sequence[PhaseRecord]) -> EncodedTrial:
        """Return what is kept of a trial's phases, for `trial`; any thread may do this.

        Raises
        ------
        ValueError : spikes contradict themselves, see `evsim.recording.encoded.encode`.
        """
        return encode(self.layout, phases)

    def trial(self, record: TrialRecord, encoded: EncodedTrial | None = None) -> None:
        """Keep one trial.

        Parameters
        ----------
        encoded : what `encode` made of its phases; made here where there is none.

        Raises
        ------
        RunError : it cannot be written.
        """
        with self._writing():
            found = self.encode(record.phases) if encoded is None else encoded
            self._append("trials/split", SPLITS.index(record.split))
            for name in ("epoch", "index", "sample", "label", "predicted", "residual"):
                self._append(f"trials/{name}", getattr(record, name))
            self._spikes(found)
            self._states(found)

    def weights(self, epoch: int, parameters: Mapping[str, NDArray[Any]]) -> None:
        """Keep the parameters as they are after `epoch` epochs (0: before the first).

        Raises
        ------
        RunError : they cannot be written.
        """
        if not self.layout.parameters:
            return
        with self._writing():
            self._append("weight_epochs", epoch)
            for parameter in self.layout.parameters:
                self._append(f"weights/{parameter.name}", parameters[parameter.name])

    def metrics(self, row: Mapping[str, Any]) -> None:
        """Keep one line of metrics.

        Raises
        ------
        RunError : it cannot be written.
        """
        with self._writing():
            line = (text.to_line(row) + "\n").encode()
            self._append("metrics", np.frombuffer(line, np.uint8))

    def commit(self) -> dict[str, int]:
        """Make all so far survive a crash; return the position to reopen from.

        Raises
        ------
        RunError : it cannot be written; the recording reads up to the commit before.
        """
        with self._writing() as file:
            for buffer in self._buffers.values():
                buffer.write()
            file.flush()
            self._number += 1
            lengths = {path: buffer.written for path, buffer in self._buffers.items()}
            hdf5.write_commit(file, self._number, lengths)
            file.flush()
            os.fsync(file.id.get_vfd_handle())
            self._committed = lengths
        return dict(self._committed)

    def close(self) -> None:
        """Commit and close; after a failed write, close only.

        Raises
        ------
        RunError : the last data cannot be written.
        """
        if self._file is None:
            return
        if any(buffer.end > self._committed[path] for path, buffer in self._buffers.items()):
            self.commit()
        with self._writing() as file:
            file.close()
            self._file = None

    def _copy(self, source: h5py.File, position: Mapping[str, int]) -> None:
        """Append what stands before `position` in another recording."""
        with self._writing():
            for path, buffer in self._buffers.items():
                rows = position[path]
                for begin in range(0, rows, buffer.capacity):
                    with hdf5.reading(Path(source.filename)):
                        data = source[path][begin : min(rows, begin + buffer.capacity)]
                    buffer.append(data)

    def _append(self, path: str, rows: ArrayLike) -> None:
        self._buffers[path].append(rows)

    def _spikes(self, trial: EncodedTrial) -> None:
        """Append the kept spikes of a trial, and where those of each phase begin."""
        first = self._buffers[self._clock].end if self._clock else 0
        self._append("trials/step_offset", _offsets(trial.steps, first))
        for name, spikes in trial.spikes.items():
            path = spikes_path(self.layout, name)
            self._append(f"trials/spike_offset/{name}", spikes.marks + self._buffers[path].end)
            if spikes.sums.size:
                self._append(sums_path(name), spikes.sums)
            self._append(path, spikes.data)
            self._append(f"spikes/{name}/count", spikes.count)

    def _states(self, trial: EncodedTrial) -> None:
        """Append the kept states of a trial, and where those of each phase begin."""
        for number, (entry, phases) in enumerate(
            zip(self.layout.states, trial.states, strict=True)
        ):
            paths = {v.name: states_path(number, entry, v.name) for v in entry.variables}
            first, *_ = paths
            lengths = [len(kept[first]) if kept else 0 for kept in phases]
            offsets = _offsets(lengths, self._buffers[paths[first]].end)
            self._append(f"trials/state_offset/{number}", offsets)
            for variable, path in paths.items():
                for kept in phases:
                    if kept:
                        self._append(path, kept[variable])

    @contextmanager
    def _writing(self) -> Iterator[h5py.File]:
        if self._file is None:
            raise RunError(f"Cannot write to '{self.path}': it is closed")
        try:
            with hdf5.writing(self.path):
                yield self._file
        except BaseException:
            self._abandon()
            raise

    def _abandon(self) -> None:
        """Let go of the file after a failed write: what follows the last commit is incomplete."""
        file, self._file = self._file, None
        if file is not None:
            hdf5.abandon(file)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path beside `path`; what is there in the end takes its place if nothing failed."""
    fresh = path.with_name(f".{path.name}.new")
    try:
        yield fresh
        os.replace(fresh, path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def _offsets(lengths: Sequence[int], first: int) -> NDArray[np.int64]:
    """Return where each of consecutive parts begins, and where the last ends."""
    return np.array(list(accumulate(lengths, initial=first)), np.int64)
