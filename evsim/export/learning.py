"""Learning in the script: what a trial adds to `g`, the direction in which weights move."""

from __future__ import annotations

import re

import numpy as np

from evsim import expressions
from evsim.build.plan import Phase, Plan, Population
from evsim.export.constants import Constants
from evsim.export.monitors import Monitors
from evsim.export.page import Page, factor
from evsim.export.synapses import Synapses
from evsim.spec import schema

_SIDE = re.compile(r"(\w+)_(pre|post)")


class Learning:
    """Writes what code at phases' ends, and at spikes, adds to `g`.

    Attributes
    ----------
    averaged : population -> variables of which code reads means.
    """

    def __init__(
        self,
        page: Page,
        network: schema.Network,
        plan: Plan,
        constants: Constants,
        synapses: Synapses,
        monitors: Monitors,
    ):
        self.page, self.network, self.plan = page, network, plan
        self.constants, self.synapses, self.monitors = constants, synapses, monitors
        self.averaged: dict[str, set[str]] = {}
        self.added = [
            (parameter, phase)
            for parameter, rule in plan.rules.items()
            for phase in plan.phases
            if phase in rule.at_end or rule.at_spikes
        ]
        self._look()

    def _look(self) -> None:
        """Find what has a script and which means it reads; note what is left out."""
        for parameter, rule in self.plan.rules.items():
            if rule.every_step:
                self._leave_out(parameter, "runs in every step")
            elif any(self._terms(parameter, phase) is None for phase in rule.at_end):
                self._leave_out(parameter, "is more than one sum")
            else:
                self._note_means(parameter)

    def _leave_out(self, parameter: str, why: str) -> None:
        self.added = [(name, phase) for name, phase in self.added if name != parameter]
        self.page.notes.append(f"The learning of {parameter} is left out: its code {why}.")

    def _note_means(self, parameter: str) -> None:
        for phase in self.plan.rules[parameter].at_end:
            read = self._read(parameter, self._terms(parameter, phase) or [])
            for population, variable in read.values():
                if self._is_mean(population, variable, self.plan.phases[phase]):
                    self.averaged.setdefault(population.name, set()).add(variable)

    def write_start(self) -> None:
        """Write the arrays that the terms are added to."""
        parameters = list(dict.fromkeys(parameter for parameter, _ in self.added))
        if not parameters:
            return
        self.page.section("Learning: g points where a parameter moves")
        self.page.add("g = {")
        for parameter in parameters:
            shape = self._shape(parameter)
            size = str(shape[0]) if len(shape) == 1 else str(shape)
            self.page.add(f'    "{parameter}": np.zeros({size}),')
        self.page.add("}")

    def _shape(self, parameter: str) -> tuple[int, ...]:
        return self.plan.parameters[parameter].shape or (1,)

    def write_phase_start(self, phase: str, indent: int) -> None:
        """Write what code at spikes finds in `g` when a phase starts."""
        for parameter, rule in self.plan.rules.items():
            if rule.at_spikes:
                variable = self.synapses.variable(parameter, code=True)
                self.page.add(f"{variable}.g = 0", indent=indent)

    def write_phase_end(self, phase: str, indent: int) -> None:
        """Write what the code of a phase adds."""
        here = [parameter for parameter, at in self.added if at == phase]
        values = [line for parameter in here for line in self._values(parameter, phase)]
        terms = [line for parameter in here for line in self._lines(parameter, phase)]
        for line in (*dict.fromkeys(values), *terms):
            self.page.add(line, indent=indent)

    def _values(self, parameter: str, phase: str) -> list[str]:
        """Return the lines that take what the code reads."""
        read = self._read(parameter, self._terms(parameter, phase) or [])
        return [
            f"{self._local(population.name, name)} = {self._source(population, name, phase)}"
            for population, name in read.values()
        ]

    def _lines(self, parameter: str, phase: str) -> list[str]:
        rule, lines = self.plan.rules[parameter], []
        terms = self._terms(parameter, phase) or []
        if rule.projection is not None:
            lines.append(self._pairs(parameter))
        if rule.at_spikes:
            variable = self.synapses.variable(parameter, code=True)
            lines += self._gather(parameter, "+=", f"{variable}.g[:]")
        for operator, text in terms:
            names = self._names(parameter, terms)
            lines += self._gather(parameter, operator, self._python(text, phase, names))
        return lines

    def _names(self, parameter: str, terms: list[tuple[str, str]]) -> dict[str, str]:
        """Return what the script has for the names in code, besides constants."""
        rule, names = self.plan.rules[parameter], {}
        for name, (population, variable) in self._read(parameter, terms).items():
            side = _SIDE.fullmatch(name)
            index = "" if rule.projection is None else f"[{side[2] if side else 'post'}]"
            names[name] = self._local(population.name, variable) + index
        if rule.projection is not None and self._is_plain(parameter):
            projection = self.plan.projections[parameter]
            names["w"] = (
                f"{self.synapses.variable(parameter)}.{self.synapses.weight(projection)}[:]"
            )
        return names

    def _pairs(self, parameter: str) -> str:
        if self._is_plain(parameter):
            variable = self.synapses.variable(parameter)
            return f"pre, post = {variable}.i[:], {variable}.j[:]"
        pre, post, weight, _ = self.synapses.listed(parameter)
        name = f"{parameter}.terms"
        largest = max(int(numbers.max()) for numbers in (pre, post, weight))
        terms = np.array([pre, post, weight], np.min_scalar_type(largest))
        return f"pre, post, weight = {self.page.stored(name, terms)}"

    def _is_plain(self, parameter: str) -> bool:
        """Whether every synapse has one weight of its own."""
        _, _, weight, coefficient = self.synapses.listed(parameter)
        return np.array_equal(weight, np.arange(len(weight))) and bool(np.all(coefficient == 1))

    def _gather(self, parameter: str, operator: str, text: str) -> list[str]:
        """Return the lines that add terms, one a synapse or a neuron, to the parameter's `g`."""
        rule, shape = self.plan.rules[parameter], self._shape(parameter)
        target = f'g["{parameter}"] {operator}'
        if rule.variable is not None:
            share = self.plan.populations[rule.population].variables[rule.variable].share
            if share == "channel":
                text = f"{factor(text)}.reshape({shape[0]}, -1).sum(axis=1)"
            elif share == "all":
                text = f"{factor(text)}.sum()"
            return [f"{target} {text}"]
        form = f".reshape({', '.join(map(str, shape))})"
        if self._is_plain(parameter):
            return [f"{target} {text if len(shape) == 1 else factor(text) + form}"]
        coefficient = self.synapses.listed(parameter).coefficient[0]
        terms = text if coefficient == 1 else f"{factor(text)}/{1 / coefficient:g}"
        return [
            f"terms = {terms}",
            f"{target} np.bincount(weight, terms, {int(np.prod(shape))}){form}",
        ]

    def _terms(self, parameter: str, phase: str) -> list[tuple[str, str]] | None:
        """Return operator and expression of each line of a phase's code, None where not simple."""
        code = self._code(parameter, phase)
        found = []
        for line in expressions.assignments(code) if code else ():
            if line.target != "g" or line.operator not in ("+=", "-="):
                return None
            text = line.expression.strip()
            names = self._names(parameter, [(line.operator, text)])
            known = {*names, *self.constants.base}
            if set(expressions.names(text)) - known or self._python(text, phase, names) == "":
                return None
            found.append((line.operator, text))
        return found

    def _code(self, parameter: str, phase: str) -> str:
        block = self.plan.rules[parameter].at_end.get(phase)
        return block.code if block is not None else ""

    def _python(self, text: str, phase: str, names: dict[str, str]) -> str:
        known = {**names}
        for name in set(expressions.names(text)) & set(self.constants.base):
            known[name] = self._constant(name, phase)
        return self.page.expression(text, known) or ""

    def _constant(self, name: str, phase: str) -> str:
        """Return a constant as code finds it at a phase's end."""
        value = self.constants.values["", name][phase]
        if not value.varies:
            return factor(value.text)
        planned = self.plan.phases[phase]
        row = planned.shared.row(planned.steps - 1)
        return repr(float(row[self.plan.shared.index(("", name))]))

    def _read(
        self, parameter: str, terms: list[tuple[str, str]]
    ) -> dict[str, tuple[Population, str]]:
        """Return which variables of neurons the names in code stand for."""
        rule, found = self.plan.rules[parameter], {}
        for name in sorted({n for _, text in terms for n in expressions.names(text)}):
            population, variable = self.plan.populations[rule.population], name
            if rule.projection is not None:
                projection = self.plan.projections[rule.projection]
                side = _SIDE.fullmatch(name)
                if name in self.constants.base or name in ("w", "g"):
                    continue
                variable = side[1] if side else name
                source = side is not None and side[2] == "pre"
                population = self.plan.populations[
                    projection.source if source else projection.target
                ]
            if variable in population.variables:
                found[name] = (population, variable)
        return found

    def _local(self, population: str, variable: str) -> str:
        return self.page.name("value", f"{population}_{variable}")

    def _is_mean(self, population: Population, variable: str, phase: Phase) -> bool:
        return (
            variable in phase.average
            and population.variables[variable].kind == "float"
            and not population.variables[variable].shared
            and not population.variables[variable].constant
        )

    def _source(self, population: Population, variable: str, phase: str) -> str:
        """Return the text of a variable's values that code reads at a phase's end."""
        planned = self.plan.phases[phase]
        if self._is_mean(population, variable, planned):
            monitor = self.monitors.history(population.name)
            return f"{monitor}.{variable}[:, -{planned.average_last}:].mean(axis=1)"
        return f"{self.page.name('population', population.name)}.{variable}[:]"
