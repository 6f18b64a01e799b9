"""Learning rules: plasticity code captured for the parameter that it moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import brian2
import numpy as np
from numpy.typing import NDArray

from evsim.build import brian2_compat as compat
from evsim.build.capture import capture
from evsim.build.code import Block
from evsim.build.plan import Population, Rule
from evsim.build.synapses import written
from evsim.spec import schema

Failed = Callable[[tuple[Any, ...], Exception], None]


def build_rules(
    network: schema.Network,
    populations: Mapping[str, Population],
    constants: Mapping[str, tuple[float, ...]],
    failed: Failed,
) -> dict[str, Rule]:
    """Return the rules by parameter: projections in file order, then learned variables."""
    rules = {}
    for projection in network.projections:
        if projection.learn is not None and network.plasticity[projection.learn].update:
            source, target = projection.from_.partition(".")[0], projection.to.partition(".")[0]
            rules[projection.name] = _rule(
                network,
                projection.name,
                projection.learn,
                projection.rate,
                _synaptic(populations[source], populations[target], constants),
                failed,
                projection=projection.name,
                population=target,
            )
    for name, population in network.populations.items():
        for variable, plasticity in population.learn.items():
            rules[f"{name}.{variable}"] = _rule(
                network,
                f"{name}.{variable}",
                plasticity,
                None,
                _neural(populations[name], constants),
                failed,
                population=name,
                variable=variable,
            )
    return rules


def _rule(
    network: schema.Network,
    parameter: str,
    name: str,
    rate: float | None,
    run: Callable[[str], Block],
    failed: Failed,
    *,
    population: str,
    projection: str | None = None,
    variable: str | None = None,
) -> Rule:
    plasticity = network.plasticity[name]
    code: dict[str, dict[str, Block]] = {"at_end": {}, "every_step": {}}
    for moment, blocks in code.items():
        for phase, text in getattr(plasticity, moment).items():
            try:
                _refuse_random(text)
                blocks[phase] = run(text)
            except Exception as error:
                failed(("plasticity", name, moment, phase), error)
    update = plasticity.update
    assert update is not None, "checked by the callers and with the file"
    return Rule(
        parameter=parameter,
        projection=projection,
        population=population,
        variable=variable,
        at_end=code["at_end"],
        every_step=code["every_step"],
        optimiser=update.rule,
        momentum=update.momentum,
        clip=np.inf if update.clip is None else update.clip,
        decay=update.decay,
        rates=_rates(update, rate or update.rate, network.protocol.epochs),
        at_spikes="g" in written(plasticity.on_pre, plasticity.on_post),
    )


def _refuse_random(text: str) -> None:
    for name in sorted(compat.random_names(compat.identifiers(text))):
        raise ValueError(f"Random '{name}' in plasticity code cannot be run yet.")


def _rates(update: schema.Update, rate: float, epochs: int) -> NDArray[np.float64]:
    epoch = np.arange(max(epochs, 1), dtype=np.float64)
    rates = np.full(len(epoch), rate)
    cosine, step = update.schedule.cosine, update.schedule.step
    if cosine is not None:
        turn = np.minimum(epoch / (cosine.epochs or len(epoch)), 1.0)
        rates = cosine.to + 0.5 * (rates - cosine.to) * (1 + np.cos(np.pi * turn))
    if step is not None:
        rates = rates * step.factor ** (epoch // step.every)
    return rates


def _shared_lines(text: str, constants: Mapping[str, tuple[float, ...]]) -> list[str]:
    used = compat.identifiers(text) & set(constants)
    return [f"{name} : {compat.unit_text(constants[name])} (shared)" for name in sorted(used)]


def _group(
    population: Population, used: set[str], name: str, clock: Any, extra: tuple[str, ...] = ()
) -> Any:
    """Return a group that only declares those of a population's variables that code uses."""
    lines = [
        compat.declaration(v)
        for v in population.variables.values()
        if v.name in used and v.name not in ("lastspike", "not_refractory")
    ]
    return brian2.NeuronGroup(1, "\n".join([*lines, *extra]), clock=clock, name=name, namespace={})


def _synaptic(
    source: Population, target: Population, constants: Mapping[str, tuple[float, ...]]
) -> Callable[[str], Block]:
    def run(text: str) -> Block:
        clock = compat.clock(1.0, "rule_clock")
        names = compat.identifiers(text)
        sent = {name.removesuffix("_pre") for name in names if name.endswith("_pre")}
        # Brian2 takes a name without suffix for the target's, except what the synapse declares.
        met = {name.removesuffix("_post") for name in names - {"w", "g", *constants}}
        pre = _group(source, sent, "rule_pre", clock)
        post = _group(target, met, "rule_post", clock)
        model = "\n".join(["w : 1", "g : 1", *_shared_lines(text, constants)])
        synapses = brian2.Synapses(pre, post, model, clock=clock, name="rule", namespace={})
        compat.mark_connected(synapses)
        synapses.run_regularly(text, clock=clock, name="rule_code")
        return capture([pre, post, synapses])[0]

    return run


def _neural(
    population: Population, constants: Mapping[str, tuple[float, ...]]
) -> Callable[[str], Block]:
    def run(text: str) -> Block:
        clock = compat.clock(1.0, "rule_clock")
        extra = ("g : 1", *_shared_lines(text, constants))
        group = _group(population, compat.identifiers(text), "rule", clock, extra)
        group.run_regularly(text, clock=clock, name="rule_code")
        return capture([group])[0]

    return run
