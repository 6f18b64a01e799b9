"""Recording of spikes inside the compiled step: lists in C order, as recordings hold them."""

from __future__ import annotations

from evsim.build.plan import Plan
from evsim.engines.fused.layout import Layout
from evsim.engines.fused.source import Lines


def lower_room(out: Lines, plan: Plan, layout: Layout) -> None:
    """Write the check that a step's spikes fit into what is left of the buffers."""
    for at, (name, population) in enumerate(plan.populations.items()):
        if population.spikes:
            size = layout.grids[name].size
            out.add(
                f"if record[{at}] and kept_at[{at}] + {size} > kept_end[{at}]:",
                "    return step",
            )


def lower_kept(out: Lines, plan: Plan, layout: Layout) -> None:
    """Write the code that appends this step's spikes of every recorded population."""
    for at, (name, population) in enumerate(plan.populations.items()):
        if not population.spikes:
            continue
        grid, slot = layout.grids[name], layout.events[name, ""]
        first, last = f"starts[{slot.start()}]", f"starts[{slot.start()} + {grid.places}]"
        out.add(f"if record[{at}]:")
        out.indent += 1
        out.add(f"kept_count[{at}, step] = {last} - {first}", f"j = kept_at[{at}]")
        if not grid.permuted:
            out.add(f"for e in range({first}, {last}):", "    kept[j] = events[e]", "    j += 1")
        else:
            _lower_sorted(out, grid.places, grid.channels, first, last)
        out.add(f"kept_at[{at}] = j")
        out.indent -= 1


def _lower_sorted(out: Lines, places: int, channels: int, first: str, last: str) -> None:
    """Sort by counting: events are listed place by place, and wanted channel by channel.

    Numbers without sign, as no remainder or index has to be made positive then.
    """
    out.add(
        f"for c in range({channels}):",
        "    tally[c] = 0",
        f"for e in range({first}, {last}):",
        f"    tally[U(events[e]) % U({channels})] += ONE",
        f"for c in range({channels}):",
        "    base = j",
        "    j += I(tally[c])",
        "    tally[c] = base",
        f"for e in range({first}, {last}):",
        f"    channel = U(events[e]) % U({channels})",
        f"    kept[tally[channel]] = channel * U({places}) + U(events[e]) // U({channels})",
        "    tally[channel] += ONE",
    )
