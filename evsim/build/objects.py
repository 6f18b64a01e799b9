"""Brian2 objects of a script by kind, and what of them evsim does not run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import brian2

from evsim.build import brian2_compat as compat

MONITORS = (brian2.SpikeMonitor, brian2.PopulationRateMonitor, brian2.StateMonitor)
KINDS: dict[str, Any] = {
    "groups": (brian2.NeuronGroup, brian2.PoissonGroup),
    "synapses": brian2.Synapses,
    "generators": brian2.SpikeGeneratorGroup,
    "monitors": MONITORS,
}
"""Brian2's classes of objects, by the field of `Objects` that lists them."""

RUNNERS = ("CodeRunner", "Thresholder", "Resetter", "StateUpdater", "SubexpressionUpdater",
           "SummedVariableUpdater", "SynapticPathway", "PoissonInput")  # fmt: skip
"""Brian2's classes of objects whose captured code says all that they do."""


@dataclass
class Objects:
    """The active objects of a script, sorted by what they are.

    Attributes
    ----------
    runners : code that is contained in no other object.
    wrong : what cannot be run, and why.
    """

    groups: list[Any] = field(default_factory=list)
    synapses: list[Any] = field(default_factory=list)
    generators: list[Any] = field(default_factory=list)
    runners: list[Any] = field(default_factory=list)
    monitors: list[Any] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def sort_objects(objects: Sequence[Any]) -> Objects:
    """Return the active objects of a script by kind, and what evsim does not run."""
    script = Objects()
    owned: set[int] = set()
    for item in objects:
        owned |= {id(part) for part in getattr(item, "contained_objects", ())}
    found = compat.in_order(objects)
    for item in found:
        reason = _refusal(item)
        kind = next((k for k, types in KINDS.items() if isinstance(item, types)), None)
        if isinstance(item, brian2.Subgroup):
            continue
        if reason is not None:
            script.wrong.append(f"'{item.name}' ({type(item).__name__}): {reason}.")
        elif kind is not None:
            getattr(script, kind).append(item)
        elif type(item).__name__ not in RUNNERS:
            kind_name = type(item).__name__
            script.wrong.append(f"'{item.name}': evsim does not run objects of type {kind_name}.")
        elif id(item) not in owned:
            script.runners.append(item)
    timed = [i for i in found if not isinstance(i, (*MONITORS, brian2.Subgroup))]
    steps = {float(i.clock.dt_) for i in timed if type(i).__name__ != "CodeRunner"}
    if len(steps) > 1:
        listed = ", ".join(f"{step:g} s" for step in sorted(steps))
        script.wrong.append(f"The objects have clocks of their own ({listed}); evsim runs one.")
    present = {group.name for group in (*script.groups, *script.generators)}
    for made in script.synapses:
        for end, group in (("source", made.source), ("target", made.target)):
            name = compat.whole(group).name
            if name not in present:
                script.wrong.append(f"'{made.name}': its {end} '{name}' is not among the objects.")
    if not script.groups and not script.generators:
        script.wrong.append("There is no group of neurons to run.")
    return script


def _refusal(item: Any) -> str | None:
    """Return why an object cannot be run, or None."""
    if isinstance(item, brian2.Synapses):
        ends = (item.source, item.target)
        if any(isinstance(end, brian2.Synapses) for end in ends):
            return "its source or target are synapses themselves"
        if not len(item) and not item._connect_called:
            return "it connects nothing; call its `connect` first"
        if any(pathway.when != "synapses" for pathway in item._pathways):
            return "its pathways run in another slot than 'synapses'"
        sums = item.summed_updaters.values()
        if any(isinstance(s.target, brian2.Subgroup) for s in sums):
            return "it assigns sums to a part of a group"
    if isinstance(item, brian2.NeuronGroup):
        for name, variable in item.variables.items():
            owner = getattr(variable, "owner", None)
            if owner is None or owner.name == item.name or isinstance(owner, brian2.Clock):
                continue
            if type(variable).__name__ == "ArrayVariable":
                return f"its variable '{name}' is linked to '{owner.name}'"
    if isinstance(item, brian2.SpikeMonitor) and set(item.record_variables) - {"i", "t"}:
        return "it records variables at spikes; a StateMonitor records them at all times"
    if isinstance(item, brian2.StateMonitor) and not hasattr(item.source, "variables"):
        return "it records nothing that evsim knows"
    if isinstance(item, brian2.StateMonitor) and item.when not in ("start", "end"):
        return f"it records in the slot '{item.when}'; 'start' and 'end' can be recorded"
    return None
