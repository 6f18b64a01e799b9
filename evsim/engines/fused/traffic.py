"""Counting synaptic operations inside the compiled step, from the lists of senders."""

from __future__ import annotations

import numpy as np

from evsim.build.plan import Plan
from evsim.engines.fused.layout import Layout
from evsim.engines.fused.source import Lines
from evsim.engines.fused.weights import Weights
from evsim.engines.traffic import directions


def lower_traffic(out: Lines, plan: Plan, layout: Layout, weights: Weights, static: bool) -> None:
    """Write the code that adds up what was sent: once a trial (`static`), or in this step."""
    for number, direction in enumerate(directions(plan)):
        if direction.static != static:
            continue
        slot, grid = layout.events[direction.sender], layout.grids[direction.sender[0]]
        reach = direction.reach[grid.to_memory]
        count, first = f"counts[{len(plan.populations) + number}]", slot.start()
        by_place = reach.reshape(grid.places, grid.channels)
        if (reach == reach[0]).all():
            sent = f"starts[{first} + {grid.places}] - starts[{first}]"
            out.add(f"{count} += {int(reach[0])} * I({sent})")
        elif (by_place == by_place[:, :1]).all():
            at = weights.link(by_place[:, 0].astype(np.int32))
            sent = f"starts[{first} + p + 1] - starts[{first} + p]"
            out.add(
                f"for p in range({grid.places}):",
                f"    {count} += I(links[{at} + p]) * I({sent})",
            )
        else:
            at = weights.link(reach.astype(np.int32))
            out.add(
                f"for e in range(starts[{first}], starts[{first} + {grid.places}]):",
                f"    {count} += I(links[{at} + events[e]])",
            )
