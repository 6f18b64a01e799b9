"""What a network is before it runs: sizes, captured code, paths taken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evsim import datasets, registry
from evsim.build.build import build
from evsim.build.plan import Plan
from evsim.engines.traffic import directions
from evsim.errors import DataError
from evsim.orchestrator.operations import Counter, footprint
from evsim.orchestrator.report import Reporter
from evsim.recording import space
from evsim.recording.layout import Layout
from evsim.simulate import compile_plan, cores, learned_shapes
from evsim.spec.schema import Network


@dataclass(frozen=True)
class PopulationSummary:
    """A population's name, shape and number of neurons."""

    name: str
    shape: tuple[int, ...]
    size: int


@dataclass(frozen=True)
class ProjectionSummary:
    """A projection's kind and how many weights and synapses it has."""

    name: str
    kind: str
    weights: int
    synapses: int


@dataclass(frozen=True)
class CostSummary:
    """What a trial costs whatever its neurons do, by the names of NeuroBench.

    Attributes
    ----------
    kind : "training", "inference", or "trial" where nothing learns.
    steps : of its phases, where none ends early or repeats.
    dense : synaptic operations if every neuron sent in every step.
    footprint : bytes of parameters and state.
    """

    kind: str
    steps: int
    dense: int
    footprint: int


@dataclass(frozen=True)
class Summary:
    """Sizes of a network; `memory` and `recording` in bytes."""

    populations: tuple[PopulationSummary, ...]
    projections: tuple[ProjectionSummary, ...]
    parameters: int
    synapses: int
    memory: int
    recording: int
    costs: tuple[CostSummary, ...]


def check(network: Network) -> Summary:
    """Build a network and return its sizes.

    Raises
    ------
    BuildError : equations, units or initial values are wrong.
    """
    plan = build(network)
    layout = Layout.from_plan(plan, network, learned_shapes(plan))
    projections = tuple(
        ProjectionSummary(
            p.name,
            p.geometry.kind,
            plan.parameters[p.name].size,
            p.geometry.synapse_count * (2 if p.feedback_variable else 1),
        )
        for p in plan.projections.values()
    )
    steps = {name: phase.steps for name, phase in plan.phases.items()}
    passes = space.passes(network, steps, _sizes(network))
    return Summary(
        populations=tuple(
            PopulationSummary(p.name, p.shape, p.size) for p in plan.populations.values()
        ),
        projections=projections,
        parameters=sum(plan.parameters[name].size for name in plan.rules),
        synapses=sum(p.synapses for p in projections),
        memory=_memory(plan),
        recording=space.size(layout, space.amount(network, passes)),
        costs=tuple(_costs(network, plan)),
    )


def _costs(network: Network, plan: Plan) -> Iterator[CostSummary]:
    counter, nothing = Counter(plan), np.zeros(len(directions(plan)), np.int64)
    kinds = {"training" if plan.learns else "trial": tuple(plan.phases)}
    if network.protocol.test is not None:
        kinds["inference"] = network.protocol.test.phases
    for kind, phases in kinds.items():
        steps = sum(plan.phases[name].steps for name in phases)
        dense = counter.count(nothing, steps).dense
        yield CostSummary(kind, steps, dense, footprint(plan, kind == "training"))


def _sizes(network: Network) -> dict[str, int]:
    """Return the samples of each split; 0 where the data cannot be found."""
    data = network.data
    if data is None:
        return {"train": network.protocol.trials or 1, "validation": 0, "test": 0}
    whole: dict[str, int] = registry.load("evsim.datasets", data.name).SIZES.get(data.subset, {})
    split = data.split
    sizes = {
        "train": whole.get("train", 0) - split.validation if split.train is None else split.train,
        "validation": split.validation,
        "test": whole.get("test", 0) if split.test is None else split.test,
    }
    if not whole:
        with suppress(DataError):
            own = datasets.open_dataset(data, None, Path(network.source.name).parent)
            sizes = {name: len(indices) for name, indices in own.indices.items()}
    return {name: max(size, 0) for name, size in sizes.items()}


def _memory(plan: Plan) -> int:
    """Return bytes of state, snapshots and weights of a run, for each core and shared."""
    values = sum(p.size * (len(p.variables) + 2) for p in plan.populations.values())
    values += sum(plan.size(name) * len(p.variables) for name, p in plan.projections.items())
    weights = sum(p.size for p in plan.parameters.values())
    snapshots = 2 + len(plan.phases)
    return plan.dtype.itemsize * (cores() * (values * snapshots + weights) + 8 * weights)


def explain(network: Network, engine: str = "auto") -> str:
    """Return the code captured from a network and the paths that an engine takes."""
    plan = build(network)
    lines = []
    for block in plan.code:
        lines.append(f"{block.name}  ({block.when}, {block.template})")
        lines += [f"    once    {statement}" for statement in block.scalar]
        lines += [f"    each    {statement}" for statement in block.vector]
        lines += [f"    guard   {name} where {guard}" for name, guard in block.guards.items()]
    for name, rule in plan.rules.items():
        for moment in ("at_end", "every_step"):
            for phase, block in getattr(rule, moment).items():
                lines.append(f"learning of {name}  ({moment} of {phase})")
                lines += [f"    once    {statement}" for statement in block.scalar]
                lines += [f"    each    {statement}" for statement in block.vector]
    program, chosen = compile_plan(plan, engine, Reporter())
    return "\n".join([*lines, "", f"engine: {chosen}", *program.explain()])
