"""The growing datasets of a recording: where they stand, of what type, how they are stored."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np

from evsim.orchestrator.events import SPLITS
from evsim.recording.layout import Layout, States, count_type, neuron_type

TRIAL_COLUMNS = ("epoch", "split", "index", "sample", "label", "predicted", "residual")

_SPIKE_ROWS = 1 << 16
_ROWS = 1 << 14
TRIAL_ROWS = 1 << 12
_BLOCK = 1 << 18
_WEIGHT_BLOCK = 1 << 22


@dataclass(frozen=True)
class Column:
    """A dataset that grows along its first axis.

    Attributes
    ----------
    path : in the file.
    tail : lengths of the axes after the first.
    chunk : shape of a stored block.
    deflate : whether blocks are shuffled and compressed (gzip-1).
    checksum : whether blocks carry a Fletcher-32 sum. Blocks of one size are written again in their
        place as they fill up: a process that is killed meanwhile leaves the rows of before whole,
        but no right sum of them.
    """

    path: str
    dtype: np.dtype[Any]
    tail: tuple[int, ...]
    chunk: tuple[int, ...]
    deflate: bool = True
    checksum: bool = True
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def create(self, file: h5py.File) -> None:
        """Make the empty dataset."""
        dataset = file.create_dataset(
            self.path,
            shape=(0, *self.tail),
            # Blocks of an axis without elements need room that it could grow into.
            maxshape=(None, *(length or None for length in self.tail)),
            dtype=self.dtype,
            chunks=self.chunk,
            fletcher32=self.checksum,
            **(
                {"compression": "gzip", "compression_opts": 1, "shuffle": True}
                if self.deflate
                else {}
            ),
        )
        dataset.attrs.update(self.attributes)


def columns(layout: Layout) -> tuple[Column, ...]:
    """Return every growing dataset of a recording, in the order of its commits."""
    return (
        *_trials(layout),
        *(column for name in layout.spikes for column in _spikes(layout, name)),
        *(
            column
            for number, entry in enumerate(layout.states)
            for column in _states(number, entry)
        ),
        *_weights(layout),
        Column("metrics", np.dtype(np.uint8), (), (_ROWS,), attributes={"format": "JSON lines"}),
    )


def spikes_path(layout: Layout, population: str) -> str:
    """Return the path of a population's neurons or gaps."""
    return f"spikes/{population}/{'neuron_gap' if layout.encoding == 'compact' else 'neuron'}"


def sums_path(population: str) -> str:
    """Return the path of the checksums of a population's spikes."""
    return f"trials/spike_crc32/{population}"


def states_path(number: int, entry: States, variable: str) -> str:
    """Return the path of a variable in entry `number` of `record.states`."""
    return f"states/{entry.population}/{number}/{variable}"


def _trials(layout: Layout) -> list[Column]:
    split = h5py.enum_dtype({name: code for code, name in enumerate(SPLITS)}, basetype="u1")
    types: dict[str, Any] = dict.fromkeys(TRIAL_COLUMNS, np.dtype(np.int64))
    types |= {"split": split, "residual": np.dtype(np.float64)}
    found = [Column(f"trials/{name}", types[name], (), (TRIAL_ROWS,)) for name in TRIAL_COLUMNS]
    offsets = ["trials/step_offset"]
    offsets += [f"trials/spike_offset/{name}" for name in layout.spikes]
    offsets += [f"trials/state_offset/{number}" for number in range(len(layout.states))]
    tail, sums = (len(layout.phases) + 1,), (len(layout.phases),)
    found += [Column(path, np.dtype(np.uint64), tail, (TRIAL_ROWS, *tail)) for path in offsets]
    return found + [
        Column(sums_path(name), np.dtype(np.uint32), sums, (TRIAL_ROWS, *sums))
        for name in layout.summed
    ]


def _spikes(layout: Layout, name: str) -> list[Column]:
    size = layout.population(name).size
    path, unit = spikes_path(layout, name), {"unit": "neuron, C-order index in `shape`"}
    if layout.encoding == "compact":
        gap = {"unit": "neurons skipped since the last spike of the step; 255: and 255 more"}
        kept = Column(path, np.dtype(np.uint8), (), (_SPIKE_ROWS,), False, False, gap)
    else:
        kept = Column(path, neuron_type(size), (), (_SPIKE_ROWS,), attributes=unit)
    count = {"unit": "spikes in a step"}
    return [
        kept,
        Column(f"spikes/{name}/count", count_type(size), (), (_ROWS,), attributes=count),
    ]


def _states(number: int, entry: States) -> list[Column]:
    found = []
    for variable in entry.variables:
        dtype = np.dtype(variable.dtype)
        width = max(1, variable.width)
        chunk = (max(1, _BLOCK // (width * dtype.itemsize)), min(width, _BLOCK))
        attributes = {"unit": variable.unit, "every": entry.every, "when": entry.when}
        path = states_path(number, entry, variable.name)
        found.append(Column(path, dtype, (variable.width,), chunk, attributes=attributes))
    return found


def _weights(layout: Layout) -> list[Column]:
    if not layout.parameters:
        return []
    dtype = np.dtype(layout.precision)
    found = [Column("weight_epochs", np.dtype(np.int64), (), (TRIAL_ROWS,))]
    for parameter in layout.parameters:
        block = _block(parameter.shape, dtype.itemsize)
        path = f"weights/{parameter.name}"
        found.append(Column(path, dtype, parameter.shape, (1, *block), deflate=False))
    return found


def _block(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Return `shape` with its leading lengths cut until a block is small enough to store."""
    block = list(shape)
    for axis, length in enumerate(block):
        inner = math.prod(block[axis + 1 :]) * itemsize
        block[axis] = max(1, min(length, _WEIGHT_BLOCK // max(inner, 1)))
        if block[axis] > 1:
            break
    return tuple(block)
