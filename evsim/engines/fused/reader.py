"""Where synaptic and learning code finds the values that it reads."""

from __future__ import annotations

from collections.abc import Mapping

from evsim.build.plan import Phase, Plan
from evsim.engines.fused.layout import Layout
from evsim.engines.fused.render import Term, literal
from evsim.engines.fused.source import BUFFER_TYPES, Parameters


class Reader:
    """Sources of values that learning code reads: states, or their averages in `at_end` code."""

    def __init__(
        self,
        plan: Plan,
        layout: Layout,
        parameters: Parameters,
        averages: Mapping[tuple[str, str], int],
        phase: Phase | None,
    ):
        self.plan, self.layout, self.parameters = plan, layout, parameters
        self.averages, self.phase = averages, phase

    def element(self, population: str, variable: str, index: str) -> Term:
        """Return the source of a variable of neuron `index` (memory order)."""
        key = (population, variable)
        if key in self.layout.uniform:
            return literal(self.layout.uniform[key])
        if self.phase is not None and variable in self.phase.average and key in self.averages:
            return Term(f"m[{self.averages[key]} + {index}]", "f")
        if key in self.parameters.places:
            offset, share = self.parameters.places[key]
            channels = self.layout.grids[population].channels
            at = {"channel": f" + {index} % {channels}", "all": ""}.get(share or "", f" + {index}")
            return Term(f"w[{offset}{at}]", "f")
        if key in self.plan.shared:
            return Term(f"s{self.plan.shared.index(key)}", "f")
        slot = self.layout.slots[key]
        shared = self.plan.populations[population].variables[variable].shared
        at = "" if shared else f" + {index}"
        return Term(f"{slot.buffer}[{slot.offset}{at}]", BUFFER_TYPES[slot.buffer])
