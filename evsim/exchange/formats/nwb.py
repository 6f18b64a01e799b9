"""Neurodata Without Borders: units, samples and trials on one axis of time, written with pynwb.

Units are in the order of populations and neurons; spikes of a unit must follow each other in the
file, so a recording is gone through once to count them and once for every `BLOCK` of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from evsim import optional
from evsim.exchange.placing import new_hdf5
from evsim.exchange.session import Session, Signal
from evsim.spikefiles.base import Table

SUFFIX = ".nwb"
BLOCK = 1 << 23
"""Spikes that are put into the order of units at once, unless one unit has more."""

TRIALS = {
    "start_time": "Start of the trial's first step, s",
    "stop_time": "End of the trial's last step, s, where the next trial starts",
    "trial": "Row of the trial in the recording's table",
    "epoch": "Pass over the data, from 0",
    "split": "Samples that it is of: train, validation or test",
    "index": "Position in its pass",
    "sample": "Sample of the split's data",
    "label": "Class of the sample, -1 without",
    "predicted": "Class that the network predicted, -1 without",
    "residual": "How far the network was from settled, NaN where not measured",
}
PHASES = {
    "start_time": "Start of the phase's first step, s",
    "stop_time": "End of the phase's last step, s",
    "trial": "The trial, as in the column of that name of the table of trials",
    "phase": "Name of the phase",
    "spikes": "Whether spikes of the phase were kept",
}


def left_out(session: Session) -> list[str]:
    """Return what this format does not hold."""
    return []


def write(session: Session, path: Path, facts: Mapping[str, Any]) -> None:
    """Write a file.

    Raises
    ------
    InputError : pynwb is not installed.
    RecordingError : the recording is damaged.
    """
    pynwb = optional.require("pynwb", "Writing NWB files needs", "exchange")
    file = pynwb.NWBFile(
        session_description=f"Simulation of the network '{facts['name']}' with evsim",
        identifier=str(uuid4()),
        experiment_description="Spikes and states of a simulated network; there is no subject",
        session_start_time=datetime.fromisoformat(facts["started"]),
        notes=json.dumps(facts),
        source_script=session.network or None,
        source_script_file_name="network.yaml" if session.network else None,
        trials=_intervals("trials", "Trials, one after the other", session.trials(), TRIALS),
    )
    file.add_time_intervals(_intervals("phases", "Phases of the trials", session.phases(), PHASES))
    counts = {name: _counts(session, name) for name in session.populations}
    times = _reserved((sum(int(count.sum()) for count in counts.values()),), np.float64)
    if counts:
        file.units = _units(session, counts, times)
    series = [(signal, _series(session, signal)) for signal in session.signals]
    for _, one in series:
        file.add_acquisition(one)
    with new_hdf5(path) as place, pynwb.NWBHDF5IO(file=place, mode="w") as target:
        target.write(file)
        _fill(times, (block for name in counts for block in _sorted(session, name, counts[name])))
        for signal, one in series:
            _fill(one.fields["data"], (values for *_, values in session.samples(signal)))


def _reserved(shape: tuple[int, ...], dtype: Any) -> Any:
    """Return a place for values that are written later, part by part."""
    from hdmf.backends.hdf5 import H5DataIO

    if not shape[0]:
        return H5DataIO(np.zeros(shape, dtype))
    return H5DataIO(shape=shape, dtype=np.dtype(dtype), chunks=True, compression="gzip")


def _fill(place: Any, blocks: Iterator[NDArray[Any]]) -> None:
    """Write values after each other into a place that was reserved for them."""
    begin = 0
    for block in (block for block in blocks if len(block)):
        place.dataset[begin : begin + len(block)] = block
        begin += len(block)


def _intervals(name: str, description: str, table: Table, columns: Mapping[str, str]) -> Any:
    from hdmf.common import VectorData
    from pynwb.epoch import TimeIntervals

    found = []
    for column, meaning in columns.items():
        values = table[column]
        if values.dtype.kind != "f" or not np.isnan(values).all():
            data = values.tolist() if values.dtype.kind == "U" else values
            found.append(VectorData(name=column, description=meaning, data=data))
    return TimeIntervals(name=name, description=description, columns=found)


def _units(session: Session, counts: Mapping[str, NDArray[np.int64]], times: Any) -> Any:
    """Return a table of all neurons of some populations."""
    from hdmf.common import VectorData, VectorIndex
    from pynwb.misc import Units

    ends = np.cumsum(np.concatenate(list(counts.values())))
    observed = _observed(session)
    spikes = VectorData(name="spike_times", description="Times of spikes, s", data=times)
    intervals = VectorData(
        name="obs_intervals",
        description="Time of which spikes were kept, s",
        data=np.tile(observed, (len(ends), 1)),
    )
    names = [name for name, count in counts.items() for _ in range(len(count))]
    numbers = np.concatenate([np.arange(len(count)) for count in counts.values()])
    columns = [
        VectorIndex(name="spike_times_index", data=ends.astype(np.uint64), target=spikes),
        spikes,
        VectorIndex(
            name="obs_intervals_index",
            data=np.arange(1, len(ends) + 1, dtype=np.uint64) * np.uint64(len(observed)),
            target=intervals,
        ),
        intervals,
        VectorData(name="population", description="Population of the neuron", data=names),
        VectorData(
            name="node_id",
            description="Number of the neuron, the C-order index in its population's shape",
            data=numbers,
        ),
    ]
    return Units(
        name="units",
        description="Neurons whose spikes were recorded",
        resolution=session.dt,
        columns=columns,
        colnames=["spike_times", "obs_intervals", "population", "node_id"],
    )


def _observed(session: Session) -> NDArray[np.float64]:
    """Return the stretches of which spikes are kept, (stretch, 2) s."""
    begin = session.begin[session.spiking]
    end = begin + session.length[session.spiking]
    apart = begin[1:] != end[:-1]
    first, last = begin[np.append(True, apart)], end[np.append(apart, True)]
    return np.stack([first, last], axis=1) * session.dt


def _counts(session: Session, population: str) -> NDArray[np.int64]:
    """Return the spikes of each neuron, (neuron,)."""
    found = np.zeros(session.run.layout.population(population).size, np.int64)
    for trains in session.spikes(population):
        found += np.bincount(trains.neuron, minlength=len(found))
    return found


def _sorted(
    session: Session, population: str, counts: NDArray[np.int64]
) -> Iterator[NDArray[np.float64]]:
    """Yield the times of all spikes in the order of neuron and time, some neurons at a time."""
    for first, last in _blocks(counts):
        begin = np.cumsum(counts[first:last]) - counts[first:last]
        times = np.zeros(int(counts[first:last].sum()))
        for trains in session.spikes(population):
            here = (trains.neuron >= first) & (trains.neuron < last)
            neuron = trains.neuron[here].astype(np.int64) - first
            order = np.argsort(neuron, kind="stable")
            added = np.bincount(neuron, minlength=last - first)
            rank = np.arange(len(neuron)) - np.repeat(np.cumsum(added) - added, added)
            place = begin[neuron[order]] + rank
            times[place] = session.axis_steps(trains)[here][order] * session.dt
            begin += added
        yield times


def _blocks(counts: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Yield ranges of neurons that have at most `BLOCK` spikes, or are one neuron."""
    ends = np.cumsum(counts)
    first = 0
    while first < len(counts):
        limit = ends[first] - counts[first] + BLOCK
        last = max(first + 1, int(np.searchsorted(ends, limit, side="right")))
        yield first, last
        first = last


def _series(session: Session, signal: Signal) -> Any:
    """Return the samples of a signal, without their values."""
    from pynwb import TimeSeries

    begin = session.begin[:, 0]
    steps = np.concatenate(
        [first + one for first, one in zip(begin, session.sample_steps(signal), strict=True)]
    )
    apart = np.unique(np.diff(steps))
    if len(apart) == 1:
        clock = {"starting_time": steps[0] * session.dt, "rate": 1 / (apart[0] * session.dt)}
    else:
        clock = {"timestamps": steps * session.dt}
    return TimeSeries(
        name=signal.name,
        description=signal.description,
        data=_reserved((len(steps), signal.variable.width), signal.variable.dtype),
        unit="n.a." if signal.unit == "1" else signal.unit,
        **clock,
    )
