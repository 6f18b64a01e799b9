"""Populations that replay spikes."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim import units
from evsim.build.faults import Faults, Path
from evsim.build.plan import Population, Replay
from evsim.errors import InputError
from evsim.replay import ReplayError, spike_list
from evsim.spec import schema
from evsim.spec.replay import split_name
from evsim.spikefiles import SpikeFileError, read


def build_replay(
    network: schema.Network, name: str, beside: FilePath, faults: Faults
) -> Population:
    """Return a population that replays spikes; mistakes of its file or list go to `faults`.

    Parameters
    ----------
    beside : folder that relative paths start from.
    """
    declared = network.populations[name]
    spikes, path = declared.spikes, ("populations", name, "spikes")
    assert spikes is not None
    period = round((spikes.period or 0.0) / network.dt)
    size = int(np.prod(declared.shape))
    found = None
    try:
        times, neurons = _spikes(spikes, beside, faults, path)
        if times is not None:
            found = spike_list(times, neurons, size, network.dt, period, merge=False)
    except SpikeFileError as error:
        faults.add((*path, "file"), f"The spikes cannot be read: {error}.")
    except InputError as error:  # The library that reads this format is not there.
        (fault,) = error.faults
        faults.add((*path, "file"), f"{fault.message}.", fault.hint)
    except ReplayError as error:
        number = error.index + 1
        if spikes.file is not None:
            place: Path = (*path, "file")
            message = f"Spike {number} of '{spikes.file}' cannot be replayed: {error.message}."
        else:
            place = (*path, "neurons" if error.neuron else "times", error.index)
            message = f"Spike {number} cannot be replayed: {error.message}."
        faults.add(place, message, error.hint)
    replay = Replay(found, period)
    return Population(name, declared.shape, {}, None, spikes=True, replay=replay)


def _spikes(
    spikes: schema.Spikes, beside: FilePath, faults: Faults, path: Path
) -> tuple[NDArray[Any] | None, NDArray[Any]]:
    """Return times in s and neurons; None where every trial brings its own."""
    if spikes.file is not None:
        file, population = split_name(spikes.file)
        found = read(beside / file, only=population)
        chosen = found.one(population)
        if chosen.trial is not None and found.length > 1:
            raise SpikeFileError(
                f"'{found.path}' holds {found.length} trials; `data: {{name: spikes}}` gives each "
                "trial its own"
            )
        if found.timed and spikes.unit is not None:
            message = f"'{found.path}' itself says in which unit its times are."
            faults.add((*path, "unit"), message, "leave `unit` out")
        unit = 1.0 if found.timed else units.parse(spikes.unit or "second").value
        return chosen.time * unit, chosen.neuron
    if spikes.times is None or spikes.neurons is None:
        return None, np.zeros(0)
    return np.array([units.parse(t).value for t in spikes.times]), np.array(spikes.neurons)
