"""Shared inputs in the script: protocol constants, and shared variables that phases set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evsim import expressions
from evsim.build.faults import Faults, Path
from evsim.build.plan import Plan
from evsim.export.page import Page, dimensions_of, factor, replace_names
from evsim.spec import schema

Column = tuple[str, str]
"""(population, variable), or ("", constant)."""

CLOCK = {"k", "t"}

OWN = {name: name for name in ("k", "t", "dt")}
"""Names of the clock, which are the script's, too."""


@dataclass(frozen=True)
class Value:
    """What a shared input is in one phase: Python text, and whether it differs by step."""

    text: str
    varies: bool


class Constants:
    """The shared inputs of a plan: what each is in every phase.

    Attributes
    ----------
    steady : columns with one value in all phases.
    tables : columns that differ by step.
    changing : columns that are set anew by phases.
    """

    def __init__(self, page: Page, network: schema.Network, plan: Plan, faults: Faults):
        self.page, self.network, self.plan, self.faults = page, network, plan, faults
        self.base = network.protocol.constants
        phases = network.protocol.phases
        self.repeated = {n for p in phases.values() if p.repeat for n in p.repeat.set}
        self.repeats = self._dependents(self.repeated)
        self.plain = {n: page.name("constant", n) for n in self.base if not self._varies(n)}
        self.values = {c: {p: self._value(c, p) for p in phases} for c in plan.shared}
        self.tables = {c for c in _read(plan) if any(v.varies for v in self.values[c].values())}
        self.steady = {c for c in self.values if self.is_same(c)} - self.tables
        self.steady -= {("", name) for name in self.repeated | self.repeats}
        self.steady -= {c for c in self.steady if self._repeats(c)}
        self.changing = set(plan.shared) - self.steady - self.tables
        for column in self.tables:
            if self._repeats(column):
                self._refuse(column, "changes both from step to step and when phases are repeated")

    def is_same(self, column: Column) -> bool:
        """Whether a shared input is said in the same way in all phases."""
        return len({value.text for value in self.values[column].values()}) == 1

    def table(self, column: Column) -> str:
        """Return the name of the TimedArray of a shared input."""
        return self.page.name("table", "_".join([*filter(None, column), "at"]))

    def initial(self, column: Column) -> str:
        """Return the text of a population's variable where no phase sets it."""
        variable = self.plan.populations[column[0]].variables[column[1]]
        return self.page.number(float(variable.initial), dimensions_of(variable.unit))

    def evaluate_base(self, name: str) -> str:
        """Return what a constant is where no phase and no repetition sets it, as Python."""
        text = self.page.expression(self.base[name], {**self.plain, **OWN})
        if text is None:
            self.faults.add(("protocol", "constants", name), _too_much(self.base[name]))
        return text or ""

    def evaluate(self, text: str, phase: str, path: Path) -> str:
        """Return an expression of the protocol as Python, as it is meant in a phase."""
        made = self.page.expression(self._inline(text, phase), {**self.plain, **OWN})
        if made is None:
            self.faults.add(path, _too_much(text))
        return made or ""

    def changed(self, phase: str) -> set[str]:
        """Return the constants that are not what their variables in the script say in a phase."""
        own = set(self.network.protocol.phases[phase].set) & set(self.base)
        return own | self._dependents(own) | self.repeats | (set(self.base) - set(self.plain))

    def write(self) -> None:
        """Write the constants, and the tables that all phases have in common."""
        if self.plain or self.tables:
            self.page.section("Constants of the protocol")
        for name, variable in self.plain.items():
            self.page.add(f"{variable} = {self.evaluate_base(name)}")
        if self.tables:
            self.page.add(f"k = np.arange(1.0, {self.plan.length + 1})  # the trial's steps")
        if any("t" in expressions.names(text) for text in self._table_texts()):
            self.page.add("t = (k - 1)*dt")
        for column in (c for c in self.plan.shared if c in self.tables and self.is_same(c)):
            text = next(iter(self.values[column].values())).text
            self.page.add(f"{self.table(column)} = {self.page.use('TimedArray')}({text}, dt=dt)")

    def _table_texts(self) -> list[str]:
        values = [value for column in self.tables for value in self.values[column].values()]
        return [value.text for value in values if value.text]

    def _value(self, column: Column, phase: str) -> Value:
        population, name = column
        if not population:
            path: Path = ("protocol", "constants", name)
            texts = {**self.base, **self._set(phase)}
            text = texts.get(name, name) if name in self.changed(phase) else name
        else:
            path = ("protocol", "phases", phase, "set", f"{population}.{name}")
            given = self.network.protocol.phases[phase].set.get(f"{population}.{name}")
            if given is None:
                return Value(self.initial(column), False)
            text = given
        varies = bool(set(expressions.names(self._inline(text, phase))) & CLOCK)
        return Value(self.evaluate(text, phase, path), varies)

    def _inline(self, text: str, phase: str) -> str:
        """Return an expression over the constants that have a variable in the script."""
        texts = {**self.base, **self._set(phase)}
        inside = set(expressions.names(text)) & self.changed(phase)
        inlined = {name: self._inline(texts[name], phase) for name in inside}
        return replace_names(text, {n: factor(t) for n, t in inlined.items()})

    def _set(self, phase: str) -> Mapping[str, str]:
        given = self.network.protocol.phases[phase].set
        return {name: text for name, text in given.items() if name in self.base}

    def _dependents(self, names: set[str]) -> set[str]:
        """Return the constants that are computed from some others."""
        found: set[str] = set()
        for name, text in self.base.items():
            if set(expressions.names(text)) & (names | found):
                found.add(name)
        return found - names

    def _varies(self, constant: str) -> bool:
        names = set(expressions.names(self.base[constant]))
        return bool(names & CLOCK) or any(self._varies(name) for name in names & set(self.base))

    def _repeats(self, column: Column) -> bool:
        """Return whether a shared input depends on how often phases have been repeated."""
        texts = {value.text for value in self.values[column].values()}
        variables = {self.plain[name] for name in self.repeated if name in self.plain}
        return any(set(expressions.names(text)) & variables for text in texts if text)

    def _refuse(self, column: Column, why: str) -> None:
        population, name = column
        path: Path = ("protocol", "phases") if population else ("protocol", "constants", name)
        self.faults.add(
            path, f"'{'.'.join(filter(None, column))}' {why}: it cannot be written in a script."
        )


def _read(plan: Plan) -> list[Column]:
    """Return the shared inputs that code of neurons and synapses reads."""
    codes = [p.neuron for p in plan.populations.values() if p.neuron is not None]
    drives = {name for code in codes for name in code.drives}
    synapses = [p.code for p in plan.projections.values() if p.code is not None]
    drives |= {name for code in synapses for name in code.drives}
    return [column for column in plan.shared if column[0] or column[1] in drives]


def _too_much(text: str) -> str:
    return f"'{text}' is more than arithmetic: it cannot be written in a script."
