"""Monitors in the script: what `record` asks for, and what the trial itself looks at."""

from __future__ import annotations

import re

from evsim.build.plan import Plan
from evsim.export.page import Page, call, quoted
from evsim.export.synapses import Synapses
from evsim.spec import schema

COUNTED = re.compile(r"\bspikes\(\s*(\w+)\s*\)")

AT_START = ("before_start", "start")


class Monitors:
    """Writes the monitors.

    Attributes
    ----------
    names : variables of those that are for the reader of the script.
    phases : variable -> phases in which it records, where these are not all.
    """

    def __init__(self, page: Page, network: schema.Network, plan: Plan, synapses: Synapses):
        self.page, self.network, self.plan, self.synapses = page, network, plan, synapses
        self.names: list[str] = []
        self.phases: dict[str, set[str]] = {}

    def write(self, averaged: dict[str, set[str]]) -> None:
        """Write all monitors.

        Parameters
        ----------
        averaged : population -> variables of which learning code reads means.
        """
        self.page.section("Recordings")
        self._spikes()
        for entry in self.network.record.states:
            self._states(entry)
        for population, variables in averaged.items():
            self._history(population, variables)

    def spikes(self, population: str) -> str:
        """Return the variable of a population's SpikeMonitor."""
        return self.page.name("monitor", f"{population}_spikes")

    def history(self, population: str) -> str:
        """Return the variable of the StateMonitor from which means are taken."""
        return self.page.name("monitor", f"{population}_history")

    def _spikes(self) -> None:
        record = self.network.record.spikes
        spiking = [name for name, p in self.plan.populations.items() if p.spikes]
        chosen = [] if record is None else list(record.populations)
        if (record is None and not self.network.record.states) or (
            record is not None and record.populations == "all"
        ):
            chosen = spiking
        counted = {
            name
            for phase in self.plan.phases.values()
            if phase.repeat is not None
            for name in COUNTED.findall(phase.repeat.until)
        }
        for name in (name for name in spiking if name in {*chosen, *counted}):
            variable = self.spikes(name)
            arguments = [self.page.name("population", name), f"name={quoted(variable)}"]
            head = f"{variable} = {self.page.use('SpikeMonitor')}"
            self.page.add(call(head, arguments))
            self.names.append(variable)
            if record is not None and record.phases != "all" and name not in counted:
                self.phases[variable] = set(record.phases)

    def _states(self, entry: schema.RecordStates) -> None:
        at = self.network.record.states.index(entry)
        same = [e.population for e in self.network.record.states[:at]].count(entry.population)
        number = f"_{same + 1}" if same else ""
        variable = self.page.name("monitor", f"{entry.population}_states{number}")
        chosen = entry.neurons
        neurons = (
            "True"
            if chosen == "all"
            else str(list(chosen if isinstance(chosen, tuple) else range(int(chosen))))
        )
        arguments = [
            self._owner(entry.population),
            str(self._variables(entry)).replace("'", '"'),
            f"record={neurons}",
        ]
        phases = [n for n in self.plan.phases if entry.phases == "all" or n in entry.phases]
        every = entry.every.step
        if every > 1 and all(self.plan.phases[n].first % every == 0 for n in phases):
            arguments.append(f"dt={every}*dt")
        if entry.when == "end":
            arguments += ['when="after_end"', "order=1"]
        elif self._has_early_code():
            arguments += ['when="before_start"', "order=-2"]
        arguments.append(f"name={quoted(variable)}")
        self.page.add(call(f"{variable} = {self.page.use('StateMonitor')}", arguments))
        self.names.append(variable)
        if entry.phases != "all":
            self.phases[variable] = set(entry.phases)

    def _owner(self, name: str) -> str:
        """Return the variable of a population, or of a projection's Synapses."""
        if name in self.plan.populations:
            return self.page.name("population", name)
        return self.synapses.variable(name, code=True)

    def _variables(self, entry: schema.RecordStates) -> list[str]:
        """Return the variables to record, by the names that they have in the script."""
        projection = self.plan.projections.get(entry.population)
        weight = projection.code.weight if projection is not None and projection.code else "w"
        return [weight if projection and name == "w" else name for name in entry.variables]

    def _has_early_code(self) -> bool:
        return any(block.when in AT_START for block in self.plan.blocks)

    def _history(self, population: str, variables: set[str]) -> None:
        variable = self.history(population)
        arguments = [
            self.page.name("population", population),
            str(sorted(variables)).replace("'", '"'),
            "record=True",
            'when="after_end"',
            "order=1",
            f"name={quoted(variable)}",
        ]
        self.page.add(call(f"{variable} = {self.page.use('StateMonitor')}", arguments))
