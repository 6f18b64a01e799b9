"""Populations in the script: NeuronGroups, SpikeGeneratorGroups, their values at the start."""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim import expressions, models, units
from evsim.build.code import NeuronCode, TimedValues, Variable
from evsim.build.plan import Plan, Population
from evsim.build.weights import spread
from evsim.export.constants import Constants
from evsim.export.page import Page, call, dimensions_of, factor, listing, quoted
from evsim.replay import SPIKES
from evsim.spec import schema

Inputs = Mapping[tuple[str, str], NDArray[Any]]

SHARED_SLOTS = {
    "before_start",
    "groups",
    "thresholds",
    "after_thresholds",
    "resets",
    "after_resets",
}
"""Slots in which Brian2 runs code of its own for a group: names decide the order in them."""

ARGUMENTS = {"size", "name", *keyword.kwlist}
"""Parameters that the functions of the script cannot take by name."""


class Neurons:
    """Writes the populations.

    Parameters
    ----------
    received : population -> lines of equations for weighted sums that several projections share.
    """

    def __init__(
        self,
        page: Page,
        network: schema.Network,
        plan: Plan,
        constants: Constants,
        received: Mapping[str, list[str]],
    ):
        self.page, self.network, self.plan = page, network, plan
        self.constants, self.received = constants, received

    def write(self, inputs: Inputs) -> None:
        """Write the populations, then what the trial's sample sets in them."""
        arrays = {
            name: array
            for population in self.plan.populations.values()
            if population.neuron is not None
            for name, array in population.neuron.arrays.items()
        }
        if arrays:
            self.page.section("Values over time")
        for array in arrays.values():
            self._array(array)
        self.page.section("Populations")
        families = self._families()
        for family in families:
            if len(family) > 1:
                self._function(family)
        for population in self.plan.populations.values():
            family = next((f for f in families if population.name in f), [])
            self._population(population, family, inputs)

    def _families(self) -> list[list[str]]:
        """Return the populations whose neurons are the same, but for their parameters."""
        found: dict[Any, list[str]] = {}
        for name, population in self.plan.populations.items():
            if population.neuron is not None:
                neuron = self.network.populations[name].neuron
                awkward = ARGUMENTS & set(self.network.populations[name].set)
                key = (
                    name if awkward else "",
                    neuron,
                    tuple(population.neuron.drives),
                    tuple(population.neuron.arrays),
                    tuple(self.received.get(name, ())),
                    tuple(
                        c for c in self.plan.shared if c[0] == name and c in self.constants.tables
                    ),
                )
                found.setdefault(key, []).append(name)
        return list(found.values())

    def _array(self, array: TimedValues) -> None:
        declared = self.network.arrays[array.name]
        values, unit = array.values, units.parse(declared.unit)
        if declared.values is not None:
            values = np.array(declared.values, np.float64)
            text = self.page.values(array.name, values)
            unit_text = self.page.expression(declared.unit)
            unit_text = unit_text or self.page.number(unit.value, unit.dimensions)
            text += "" if unit_text == "1" else f"*{factor(unit_text)}"
        else:
            text = self.page.values(array.name, values, unit.dimensions)
        name = self.page.name("array", array.name)
        step = self.page.number(array.dt, units.dimensions("second"))
        self.page.add(f"{name} = {self.page.use('TimedArray')}({text}, dt={step})")

    def _function(self, family: list[str]) -> None:
        """Write the function that makes neurons of one kind."""
        kind = str(self.network.populations[family[0]].neuron)
        name = self.page.name("neuron", kind)
        self.page.add("", f"def {name}(size, name, **parameters):")
        self.page.add(f'    """Return a group of {kind} neurons."""')
        self._neurons(family[0], "group", "size", "name", indent=4)
        self.page.add("    return group", "", "")

    def _population(self, population: Population, family: list[str], inputs: Inputs) -> None:
        page, name = self.page, population.name
        variable = page.name("population", name)
        if self.page.lines[-1]:
            page.add("")
        if len(family) > 1:
            kind = page.name("neuron", str(self.network.populations[name].neuron))
            own = [f"{key}={text}" for key, text in self._set(name).items()]
            arguments = [str(population.size), quoted(name), *own]
            page.add(f"{variable} = " + call(kind, arguments))
        elif population.neuron is not None:
            self._neurons(name, variable, str(population.size), quoted(name))
        elif population.replay is not None:
            self._replayed(population, variable, inputs.get((name, SPIKES)))
        else:
            lines = [f"{v.name} : 1" for v in population.variables.values()]
            head = f"{variable} = {page.use('NeuronGroup')}"
            page.add(
                call(head, [str(population.size), quoted("\n".join(lines)), f"name={quoted(name)}"])
            )
        for found in population.variables.values():
            if (name, found.name) in inputs:
                text = page.values(
                    f"{name}.{found.name}", inputs[name, found.name], dimensions_of(found.unit)
                )
                page.add(f"{variable}.{found.name} = {text}  # of the sample")
            elif (name, found.name) in self.constants.steady:
                values = self.constants.values[name, found.name].values()
                page.add(f"{variable}.{found.name} = {next(iter(values)).text}")
            else:
                self._initial(population, variable, found)

    def _neurons(self, name: str, variable: str, size: str, title: str, indent: int = 0) -> None:
        """Write a NeuronGroup with its code."""
        page, code = self.page, self.plan.populations[name].neuron
        assert code is not None
        arguments = [size, quoted(self._equations(name, code))]
        for field in ("threshold", "reset"):
            if getattr(code, field) is not None:
                arguments.append(f"{field}={quoted(getattr(code, field))}")
        if code.refractory is not None:
            arguments.append(f"refractory={self._refractory(code.refractory)}")
        if code.method is not None:
            arguments.append(f"method={quoted(code.method)}")
        if code.events:
            events = {event: quoted(text) for event, text in code.events.items()}
            arguments.append(f"events={listing(events)}")
        namespace = self._namespace(name, code, title == "name")
        if namespace != "{}":
            arguments.append(f"namespace={namespace}")
        arguments.append(f"name={title}")
        head = f"{variable} = {page.use('NeuronGroup')}"
        page.add(call(head, arguments), indent=indent)
        for event, text in code.on_event.items():
            arguments = [quoted(event), quoted(text)]
            page.add(call(f"{variable}.run_on_event", arguments), indent=indent)
        for slot, text in code.run.items():
            own = f'name + "_{slot}"' if title == "name" else quoted(f"{name}_{slot}")
            named = [f"name={own}"] if slot in SHARED_SLOTS else []
            arguments = [quoted(text), f"when={quoted(slot)}", *named]
            page.add(call(f"{variable}.run_regularly", arguments), indent=indent)
        self._shared(name, variable, code, indent)

    def _equations(self, name: str, code: NeuronCode) -> str:
        drives = [f"{key} : {units.describe(dims)} (shared)" for key, dims in code.drives.items()]
        return "\n".join([code.equations.strip(), *self.received.get(name, ()), *drives])

    def _refractory(self, text: str) -> str:
        try:
            units.parse(text, unit="second")
        except ValueError:
            return quoted(text)
        return self.page.expression(text) or quoted(text)

    def _namespace(self, name: str, code: NeuronCode, is_function: bool) -> str:
        items = {key: self._parameter(text) for key, text in self._parameters(name).items()}
        if not is_function:
            items |= self._set(name)
        items |= {key: self.page.name("array", key) for key in code.arrays}
        for column in self._tables(name, code):
            table = self.constants.table(column)
            if self.constants.is_same(column):
                items[table] = table
        if is_function and not items:
            return "parameters"
        return listing(items, *(["**parameters"] if is_function else []))

    def _parameters(self, name: str) -> Mapping[str, str]:
        return models.neuron(self.network, name).parameters

    def _set(self, name: str) -> dict[str, str]:
        """Return the parameters of a population that differ from its neuron's."""
        declared = self.network.populations[name].set
        return {key: self._parameter(text) for key, text in declared.items()}

    def _parameter(self, text: str) -> str:
        found = units.parse(text)
        return self.page.expression(text) or self.page.number(found.value, found.dimensions)

    def _tables(self, name: str, code: NeuronCode) -> list[tuple[str, str]]:
        """Return the shared inputs of a population that differ by step."""
        seen = [("", key) for key in code.drives]
        seen += [column for column in self.plan.shared if column[0] == name]
        return [column for column in seen if column in self.constants.tables]

    def _shared(self, name: str, variable: str, code: NeuronCode, indent: int) -> None:
        """Write the protocol constants that the neurons' code reads."""
        for column in (("", key) for key in code.drives):
            if column in self.constants.steady:
                text = next(iter(self.constants.values[column].values())).text
                self.page.add(f"{variable}.{column[1]} = {text}", indent=indent)
        for column in self._tables(name, code):
            line = quoted(f"{column[1]} = {self.constants.table(column)}(t)")
            arguments = [line, 'when="before_start"', "order=-1"]
            self.page.add(call(f"{variable}.run_regularly", arguments), indent=indent)

    def _replayed(self, population: Population, variable: str, given: NDArray[Any] | None) -> None:
        page, replay = self.page, population.replay
        assert replay is not None
        spikes = replay.spikes if given is None else given
        steps, neurons = np.zeros((2, 0), np.int64) if spikes is None else spikes
        arguments = [
            str(population.size),
            page.values(f"{population.name}.neuron", neurons),
            page.values(f"{population.name}.step", steps) + "*dt",
        ]
        if replay.period:
            second = units.dimensions("second")
            arguments.append(f"period={page.number(replay.period * self.plan.dt, second)}")
        arguments.append(f"name={quoted(population.name)}")
        page.add(call(f"{variable} = {page.use('SpikeGeneratorGroup')}", arguments))

    def _initial(self, population: Population, variable: str, found: Variable) -> None:
        """Write a variable's value at the trial's start, unless it is 0."""
        values = self._start(population, found)
        automatic = {"lastspike", "not_refractory"}
        if found.name in automatic or not np.any(values):
            return
        text = self._expression(population, found, values)
        if text is None and np.all(values == np.ravel(values)[0]):
            text = self.page.number(float(np.ravel(values)[0]), dimensions_of(found.unit))
        if text is None:
            stored = f"{population.name}.{found.name}"
            text = self.page.values(stored, values, dimensions_of(found.unit))
        self.page.add(f"{variable}.{found.name} = {text}")

    def _start(self, population: Population, found: Variable) -> NDArray[Any]:
        parameter = f"{population.name}.{found.name}"
        if parameter not in self.plan.parameters:
            return found.initial
        return spread(self.plan.parameters[parameter], population.shape, found.share)

    def _expression(
        self, population: Population, found: Variable, values: NDArray[Any]
    ) -> str | None:
        """Return the expression of the network file where it gives these very values."""
        text = self.network.populations[population.name].init.get(found.name)
        if text is None or found.share is not None or found.kind != "float":
            return None
        names = {"i": np.arange(population.size), "N": float(population.size)}
        try:
            same = expressions.evaluate(text, names)
        except expressions.ExpressionError:
            return None
        if not np.array_equal(np.broadcast_to(same, values.shape), values):
            return None
        if set(names) & set(expressions.names(text)):
            return quoted(" ".join(text.split()))
        return self.page.expression(text)
