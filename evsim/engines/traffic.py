"""What projections carry: which directions there are, and which sums never change in a trial."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evsim.build.code import Block, Symbol
from evsim.build.plan import Plan, Projection
from evsim.engines.base import schedule


@dataclass(frozen=True)
class Direction:
    """One way through a projection.

    Attributes
    ----------
    sender : (population, variable whose values are sent); (population, "") for spikes.
    back : from target to source.
    static : whether values are sent once a trial, since their sum stays the same.
    """

    projection: Projection
    sender: tuple[str, str]
    back: bool
    static: bool = False

    @property
    def values(self) -> bool:
        """Whether values are sent, not spikes."""
        return bool(self.sender[1])

    @property
    def reach(self) -> NDArray[np.int64]:
        """Synapses that lead on from each sender, (neuron,) in C order."""
        return self.projection.geometry.reach(self.back)


def directions(plan: Plan) -> list[Direction]:
    """Return every direction in which spikes or values pass, in the order of the projections.

    A synaptic operation is a spike, or a value that is not 0, at one synapse. Code that runs at
    spikes counts where it passes them on; events of a neuron's own do not.
    """
    found = []
    for p in plan.projections.values():
        if p.sends == "value":
            found.append(Direction(p, (p.source, p.source_variable), False, is_static(plan, p)))
            if p.feedback_variable:
                found.append(Direction(p, (p.target, p.source_variable), True))
            continue
        passing = {w.side for w in p.pathways if w.block is None and w.event == "spike"}
        if p.code is not None and p.code.transmits:
            passing |= {w.side for w in p.pathways if w.event == "spike" and w.side == "pre"}
        found += [Direction(p, (p.source, ""), False)] * ("pre" in passing)
        found += [Direction(p, (p.target, ""), True)] * ("post" in passing)
    return found


def is_static(plan: Plan, projection: Projection) -> bool:
    """Whether a projection sends values whose sum is the same in every step of a trial.

    It sends values of a population without dynamics, so does all that adds to the same variable,
    and neither the neuron's code nor a phase changes sent values or sum. Nor does code read it
    before sums are formed: in a trial's first step, it is not there yet.
    """
    target = (projection.target, projection.target_variable)
    changed: set[tuple[str, str | None]] = {
        key for phase in plan.phases.values() for key in phase.sets
    }
    changed |= {key for block in plan.code for key in _writes(plan, block)}
    changed |= {
        (p.target, p.target_variable) for p in plan.projections.values() if p.sends == "spikes"
    }
    changed |= {(p.source, p.feedback_variable) for p in plan.projections.values()}
    items = schedule(plan)
    early = [b for b in items[: items.index("values")] if isinstance(b, Block)]
    read = {key for block in early for key in _states(plan, block, block.symbols.values())}
    return (
        projection.sends == "value"
        and target not in changed | read
        and all(
            plan.populations[p.source].neuron is None
            and (p.source, p.source_variable) not in changed
            for p in plan.projections.values()
            if (p.target, p.target_variable) == target
        )
    )


def _writes(plan: Plan, block: Block) -> set[tuple[str, str | None]]:
    """Return the (population, variable) pairs that code writes."""
    statements = (*block.scalar, *block.vector)
    return _states(plan, block, [block.symbols[s.var] for s in statements if s.op != ":="])


def _states(plan: Plan, block: Block, symbols: Iterable[Symbol]) -> set[tuple[str, str | None]]:
    """Return the (population, variable) pairs for which symbols of a block stand."""
    if block.owner in plan.populations:
        return {(block.owner, symbol.variable) for symbol in symbols if symbol.role == "state"}
    projection = plan.projections[block.owner]
    ends = {"pre": projection.source, "post": projection.target}
    return {(ends[s.side], s.variable) for s in symbols if s.side in ends}
