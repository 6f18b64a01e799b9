"""A network file as a plain Brian2 script that runs one trial."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import brian2
from numpy.typing import NDArray

from evsim import syntax, units
from evsim.build import brian2_compat as compat
from evsim.build.faults import Faults
from evsim.build.plan import Plan
from evsim.export.constants import Constants
from evsim.export.learning import Learning
from evsim.export.monitors import Monitors
from evsim.export.neurons import Inputs, Neurons
from evsim.export.page import WIDTH, Page
from evsim.export.protocol import Protocol
from evsim.export.synapses import Synapses, receiving_lines
from evsim.spec import schema


@dataclass(frozen=True)
class Script:
    """A script.

    Attributes
    ----------
    text : in Python, with Brian2 and NumPy only.
    arrays : that it loads from the `.npz` file of its own name; there may be none.
    notes : what of the network it leaves out, one sentence each.
    """

    text: str
    arrays: Mapping[str, NDArray[Any]]
    notes: tuple[str, ...]


def brian2_script(network: schema.Network, plan: Plan, inputs: Inputs) -> Script:
    """Return the script of one trial that learns.

    Parameters
    ----------
    inputs : what the trial's sample sets, see `Simulation.begin`.

    Raises
    ------
    BuildError : what Brian2 cannot say, each with its place.
    """
    faults, page = Faults(network), Page()
    for name in plan.populations:
        page.name("population", name)
    for name in plan.projections:
        page.name("projection", name)
    _refuse(network, plan, faults)
    constants = Constants(page, network, plan, faults)
    synapses = Synapses(page, network, plan, constants)
    monitors = Monitors(page, network, plan, synapses)
    faults.check()
    learning = Learning(page, network, plan, constants, synapses, monitors)
    protocol = Protocol(page, network, plan, constants, monitors, learning, faults)
    protocol.check()
    constants.write()
    Neurons(page, network, plan, constants, receiving_lines(plan)).write(inputs)
    synapses.write()
    monitors.write(learning.averaged)
    learning.write_start()
    protocol.write()
    faults.check()
    early = [name for name, phase in plan.phases.items() if phase.window]
    if early:
        page.notes.append(f"Phases that may end early run whole: {', '.join(early)}.")
    unlike = [name for name, stored in plan.storage.items() if stored.mismatch]
    if unlike:
        page.notes.append(f"Devices do not differ: `weights.mismatch` of {', '.join(unlike)}.")
    if network.data is not None and network.data.augment:
        page.notes.append("The sample is as the data set has it, without `data.augment`.")
    page.number(plan.dt, units.dimensions("second"))
    if plan.streams:
        page.use("seed")
    return Script(_text(network, plan, page), page.arrays, tuple(page.notes))


def _refuse(network: schema.Network, plan: Plan, faults: Faults) -> None:
    """Note what Brian2 has no words for."""
    for name, text in network.protocol.constants.items():
        if syntax.is_random(text):
            drawn = f"Constant '{name}' is drawn in each trial, which a script has no words for."
            faults.add(("protocol", "constants", name), drawn, "give it a value")
    message = "Code calls binomial(n, p); Brian2 by itself knows a fixed n and p only."
    for name, population in plan.populations.items():
        code = population.neuron
        if code is not None:
            texts = (
                code.equations,
                code.threshold,
                code.reset,
                *code.run.values(),
                *code.events.values(),
                *code.on_event.values(),
            )
            if "binomial" in compat.identifiers(*texts):
                faults.add(("populations", name, "neuron"), message)
    for at, projection in enumerate(network.projections):
        if (
            projection.sends == "value"
            and not plan.projections[projection.name].geometry.synapse_count
        ):
            nothing = f"Projection '{projection.name}' sends values, but connects no neurons."
            faults.add(("projections", at), nothing, "leave it out")
        if projection.sends == "value" and projection.symmetric:
            both = "Values that are sent both ways cannot be written as a script yet."
            faults.add(("projections", at, "symmetric"), both, "write two projections")
        if plan.projections[projection.name].geometry.windows is not None:
            largest = "Brian2 has no synapses of which the largest sum counts."
            faults.add(("projections", at, "pool"), largest, "pool by `average`")
        synapses = plan.projections[projection.name].code
        if synapses is not None:
            texts = (synapses.equations, synapses.on_pre, synapses.on_post)
            if "binomial" in compat.identifiers(*texts):
                faults.add(("projections", at, "learn"), message)


def _text(network: schema.Network, plan: Plan, page: Page) -> str:
    head = [*_docstring(plan, page), "", *_imports(page), "", *_settings(plan, page)]
    return "\n".join([*head, *page.lines, ""])


def _docstring(plan: Plan, page: Page) -> list[str]:
    text = f"One trial of the network {plan.name}."
    learns = "Weights are those before training." if plan.learns else ""
    rounded = (
        "Numbers have the precision of Brian2, float64." if plan.precision != "float64" else ""
    )
    drawn = "Random numbers are Brian2's: spikes follow the same laws." if plan.streams else ""
    further = [sentence for sentence in (learns, rounded, drawn, *page.notes) if sentence]
    if not further:
        return [f'"""{text}"""']
    return [f'"""{text}', "", *textwrap.wrap(" ".join(further), WIDTH), '"""']


def _imports(page: Page) -> list[str]:
    needed = sorted(page.imports, key=lambda name: (name.lower(), name))
    plain = [name for name in needed if hasattr(brian2, name)]
    rare = [name for name in needed if not hasattr(brian2, name)]
    lines = []
    if any("np." in line for line in page.lines) or page.arrays:
        lines.append("import numpy as np")
    lines += _import("brian2", plain)
    return lines + (_import("brian2.units.allunits", rare) if rare else [])


def _import(module: str, names: list[str]) -> list[str]:
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= WIDTH:
        return [line]
    inside = textwrap.wrap(", ".join(names), WIDTH - 4)
    return [
        f"from {module} import (",
        *(f"    {part}" for part in inside[:-1]),
        f"    {inside[-1]},",
        ")",
    ]


def _settings(plan: Plan, page: Page) -> list[str]:
    lines = [
        "# Brian2's compiled code is faster, and may round sums in another way.",
        'prefs.codegen.target = "numpy"',
        f"dt = {page.number(plan.dt, units.dimensions('second'))}",
        "defaultclock.dt = dt",
    ]
    if plan.streams:
        lines += ["# Random numbers in code are Brian2's own.", f"seed({plan.seed % 2**32})"]
    if page.arrays:
        lines.append('data = np.load(__file__.removesuffix(".py") + ".npz")')
    return lines
