"""Recordings to exchange, and what other tools shall find in them, worked out from the trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from evsim.orchestrator.events import TrialRecord
from evsim.recording.layout import Layout, Population, Variable
from evsim.recording.writer import Writer
from tests.recording.helpers import LAYOUT as LARGE
from tests.recording.helpers import parameters, trial

LAYOUT = replace(
    LARGE,
    populations=(
        Population("image", (8,)), Population("hidden", (2, 3, 4)), Population("digit", (4,))
    ),
    states=(
        replace(LARGE.states[0], neurons=(0, 5, 23)),
        replace(LARGE.states[1], variables=(Variable("u", "1", "float32", 4),)),
    ),
)  # fmt: skip

MIXED = (("free", "plus", "minus"), ("free",), (), ("minus",), ("plus", "minus"))
NETWORK = "name: mixed  # été\n"


def write(path: Path, records: Sequence[TrialRecord], layout: Layout = LAYOUT) -> None:
    with Writer.create(path, layout, {"versions": {"evsim": "0"}}) as writer:
        writer.weights(0, parameters(np.random.default_rng(0), layout))
        for record in records:
            writer.trial(record)


def mixed(layout: Layout = LAYOUT) -> list[TrialRecord]:
    """Trials that keep different phases; the last keeps only samples of its first phase."""
    random = np.random.default_rng(7)
    splits = ("train", "train", "validation", "test", "test")
    records = [
        trial(random, i, layout, phases, splits[i], epoch=i // 3) for i, phases in enumerate(MIXED)
    ]
    first, second = records[-1].phases
    records[-1] = replace(records[-1], phases=(replace(first, spikes={}), second), label=-1)
    return records


@dataclass(frozen=True)
class Expected:
    """What the trials of `records` of which something is kept look like on one axis.

    Attributes
    ----------
    rows, begin, steps : (trial,), of each of them.
    spikes : population -> (spike,) rows of axis step and neuron, by time.
    samples : "population.variable" -> axis steps (sample,) and values (sample, column).
    phases : (name, first step and end on the axis, whether spikes are kept).
    """

    rows: list[int]
    begin: list[int]
    steps: list[int]
    spikes: dict[str, np.ndarray]
    samples: dict[str, tuple[np.ndarray, np.ndarray]]
    phases: list[tuple[str, int, int, bool]]


def expected(records: Sequence[TrialRecord], layout: Layout = LAYOUT) -> Expected:
    rows, begin, steps, phases, clock = [], [], [], [], 0
    spikes: dict[str, list] = {name: [np.zeros((0, 2), int)] for name in layout.spikes}
    samples: dict[str, tuple[list, list]] = {}
    for row, record in enumerate(records):
        if not record.phases:
            continue
        rows.append(row)
        begin.append(clock)
        for part in record.phases:
            phases.append((part.name, clock, clock + part.steps, bool(part.spikes)))
            for name, found in part.spikes.items():
                step = clock + np.repeat(np.arange(part.steps), found.count)
                spikes[name].append(np.stack([step, found.neuron], axis=1))
            for number, values in part.states.items():
                entry = layout.states[number]
                for variable, data in values.items():
                    at, all_ = samples.setdefault(f"{entry.population}.{variable}", ([], []))
                    at.append(clock + entry.every * np.arange(len(data)))
                    all_.append(data)
            clock += part.steps
        steps.append(clock - begin[-1])
    return Expected(
        rows,
        begin,
        steps,
        {name: np.concatenate(parts) for name, parts in spikes.items()},
        {name: (np.concatenate(a), np.concatenate(b)) for name, (a, b) in samples.items()},
        phases,
    )
