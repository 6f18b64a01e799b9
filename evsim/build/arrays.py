"""Arrays over time that neuron code reads, as Brian2's TimedArray."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evsim import units
from evsim.build import brian2_compat as compat
from evsim.build.code import Block, TimedValues
from evsim.build.faults import Faults
from evsim.build.plan import Population
from evsim.build.tables import TableError, read_table
from evsim.spec import schema


def read_arrays(network: schema.Network, folder: Path, faults: Faults) -> dict[str, TimedValues]:
    """Return the network's arrays in SI units; paths start at `folder`.

    What cannot be read, has another shape than (time,) or (time, column), or is not finite goes to
    `faults`.
    """
    found = {}
    for name, declared in network.arrays.items():
        try:
            values = _values(declared, folder)
        except TableError as error:
            message = str(error)
            path = ("arrays", name, "values" if declared.file is None else "file")
            faults.add(path, f"{message[0].upper()}{message[1:]}.", error.hint)
            continue
        unit = units.parse(declared.unit)
        epsilon, finer = compat.time_resolution(declared.dt, network.dt)
        found[name] = TimedValues(
            name, values * unit.value, declared.dt, unit.dimensions, epsilon, finer
        )
    return found


def _values(declared: schema.Array, folder: Path) -> NDArray[np.float64]:
    if declared.file is not None:
        values = read_table(declared.file, folder)
    else:
        values = np.array(declared.values, np.float64)
    if values.ndim not in (1, 2) or values.size == 0:
        hint = "rows are times, columns what the second argument picks"
        raise TableError(f"shape {list(values.shape)} is not (time) or (time, column)", hint)
    bad = np.argwhere(~np.isfinite(values))
    if bad.size:
        place = ", ".join(
            f"{word} {at}" for word, at in zip(("time", "column"), bad[0], strict=False)
        )
        raise TableError(f"the value at {place} (from 0) is {values[tuple(bad[0])]}")
    return values


def digests(arrays: Iterable[TimedValues]) -> dict[str, str]:
    """Return a hash of each array's shape and content."""
    return {
        array.name: hashlib.sha256(
            repr(array.values.shape).encode() + array.values.tobytes()
        ).hexdigest()
        for array in arrays
    }


def check_columns(
    blocks: Iterable[Block], populations: Mapping[str, Population], faults: Faults
) -> None:
    """Refuse `array(t, i)` where the population has more neurons than the array columns."""
    for block in (b for b in blocks if b.owner in populations):
        population = populations[block.owner]
        arrays = population.neuron.arrays if population.neuron else {}
        for name in _read_by_neuron(block) if arrays else ():
            columns = arrays[name].columns if name in arrays else population.size
            if columns < population.size:
                message = f"Array '{name}' has {columns} columns, population "
                message += f"'{population.name}' reads one for each of {population.size} neurons."
                faults.add(("arrays", name), message)


def _read_by_neuron(block: Block) -> set[str]:
    """Return the functions that a block calls with a neuron's number as their second argument."""
    found = set()
    for statement in (*block.scalar, *block.vector):
        for node in ast.walk(ast.parse(statement.expr.strip(), mode="eval")):
            match node:
                case ast.Call(func=ast.Name(id=name), args=[_, ast.Name(id="i")]):
                    found.add(name)
    return found
