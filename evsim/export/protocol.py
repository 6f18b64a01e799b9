"""Phases in the script: one `run` each, with their settings before it."""

from __future__ import annotations

from evsim import units
from evsim.build.faults import Faults
from evsim.build.plan import Phase, Plan
from evsim.export.constants import Column, Constants
from evsim.export.learning import Learning
from evsim.export.monitors import COUNTED, Monitors
from evsim.export.page import Page
from evsim.spec import schema
from evsim.syntax import blank_comments

START = ""
"""Stands for the trial's start where the end of a phase would be named."""


class Protocol:
    """Writes the phases of a trial."""

    def __init__(
        self,
        page: Page,
        network: schema.Network,
        plan: Plan,
        constants: Constants,
        monitors: Monitors,
        learning: Learning,
        faults: Faults,
    ):
        self.page, self.network, self.plan = page, network, plan
        self.constants, self.monitors, self.learning = constants, monitors, learning
        self.faults = faults
        self.order = list(plan.phases.values())
        self.returns = self._returns()
        columns = [c for c in constants.changing if c[0]]
        start = {self._targets(c)[0]: constants.initial(c) for c in columns}
        self.held: dict[str, dict[str, str]] = {START: start}
        self.namespaces: dict[str, str] = {}
        self.active: dict[str, bool] = {}

    def _returns(self) -> set[str]:
        """Return the phases that others go back to; the trial's start counts as one."""
        found, at = set(), START
        for phase in self.order:
            if (phase.start or START) != at:
                found.add(phase.start or START)
            at = phase.name
        return found

    def check(self) -> None:
        """Note what has no script."""
        for first, last in self._stretches():
            names = [phase.name for phase in self.order[first + 1 : last + 1]]
            before = [phase.name for phase in self.order[first:last]]
            for name, expected in zip(names, before, strict=True):
                if self.plan.phases[name].start != expected:
                    message = f"Phase '{name}' of a repetition goes back to an earlier state"
                    path = ("protocol", "phases", name)
                    self.faults.add(path, f"{message}: it cannot be written in a script.")

    def _stretches(self) -> list[tuple[int, int]]:
        """Return the first and the last phase of what is repeated, as places in the order."""
        names = [phase.name for phase in self.order]
        return [
            (names.index(phase.repeat.back_to), at)
            for at, phase in enumerate(self.order)
            if phase.repeat is not None
        ]

    def write(self) -> None:
        """Write the trial."""
        self.page.section("The trial")
        self.page.add(f"net = {self.page.use('Network')}({self.page.use('collect')}())")
        self._keep()
        if START in self.returns:
            self.page.add('net.store("start")')
        at, place, stretches = START, 0, dict(self._stretches())
        while place < len(self.order):
            last = stretches.get(place)
            if last is not None:
                self._repeat(self.order[place : last + 1], at)
            else:
                self._phase(self.order[place], at)
            at = self.order[last if last is not None else place].name
            place = (last if last is not None else place) + 1

    def _keep(self) -> None:
        """Write the function that keeps recordings, where the trial goes back."""
        if not self.returns:
            return
        names = ", ".join(self.monitors.names)
        self.page.add(
            "recorded = {}  # phase -> monitor -> what it recorded up to the phase's end",
            "",
            "",
            "def keep(phase):",
            '    """Keep the recordings: `restore` takes them back, too."""',
            f"    monitors = [{names}]",
            "    recorded[phase] = {monitor.name: monitor.get_states() for monitor in monitors}",
            "",
        )

    def _repeat(self, phases: list[Phase], at: str) -> None:
        """Write phases that run until a condition holds."""
        page, repeat = self.page, phases[-1].repeat
        assert repeat is not None
        until = " ".join(blank_comments(repeat.until).split())
        page.add("")
        names = ", ".join(phase.name for phase in phases)
        page.add(f"# {names}: until {until}, at most {repeat.at_most} times.")
        self._go_back(phases[0], at)
        page.add(f"for attempt in range({repeat.at_most}):")
        counted = dict.fromkeys(COUNTED.findall(until))
        for name in counted:
            page.add(f"{self._before(name)} = {self._count(name)}", indent=4)
        for phase in phases:
            page.add(f"# {phase.name}", indent=4)
            self._steps(phase, None, 4)
        page.add(f"if {self._condition(until)}:", "    break", indent=4)
        settings = self.network.protocol.phases[phases[-1].name].repeat
        assert settings is not None
        if settings.set:
            variables = [self.constants.plain.get(name, name) for name in settings.set]
            texts = [
                self.constants.evaluate(
                    text, phases[-1].name, ("protocol", "phases", phases[-1].name, "repeat")
                )
                for text in settings.set.values()
            ]
            page.add(f"{', '.join(variables)} = {', '.join(texts)}", indent=4)
            if self.order[-1] is not phases[-1]:
                first = [self.constants.evaluate_base(name) for name in settings.set]
                page.add(f"{', '.join(variables)} = {', '.join(first)}")
        self.held[phases[-1].name] = {}

    def _before(self, population: str) -> str:
        return self.page.name("value", f"{population}_before")

    def _count(self, population: str) -> str:
        return f"{self.monitors.spikes(population)}.num_spikes"

    def _condition(self, until: str) -> str:
        def since(name: str) -> str:
            return f"{self._count(name)} - {self._before(name)}"

        return COUNTED.sub(lambda found: since(found[1]), until)

    def _phase(self, phase: Phase, at: str) -> None:
        """Write one phase."""
        self.page.add("")
        start = phase.start or START
        self.page.add(f"# {phase.name}" + (f", from the end of {start}" if start else ""))
        self._go_back(phase, at)
        held = dict(self.held.get(start, {}))
        self._steps(phase, held, 0)
        self.held[phase.name] = held

    def _go_back(self, phase: Phase, at: str) -> None:
        start = phase.start or START
        if start == at:
            return
        own = ", restore_random_state=True" if self.plan.streams else ""
        self.page.add(f'net.restore("{start or "start"}"{own})')

    def _steps(self, phase: Phase, held: dict[str, str] | None, indent: int) -> None:
        """Write a phase's settings, its run and what is learned.

        Parameters
        ----------
        held : what the variables hold already; None where that differs from time to time.
        """
        page = self.page
        for target, text in self._shared(phase):
            # Brian2 takes variables back with `restore`, but not what namespaces hold.
            own = self.namespaces if "[" in target else held
            if held is None or own is None or own.get(target) != text:
                page.add(f"{target} = {text}", indent=indent)
            if own is not None:
                own[target] = text
        for target, text in self._own(phase):
            page.add(f"{target} = {text}", indent=indent)
        for monitor, phases in self.monitors.phases.items():
            wanted = phase.name in phases
            if held is None or wanted != self.active.get(monitor, True):
                page.add(f"{monitor}.active = {wanted}", indent=indent)
            self.active[monitor] = wanted
        self.learning.write_phase_start(phase.name, indent)
        page.add(f"net.run({self._duration(phase)}, namespace={{}})", indent=indent)
        self.learning.write_phase_end(phase.name, indent)
        if self.returns:
            page.add(f'keep("{phase.name}")', indent=indent)
        if phase.name in self.returns:
            page.add(f'net.store("{phase.name}")', indent=indent)

    def _duration(self, phase: Phase) -> str:
        """Return the length of a phase: in steps where the network file says so."""
        declared = self.network.protocol.phases[phase.name]
        if declared.steps is not None:
            return f"{phase.steps}*dt"
        return self.page.number(declared.duration or 0.0, units.dimensions("second"))

    def _shared(self, phase: Phase) -> list[tuple[str, str]]:
        """Return the shared inputs that phases set: variable in the script, and its value."""
        found = []
        for column in self.plan.shared:
            value = self.constants.values[column][phase.name]
            if column in self.constants.changing:
                found += [(target, value.text) for target in self._targets(column)]
            elif column in self.constants.tables and not self.constants.is_same(column):
                found += self._tables(column, value.text, value.varies)
        return found

    def _own(self, phase: Phase) -> list[tuple[str, str]]:
        """Return what a phase sets in variables that each neuron has."""
        settings, found = self.network.protocol.phases[phase.name].set, []
        for population, variable in phase.sets:
            key = f"{population}.{variable}"
            path = ("protocol", "phases", phase.name, "set", key)
            text = self.constants.evaluate(settings[key], phase.name, path)
            found.append((f"{self.page.name('population', population)}.{variable}", text))
        return found

    def _tables(self, column: Column, text: str, varies: bool) -> list[tuple[str, str]]:
        table, array = self.constants.table(column), self.page.use("TimedArray")
        values = text if varies else f"np.ones(1)*({text})"
        owners = [target.rpartition(".")[0] for target in self._targets(column)]
        return [(f'{o}.namespace["{table}"]', f"{array}({values}, dt=dt)") for o in owners]

    def _targets(self, column: Column) -> list[str]:
        """Return the shared variables in the script that hold a shared input."""
        population, name = column
        if population:
            return [f"{self.page.name('population', population)}.{name}"]
        groups = [
            self.page.name("population", n)
            for n, p in self.plan.populations.items()
            if p.neuron is not None and name in p.neuron.drives
        ]
        groups += [
            self.learning.synapses.variable(n, code=True)
            for n, p in self.plan.projections.items()
            if p.code is not None and name in p.code.drives and p.geometry.synapse_count
        ]
        return [f"{group}.{name}" for group in groups]
