"""`evsim check FILE`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import options

if TYPE_CHECKING:
    from evsim.summary import Summary


def command(file: options.NetworkFile, set_: options.Overrides = None) -> None:
    """Report every fault of a network file; print shapes, counts and sizes of a good one."""
    from evsim.spec.parse import parse

    network = parse(file, set_ or ())
    from evsim import summary  # Slow, so the file's faults are shown first.

    print("\n".join(describe(network.name, summary.check(network))))


def describe(name: str, summary: Summary) -> list[str]:
    """Return the lines that show a network's sizes."""
    from evsim.recording.space import readable

    lines = [f"{name}: good", "", "population        shape              neurons"]
    for population in summary.populations:
        shape = " x ".join(map(str, population.shape))
        lines.append(f"{population.name:<18}{shape:<16}{population.size:>10,}")
    if summary.projections:
        lines += ["", "projection        kind               weights        synapses"]
    for projection in summary.projections:
        counts = f"{projection.weights:>10,}{projection.synapses:>16,}"
        lines.append(f"{projection.name:<18}{projection.kind:<16}{counts}")
    lines += [
        "",
        f"parameters  {summary.parameters:>14,}",
        f"synapses    {summary.synapses:>14,}",
        f"memory      {readable(summary.memory):>14}",
        f"recording   {readable(summary.recording):>14}  at most",
        "",
        "one trial of            steps   synaptic operations, dense     footprint",
    ]
    for cost in summary.costs:
        counts = f"{cost.steps:>12,}{cost.dense:>29,}{readable(cost.footprint):>14}"
        lines.append(f"{cost.kind:<17}{counts}")
    return lines
