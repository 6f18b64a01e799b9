"""Replayed spikes inside the compiled step: each step's list is copied to the event list.

`replayed` holds the memory indices of all spikes, population after population and step after step.
`replay` begins with two numbers a population, where its table begins and the last row of that; a
table's row n is where step n begins in `replayed`. What lies behind the last step with spikes reads
the last row, which is empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.build.plan import Plan, Population
from evsim.engines.fused.layout import Layout
from evsim.engines.fused.source import Lines

REPLAY = "replay, replayed"

Lists = tuple[NDArray[np.int64], NDArray[np.int32]]


def replaying(plan: Plan) -> list[Population]:
    """Return the populations that replay spikes."""
    return [p for p in plan.populations.values() if p.replay is not None]


def pack(plan: Plan, layout: Layout, given: Mapping[str, NDArray[Any]]) -> Lists:
    """Return `replay` and `replayed` of a trial.

    Parameters
    ----------
    given : population -> (2, spike), the trial's own steps and neurons.
    """
    found = replaying(plan)
    heads, tables, senders = [], [], []
    at, sent = 2 * len(found), 0
    for population in found:
        assert population.replay is not None
        own = population.replay.spikes
        spikes = given.get(population.name, np.zeros((2, 0), np.int64) if own is None else own)
        step, neuron = spikes[:, spikes[0] < plan.length]
        place = layout.grids[population.name].to_declared[neuron]
        last = int(step.max(initial=-1)) + 1
        if population.replay.period:
            last = max(last, min(population.replay.period, plan.length))
        counts = np.bincount(step, minlength=last + 1)
        tables.append(sent + np.concatenate([[0], np.cumsum(counts)]))
        senders.append(place[np.lexsort((place, step))])
        heads += [at, last]
        at, sent = at + last + 2, sent + len(step)
    replay = np.concatenate([heads, *tables]) if found else np.zeros(0)
    replayed = np.concatenate(senders) if found else np.zeros(0)
    return replay.astype(np.int64), replayed.astype(np.int32)


def lower_replay(out: Lines, plan: Plan, layout: Layout) -> None:
    """Write the code that lists the step's replayed spikes, with a start for each place."""
    names = list(plan.populations)
    for at, population in enumerate(replaying(plan)):
        assert population.replay is not None
        grid, slot = layout.grids[population.name], layout.events[population.name, ""]
        period = population.replay.period
        row = f"now % {period}" if period else "now"
        out.add(
            f"row = replay[{2 * at}] + min({row}, replay[{2 * at + 1}])",
            f"e, p = {slot.begin()}, 0",
            f"starts[{slot.start()}] = e",
            "for q in range(replay[row], replay[row + 1]):",
            "    i = I(replayed[q])",
            f"    while p < i // {grid.channels}:",
            "        p += 1",
            f"        starts[{slot.start()} + p] = e",
            "    events[e] = i",
            "    e += 1",
            f"while p < {grid.places}:",
            "    p += 1",
            f"    starts[{slot.start()} + p] = e",
            f"counts[{names.index(population.name)}] += e - ({slot.begin()})",
        )
