"""Checks of the `arrays` section."""

from __future__ import annotations

from evsim import units
from evsim.spec.faults import Faults, sentence
from evsim.spec.neurons import built_in
from evsim.spec.source import Path


def check_arrays(faults: Faults) -> None:
    """Check the `arrays` section; files are read when the network is built."""
    for name, array in faults.network.arrays.items():
        path: Path = ("arrays", name)
        if (array.file is None) == (array.values is None):
            message = f"Array '{name}' needs exactly one of `file` and `values`."
            faults.add(path, message, key=True)
        try:
            units.parse(array.unit)
        except units.UnitError as error:
            faults.add((*path, "unit"), sentence(str(error)))
        meaning = built_in(name)
        if name in faults.network.protocol.constants:
            meaning = f"the protocol's constant '{name}'"
        if meaning:
            message = f"Array '{name}' would hide {meaning}."
            faults.add(path, message, "choose another name", key=True)
