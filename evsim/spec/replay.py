"""Checks of populations that replay spikes, as far as they need no file."""

from __future__ import annotations

import math
import re

from evsim import units
from evsim.spec.faults import Faults
from evsim.spec.schema import Population, Spikes
from evsim.spec.source import Path

_FILE = re.compile(r"(.+?\.(?:csv|npz|h5|hdf5|nwb))(?::(.+))?", re.DOTALL)


def split_name(text: str) -> tuple[str, str | None]:
    """Return the file and the population that `FILE:POPULATION` names."""
    found = _FILE.fullmatch(text)
    return (found[1], found[2]) if found else (text, None)


def check_spikes(faults: Faults, path: Path, population: Population, spikes: Spikes) -> None:
    """Check a population with `spikes`."""
    for field in ("share", "init", "learn", "set"):
        if getattr(population, field):
            message = f"A population of spikes has no variables: `{field}` means nothing here."
            faults.add((*path, field), message, key=True)
    path = (*path, "spikes")
    listed = spikes.times is not None or spikes.neurons is not None
    data = faults.network.data
    given = data is not None and f"{path[1]}.spikes" in data.fields
    if (spikes.file is not None) + listed + given != 1:
        message = f"Population '{path[1]}' needs its spikes from exactly one place."
        hint = f"give `file`, or `times` and `neurons`, or set '{path[1]}.spikes' in `data.fields`"
        faults.add(path, message, hint, key=True)
    _check_file(faults, path, spikes)
    if listed:
        _check_lists(faults, path, spikes, math.prod(population.shape))
    if spikes.period is not None:
        exact = spikes.period / faults.network.dt
        if round(exact) < 1 or abs(exact - round(exact)) > 1e-6 * max(1.0, exact):
            message = f"The period is {exact:g} steps of dt = {faults.network.dt:g} s."
            faults.add((*path, "period"), message, "choose a multiple of `dt`")


def _check_file(faults: Faults, path: Path, spikes: Spikes) -> None:
    if spikes.file is not None and not _FILE.fullmatch(spikes.file):
        message = f"'{spikes.file}' is of no kind that holds spikes."
        hint = "write 'FILE.csv', 'FILE.npz', 'FILE.h5:POPULATION' or 'FILE.nwb:POPULATION'"
        faults.add((*path, "file"), message, hint)
    if spikes.unit is None:
        return
    if spikes.file is None:
        message = "`unit` is that of a file's times."
        faults.add((*path, "unit"), message, "give every time its unit", key=True)
    try:
        units.parse(spikes.unit, unit="second")
    except units.UnitError as error:
        faults.add((*path, "unit"), f"{str(error)[0].upper()}{str(error)[1:]}.")


def _check_lists(faults: Faults, path: Path, spikes: Spikes, size: int) -> None:
    times, neurons = spikes.times or (), spikes.neurons or ()
    if len(times) != len(neurons):
        message = f"There are {len(times)} times, but {len(neurons)} neurons."
        faults.add(path, message, "give every spike a time and a neuron", key=True)
    for index, text in enumerate(times):
        try:
            units.parse(text, unit="second")
        except units.UnitError as error:
            message = f"{str(error)[0].upper()}{str(error)[1:]}."
            faults.add((*path, "times", index), message)
    for index, neuron in enumerate(neurons):
        if neuron >= size:
            message = f"Population '{path[1]}' has {size} neurons, from 0: there is no {neuron}."
            faults.add((*path, "neurons", index), message)
