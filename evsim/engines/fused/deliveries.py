"""What projections do in a step: weighted sums of values, spikes, code of all synapses."""

from __future__ import annotations

from evsim.build.code import Block
from evsim.build.plan import Plan, Projection
from evsim.engines.base import Delivery
from evsim.engines.fused.kernel import Send
from evsim.engines.fused.layout import Layout, sender_key
from evsim.engines.fused.projections import list_values
from evsim.engines.fused.reader import Reader
from evsim.engines.fused.source import Lines
from evsim.engines.fused.synapses import SynapseScope, lower_every, lower_pathway
from evsim.engines.fused.weights import Weights

PASSES = {"learning": "if learning:", "frozen": "if not learning:"}
"""Conditions of pathways that do not run in every pass."""


def lower_values(
    out: Lines, plan: Plan, layout: Layout, weights: Weights, projections: list[Projection]
) -> None:
    """Write value projections: list what is not 0, clear the targets, add up in file order."""
    senders, targets = {}, {}
    for p in projections:
        senders[p.source, p.source_variable] = targets[p.target, p.target_variable] = True
        if p.feedback_variable:
            senders[p.target, p.source_variable] = True
            targets[p.source, p.feedback_variable] = True
    reader = Reader(plan, layout, weights.parameters, {}, None)
    for population, variable in senders:
        slot = layout.sent[population, variable]
        if slot != layout.slots.get((population, variable)):
            value = reader.element(population, variable, "i").to("f")
            out.add(f"for i in range({slot.size}):", f"    f[{slot.offset} + i] = {value}")
        grid = layout.grids[population]
        list_values(out, grid, layout.events[population, variable], slot.offset)
    for key in targets:
        slot = layout.slots[key]
        out.add(f"for i in range({slot.size}):", f"    f[{slot.offset} + i] = ZERO_F")
    for p in projections:
        _lower_sums(out, layout, weights, p)


def _lower_sums(out: Lines, layout: Layout, weights: Weights, p: Projection) -> None:
    """Write both directions of a projection that sends values."""
    sent, back = p.source_variable, p.feedback_variable
    target = layout.slots[p.target, p.target_variable].offset
    _lower_send(out, layout, weights, p, False, (p.source, sent), target)
    if back:
        target = layout.slots[p.source, back].offset
        _lower_send(out, layout, weights, p, True, (p.target, sent), target)


def _lower_send(
    out: Lines,
    layout: Layout,
    weights: Weights,
    p: Projection,
    backward: bool,
    sender: tuple[str, str],
    target: int,
    delay: int = 0,
) -> None:
    """Write one direction of a projection: `sender` is a key of `Layout.events`."""
    kernel, table = weights.kernels[p.name], weights.tables[p.name][backward]
    assert table is not None
    send = Send(
        events=layout.events[sender],
        target=target,
        table=table,
        values=layout.sent[sender].offset if sender in layout.sent else None,
        itemsize=kernel.itemsize,
        links=weights.links[p.name][backward],
        delay=delay,
        pool=layout.pools.get(p.name, (0, 0)),
    )
    (kernel.backward if backward else kernel.forward)(out, send)


def lower_spikes(
    out: Lines, plan: Plan, layout: Layout, weights: Weights, deliveries: list[Delivery]
) -> None:
    """Write what spikes do; what neurons may not receive at present is taken back at the end."""
    plain = {_receiver(d) for d in deliveries if d.pathway.block is None}
    guarded = {key: copy for key, copy in layout.guarded.items() if key in plain}
    for key, copy in guarded.items():
        place = layout.slots[key].offset
        out.add(f"for i in range({copy.size}):", f"    f[{copy.offset} + i] = f[{place} + i]")
    for delivery in deliveries:
        condition = PASSES.get(delivery.pathway.when)
        if condition:
            out.add(condition)
            out.indent += 1
        _lower_delivery(out, plan, layout, weights, delivery)
        if condition:
            out.indent -= 1
    for (population, variable), copy in guarded.items():
        place = layout.slots[population, variable].offset
        guard = plan.populations[population].variables[variable].guard
        assert guard is not None
        allowed = layout.slots[population, guard].offset
        out.add(
            f"for i in range({copy.size}):",
            f"    if not b[{allowed} + i]:",
            f"        f[{place} + i] = f[{copy.offset} + i]",
        )


def _receiver(delivery: Delivery) -> tuple[str, str]:
    """Return the (population, variable) to which a pathway without code adds."""
    p, pathway = delivery.projection, delivery.pathway
    return (p.target if pathway.side == "pre" else p.source), pathway.target


def _lower_delivery(
    out: Lines, plan: Plan, layout: Layout, weights: Weights, delivery: Delivery
) -> None:
    p, pathway = delivery.projection, delivery.pathway
    sender = sender_key(p, pathway)
    if pathway.block is None:
        target = layout.slots[_receiver(delivery)].offset
        backward = pathway.side == "post"
        _lower_send(out, layout, weights, p, backward, sender, target, pathway.longest)
        return
    scope = SynapseScope(plan, layout, weights.parameters, p)
    listing, links = weights.listings[p.name, pathway.name]
    lower_pathway(out, scope, pathway, listing, layout.events[sender], links)


def lower_every_synapse(
    out: Lines, plan: Plan, layout: Layout, weights: Weights, block: Block
) -> None:
    """Write code of a projection's synapses that runs in every step."""
    projection = plan.projections[block.owner]
    assert projection.code is not None
    indent = out.indent
    if projection.code.learns:
        out.add("if learning:")
        out.indent += 1
    if block.every > 1:
        out.add(f"if now % {block.every} == 0:")
        out.indent += 1
    scope = SynapseScope(plan, layout, weights.parameters, projection)
    lower_every(out, scope, block, weights.ends[block.owner])
    out.indent = indent
