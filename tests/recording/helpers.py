"""Synthetic trials, as an engine and the orchestrator would hand them over."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np

from evsim.engines.base import Spikes
from evsim.orchestrator.events import PhaseRecord, TrialRecord
from evsim.recording.layout import (
    Encoding,
    Layout,
    Parameter,
    Phase,
    Population,
    States,
    Variable,
)

LAYOUT = Layout(
    dt=1e-3,
    precision="float32",
    populations=(
        Population("image", (1, 8, 8)),
        Population("hidden", (4, 10, 10)),
        Population("digit", (10,)),
    ),
    spikes=("hidden", "digit"),
    encoding="compact",
    states=(
        States("hidden", (Variable("v", "V", "float32", 3),), (0, 5, 399), 5, "start"),
        States("digit", (Variable("u", "1", "float32", 10),), None, 1, "end"),
    ),
    parameters=(Parameter("out", (400, 10)), Parameter("digit.bias", (10,)), Parameter("one", ())),
    phases=(Phase("free", 20), Phase("plus", 10), Phase("minus", 10)),
)
PLAIN = replace(LAYOUT, encoding="plain")


def with_encoding(encoding: Encoding) -> Layout:
    return replace(LAYOUT, encoding=encoding)


def spikes(
    random: np.random.Generator, size: int, steps: int, activity: float | np.ndarray = 0.1
) -> Spikes:
    raster = random.random((steps, size)) < activity
    return Spikes(raster.sum(1).astype(np.uint32), np.nonzero(raster)[1].astype(np.uint32))


def phase(
    random: np.random.Generator, layout: Layout, name: str, activity: float = 0.1
) -> PhaseRecord:
    steps = next(p.steps for p in layout.phases if p.name == name)
    kept = {
        name: spikes(random, layout.population(name).size, steps, activity)
        for name in layout.spikes
    }
    states = {
        number: {
            v.name: random.random((-(-steps // entry.every), v.width), np.float32)
            for v in entry.variables
        }
        for number, entry in enumerate(layout.states)
    }
    return PhaseRecord(name, steps, kept, states)


def trial(
    random: np.random.Generator,
    index: int,
    layout: Layout = LAYOUT,
    phases: tuple[str, ...] = ("free", "plus", "minus"),
    split: str = "train",
    epoch: int = 0,
    activity: float = 0.1,
) -> TrialRecord:
    label = int(random.integers(10))
    return TrialRecord(
        epoch=epoch,
        split=split,
        index=index,
        sample=int(random.integers(1000)),
        label=label,
        predicted=label if random.random() < 0.9 else 0,
        residual=float(random.random() * 0.1),
        phases=tuple(phase(random, layout, name, activity) for name in phases),
    )


def parameters(random: np.random.Generator, layout: Layout = LAYOUT) -> dict[str, np.ndarray]:
    return {p.name: random.random(p.shape).astype(np.float32) for p in layout.parameters}


def contents(path: Path) -> dict[str, tuple[str, bytes]]:
    """Every dataset of a closed file but its commits: type and shape, and bytes."""
    found: dict[str, tuple[str, bytes]] = {}

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and not name.startswith("commit"):
            found[name] = (f"{item.dtype} {item.shape}", np.asarray(item[()]).tobytes())

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return found
