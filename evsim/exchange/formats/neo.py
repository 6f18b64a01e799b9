"""Neo: a file `.mat` of NeoMatlabIO, with a segment for each trial, whose time starts at 0.

Of the formats that Neo writes and reads whole, NIX takes some 15 ms and 20 kB a spike train, and
Neo's pickles run code when they are read; a `.mat` file takes a fifteenth of both, and MATLAB reads
it as well. As Neo holds all objects in memory, so does this export.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim import optional
from evsim.errors import Fault, InputError
from evsim.exchange.session import Session, Signal

SUFFIX = ".mat"


def left_out(session: Session) -> list[str]:
    """Return what this format does not hold."""
    # Neo reads what has one sample, or one phase, back in another shape.
    single = [
        signal.name
        for signal in session.signals
        if any(len(steps) == 1 for steps in session.sample_steps(signal))
    ]
    return [f"{name} in trials of one sample" for name in single]


def write(session: Session, path: Path, facts: Mapping[str, Any]) -> None:
    """Write a file.

    Raises
    ------
    InputError : neo is not installed, or there is more than the format takes.
    RecordingError : the recording is damaged.
    """
    neo = optional.require("neo", "Writing files of Neo needs", "exchange")
    notes = {"network": session.network} if session.network else {}
    block = neo.Block(name=facts["name"], evsim=json.dumps(facts), **notes)
    block.segments.extend(_segments(neo, session))
    segments = dict(zip(session.rows.tolist(), block.segments, strict=True))
    for population in session.populations:
        for trains in session.spikes(population):
            for train in trains.neo():
                segments[train.annotations["trial"]].spiketrains.append(train)
    for signal in session.signals:
        for trial, steps, values in session.samples(signal):
            if len(steps) > 1:
                _add(neo, block.segments[trial], signal, steps, session.dt, values)
    try:
        neo.io.NeoMatlabIO(str(path)).write_block(block)
    except ValueError as error:  # As SciPy's MatWriteError is.
        hint = "choose fewer trials with `--trials`, or another format"
        message = f"A file of Neo cannot hold as much: {error}"
        raise InputError(Fault(message, hint=hint)) from None


def _segments(neo: Any, session: Session) -> list[Any]:
    """Return a segment for each trial, annotated with its columns, with its phases as epochs."""
    trials, phases = session.trials(), session.phases()
    found = []
    for at, row in enumerate(session.rows.tolist()):
        notes = {name: values[at].item() for name, values in trials.items()}
        segment = neo.Segment(name=f"trial {row}", **notes)
        here = phases["trial"] == row
        if here.sum() > 1:
            start = phases["start_time"][here]
            segment.epochs.append(
                neo.Epoch(
                    times=start - start[0],
                    durations=phases["stop_time"][here] - start,
                    labels=phases["phase"][here].astype(object),  # Else MATLAB pads them.
                    units="s",
                    name="phases",
                )
            )
        found.append(segment)
    return found


def _add(
    neo: Any,
    segment: Any,
    signal: Signal,
    steps: NDArray[np.int64],
    dt: float,
    values: NDArray[Any],
) -> None:
    """Add the samples of a trial to its segment; where they are all as far apart, as a signal."""
    from quantities import Quantity

    notes = {
        "units": "dimensionless" if signal.unit == "1" else signal.unit,
        "name": signal.name,
        "description": signal.description,
        "population": signal.kept.population,
        "variable": signal.variable.name,
        "neurons": signal.neurons,
    }
    apart = np.unique(np.diff(steps))
    if len(apart) == 1:
        clock = {"t_start": steps[0] * dt, "sampling_period": apart[0] * dt}
        times = {name: Quantity(value, "s") for name, value in clock.items()}
        segment.analogsignals.append(neo.AnalogSignal(values, **times, **notes))
    else:
        times = Quantity(steps * dt, "s")
        segment.irregularlysampledsignals.append(
            neo.IrregularlySampledSignal(times, values, **notes)
        )
