"""SONATA: a folder with `spikes.h5` and a file for each report of samples.

Dai et al., "The SONATA data format for efficient description of large-scale network models" (2020),
sections on spikes and reports, as libsonata and BMTK read them. Nothing is compressed, which
libsonata's packages cannot read. What SONATA has no place for is in the group `/evsim`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from evsim.exchange.placing import new_hdf5
from evsim.exchange.session import Session, Signal
from evsim.spikefiles.base import Table
from evsim.spikefiles.sonata import MAGIC, SPIKES

SUFFIX = ""
VERSION = (0, 1)
SORTING = {"none": 0, "by_id": 1, "by_time": 2}
MS = 1e3
CHUNK = 1 << 14


def left_out(session: Session) -> list[str]:
    """Return what this format does not hold."""
    apart = [signal.name for signal in session.signals if _grid(session, signal) is None]
    reports = [f"samples of {name}, not all the same time apart" for name in apart]
    wide = [s.name for s in session.signals if s.variable.dtype not in ("float32", "uint8")]
    return reports + [f"more than single precision of {name}" for name in wide if name not in apart]


def write(session: Session, path: Path, facts: Mapping[str, Any]) -> None:
    """Write the files into a folder.

    Raises
    ------
    RecordingError : the recording is damaged.
    """
    with _create(path / SPIKES) as file:
        for name in session.populations:
            _spikes(session, name, file.create_group(f"spikes/{name}"))
        own = file.create_group("evsim")
        own["metadata"], own["network"] = json.dumps(facts), session.network
        _table(own.create_group("trials"), session.trials())
        _table(own.create_group("phases"), session.phases())
    for signal in session.signals:
        grid = _grid(session, signal)
        if grid is not None:
            with _create(path / f"{signal.name}.h5") as file:
                _report(
                    session, signal, *grid, file.create_group(f"report/{signal.kept.population}")
                )


@contextmanager
def _create(path: Path) -> Iterator[h5py.File]:
    with new_hdf5(path) as file:
        file.attrs["magic"] = np.uint32(MAGIC)
        file.attrs["version"] = np.array(VERSION, np.uint32)
        yield file


def _spikes(session: Session, population: str, group: h5py.Group) -> None:
    sorting = h5py.enum_dtype(SORTING, basetype="u1")
    group.attrs.create("sorting", SORTING["by_time"], dtype=sorting)
    growing: Any = {"shape": (0,), "maxshape": (None,), "chunks": (CHUNK,)}
    times = group.create_dataset("timestamps", dtype=np.float64, **growing)
    nodes = group.create_dataset("node_ids", dtype=np.uint64, **growing)
    times.attrs["units"] = "ms"
    for trains in session.spikes(population):
        end = len(times) + len(trains)
        values = session.axis_steps(trains) * session.dt * MS
        for dataset, added in ((times, values), (nodes, trains.neuron)):
            dataset.resize(end, axis=0)
            dataset[end - len(trains) :] = added


def _table(group: h5py.Group, table: Table) -> None:
    for name, values in table.items():
        if values.dtype.kind == "U":
            group.create_dataset(name, data=values.astype(object), dtype=h5py.string_dtype())
        elif name in ("start_time", "stop_time"):
            # As the times of spikes are, so that those of a trial are in its interval.
            group[name] = values * MS
            group[name].attrs["units"] = "ms"
        else:
            group[name] = values


def _grid(session: Session, signal: Signal) -> tuple[int, int, int] | None:
    """Return first step, end and distance of a grid that all samples of a signal lie on.

    None where it has points between the samples of a phase: samples of a phase whose length is no
    multiple of their distance.
    """
    every = signal.kept.every
    begin = session.begin[:, 0]
    steps = np.concatenate(
        [first + one for first, one in zip(begin, session.sample_steps(signal), strict=True)]
    )
    if ((steps - steps[0]) % every).any():
        return None
    return int(steps[0]), int(steps[-1]) + every, every


def _report(
    session: Session, signal: Signal, first: int, end: int, every: int, group: h5py.Group
) -> None:
    """Write a signal as a report: NaN at points of the grid without a sample."""
    width = signal.variable.width
    rows = max(1, CHUNK // width)
    shape: tuple[int, int] = ((end - first) // every, width)
    data = group.create_dataset(
        "data", shape, np.float32, chunks=(min(rows, shape[0]), width), fillvalue=np.nan
    )
    data.attrs["units"] = signal.unit
    for trial, steps, values in session.samples(signal):
        row = (session.begin[trial, 0] + steps - first) // every
        for begin, stop in _runs(row):
            data[row[begin] : row[begin] + stop - begin] = values[begin:stop]
    nodes = signal.neurons if len(signal.neurons) else np.zeros(1, np.int64)
    mapping = group.create_group("mapping")
    mapping["node_ids"] = nodes.astype(np.uint64)
    mapping["node_ids"].attrs["sorted"] = np.uint8((np.diff(nodes) > 0).all())
    mapping["index_pointers"] = np.arange(width + 1, dtype=np.uint64)
    mapping["index_pointer"] = mapping["index_pointers"]
    mapping["element_ids"] = np.zeros(width, np.uint32)
    mapping["element_pos"] = np.zeros(width, np.float32)
    mapping["time"] = np.array([first, end, every]) * session.dt * MS
    mapping["time"].attrs["units"] = "ms"


def _runs(rows: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return begins and ends of stretches of rows that follow each other."""
    breaks = np.flatnonzero(np.diff(rows) != 1) + 1
    edges = [0, *breaks.tolist(), len(rows)]
    return list(zip(edges, edges[1:], strict=False))
