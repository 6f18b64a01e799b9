"""Wire the stages: a network file becomes a plan, a program, a run and a recording.

    text -> Network -> Plan -> Program -> events -> recording

Read this file first; every stage is one line of `run`.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evsim import datasets, engines
from evsim.build.build import build
from evsim.build.plan import Plan
from evsim.datasets import SplitData
from evsim.engines.base import Program
from evsim.errors import EngineError, Fault, Interrupted, RecordingError
from evsim.orchestrator.checkpoint import read_checkpoint
from evsim.orchestrator.events import TrialRecord
from evsim.orchestrator.report import Reporter
from evsim.orchestrator.train import Run
from evsim.recording.folder import RunFolder
from evsim.recording.layout import Layout
from evsim.recording.provenance import provenance
from evsim.recording.writer import Writer
from evsim.spec.parse import parse, parse_text
from evsim.spec.schema import Network

Math = Literal["own", "libm"]


@dataclass(frozen=True)
class Result:
    """A finished run: its folder and its lines of metrics."""

    folder: Path
    metrics: list[dict[str, Any]]


def load(path: str | Path, overrides: list[str] | tuple[str, ...] = ()) -> Network:
    """Read and check a network file.

    Parameters
    ----------
    path : of the YAML file.
    overrides : texts `a.b.c=VALUE` that replace fields.

    Raises
    ------
    SpecError : with every fault of the file.
    """
    return parse(path, overrides)


def run(
    network: Network,
    *,
    engine: str = "auto",
    out: Path = Path("recordings"),
    data_dir: Path | None = None,
    threads: int | None = None,
    reporter: Reporter | None = None,
    stop: threading.Event | None = None,
) -> Result:
    """Run a network from the start; write a new run folder under `out`.

    Parameters
    ----------
    engine : "fused", "reference", or "auto": fused where it can run the network.
    data_dir : folder with the data set's files; see `evsim.datasets`.
    threads : trials that run at the same time; by default one a core.
    stop : set it to stop the run at the next safe point.

    Raises
    ------
    InputError : the network cannot be built, the data not read.
    RunError : a state is not finite, the disk is full.
    Interrupted : `stop` was set; `resume` goes on.
    """
    reporter = reporter or Reporter()
    plan = build(network)
    samples = _samples(network, plan, data_dir)
    program, chosen = _compile(plan, engine, reporter)
    facts = {"engine": chosen, "fingerprint": plan.fingerprint, **provenance()}
    manifest = _manifest(network, facts, data_dir)
    folder = RunFolder.create(out, network.name, network.source.text, manifest)
    layout = Layout.from_plan(plan, network, _learned_shapes(plan))
    with folder.lock(), Writer.create(folder.recording, layout, facts) as writer:
        return _execute(network, program, samples, folder, writer, reporter, stop, threads)


def resume(
    folder: Path,
    *,
    until_epochs: int | None = None,
    data_dir: Path | None = None,
    threads: int | None = None,
    reporter: Reporter | None = None,
    stop: threading.Event | None = None,
) -> Result:
    """Go on with a run from its last checkpoint; the result equals an uninterrupted run's.

    Parameters
    ----------
    until_epochs : epochs in all, where the run shall go further than its file says.

    Raises
    ------
    RecordingError : no run, no usable checkpoint, or the run's network file was changed.
    """
    reporter = reporter or Reporter()
    found = RunFolder.open(folder)
    overrides = [str(text) for text in found.manifest.get("overrides", [])]
    if until_epochs is not None:
        overrides.append(f"protocol.epochs={until_epochs}")
    text = found.network.read_text()
    network = parse_text(text, str(found.network), overrides)
    plan = build(network)
    checkpoint = read_checkpoint(_checkpoints(found))
    if checkpoint.fingerprint != plan.fingerprint:
        raise RecordingError(
            Fault(
                f"The network of '{found.path}' was changed after the run began.",
                hint=f"restore '{found.network}', or start a new run with `evsim run`",
            )
        )
    samples = _samples(network, plan, data_dir or _data_dir(found))
    program, _ = _compile(plan, str(found.manifest["engine"]), reporter)
    layout = Layout.from_plan(plan, network, _learned_shapes(plan))
    position = checkpoint.position.recording
    with found.lock(), Writer.reopen(found.recording, layout, position) as writer:
        found.update_manifest(overrides=overrides)
        return _execute(
            network, program, samples, found, writer, reporter, stop, threads, checkpoint
        )


def _execute(
    network: Network,
    program: Program,
    samples: Samples,
    folder: RunFolder,
    writer: Writer,
    reporter: Reporter,
    stop: threading.Event | None,
    threads: int | None,
    checkpoint: Any = None,
) -> Result:
    begun = time.perf_counter()
    work = Run(
        network=network,
        program=program,
        samples=samples,
        sink=_Sink(writer, folder),
        folder=_checkpoints(folder),
        reporter=reporter,
        stop=stop or threading.Event(),
        threads=threads or os.cpu_count() or 1,
    )
    if checkpoint is not None:
        work.restore(checkpoint)
        folder.replace_metrics(_rows_before(folder, work))
    splits = [this.split for this in work.passes(work.position.epoch)]
    trials = sum(samples.size(split) for split in splits)
    left = network.protocol.epochs - work.position.epoch
    reporter.started(network.name, left, trials, str(folder.path))
    folder.update_manifest(status="running")
    try:
        rows = work.execute()
    except Interrupted:
        folder.update_manifest(status="interrupted")
        raise
    except BaseException:
        folder.update_manifest(status="failed")
        raise
    folder.update_manifest(status="finished")
    reporter.finished(rows, time.perf_counter() - begun)
    return Result(folder.path, rows)


def _rows_before(folder: RunFolder, work: Run) -> list[dict[str, Any]]:
    """Return the lines of metrics that were written before a checkpoint."""
    at = work.position
    rows = [json.loads(line) for line in folder.metrics.read_text().splitlines() if line]
    done = [this.split for this in work.passes(at.epoch)[: at.stage]]
    return [
        row
        for row in rows
        if row["epoch"] < at.epoch or (row["epoch"] == at.epoch and row["split"] in done)
    ]


class _Sink:
    """What a run produces goes to its recording; metrics also to a file of lines."""

    def __init__(self, writer: Writer, folder: RunFolder):
        self.writer, self.folder = writer, folder

    def trial(self, record: TrialRecord) -> None:
        self.writer.trial(record)

    def weights(self, epoch: int, parameters: Mapping[str, NDArray[Any]]) -> None:
        self.writer.weights(epoch, parameters)

    def metrics(self, row: Mapping[str, Any]) -> None:
        self.writer.metrics(row)
        self.folder.append_metrics(row)

    def commit(self) -> dict[str, int]:
        return self.writer.commit()


class Samples:
    """The data set as trials: what each sample sets, and its label.

    Without a data set there are `protocol.trials` equal trials.
    """

    def __init__(self, network: Network, plan: Plan, data: SplitData | None):
        self.network, self.plan, self.data = network, plan, data

    def size(self, split: str) -> int:
        """Return the number of samples of a split."""
        if self.data is None:
            return (self.network.protocol.trials or 1) if split == "train" else 0
        return self.data.size(split)

    def label(self, split: str, index: int) -> int:
        """Return a sample's class, -1 where there is none."""
        readout = self.network.readout
        if self.data is None or readout is None:
            return -1
        return int(self.data.sample(split, index, readout.label, np.int64))

    def inputs(self, split: str, index: int) -> dict[tuple[str, str], NDArray[Any]]:
        """Return (population, variable) -> (neuron,) of a sample."""
        if self.data is None:
            return {}
        assert self.network.data is not None
        fields = self.network.data.fields
        return {
            key: self.data.values(
                split, index, fields[".".join(key)], self.plan.populations[key[0]].size,
                self.plan.dtype,
            )
            for key in self.plan.inputs
        }


def _samples(network: Network, plan: Plan, data_dir: Path | None) -> Samples:
    if network.data is None:
        return Samples(network, plan, None)
    beside = Path(network.source.name).parent
    samples = Samples(network, plan, datasets.open_dataset(network.data, data_dir, beside))
    for split in ("train", "validation", "test"):
        if samples.size(split):
            samples.inputs(split, 0)
            samples.label(split, 0)
    return samples


def _compile(plan: Plan, engine: str, reporter: Reporter) -> tuple[Program, str]:
    """Return the program of the chosen engine and the engine's name."""
    chosen = "fused" if engine == "auto" else engine
    reason = engines.load(chosen).applies(plan)
    if reason is not None:
        if engine != "auto":
            raise EngineError(f"The {chosen} engine cannot run this network: {reason}.")
        reporter.warning(f"Running on the slow reference engine, because {reason}.")
        chosen = "reference"
    begun = time.perf_counter()
    reporter.compiling()
    program: Program = engines.load(chosen).compile(plan)
    reporter.compiled(time.perf_counter() - begun)
    return program, chosen


def _learned_shapes(plan: Plan) -> dict[str, tuple[int, ...]]:
    return {name: plan.parameters[name].shape for name in plan.rules}


def _manifest(
    network: Network, facts: Mapping[str, Any], data_dir: Path | None
) -> dict[str, Any]:
    return {
        **facts,
        "data_dir": str(data_dir.resolve()) if data_dir else None,
        "name": network.name,
        "file": network.source.name,
        "overrides": list(network.source.overrides),
        "seed": network.seed,
    }


def _data_dir(folder: RunFolder) -> Path | None:
    given = folder.manifest.get("data_dir")
    return Path(given) if given else None


def _checkpoints(folder: RunFolder) -> Path:
    return folder.path / "checkpoints"


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
class Summary:
    """Sizes of a network; `memory` and `recording` in bytes."""

    populations: tuple[PopulationSummary, ...]
    projections: tuple[ProjectionSummary, ...]
    parameters: int
    synapses: int
    memory: int
    recording: int


def check(network: Network) -> Summary:
    """Build a network and return its sizes.

    Raises
    ------
    BuildError : equations, units or initial values are wrong.
    """
    plan = build(network)
    layout = Layout.from_plan(plan, network, _learned_shapes(plan))
    projections = tuple(
        ProjectionSummary(
            p.name,
            type(p.geometry).__name__.lower(),
            plan.parameters[p.name].size,
            p.geometry.synapse_count * (2 if p.feedback_variable else 1),
        )
        for p in plan.projections.values()
    )
    trials, steps = _recorded(network, plan)
    return Summary(
        populations=tuple(
            PopulationSummary(p.name, p.shape, p.size) for p in plan.populations.values()
        ),
        projections=projections,
        parameters=sum(plan.parameters[name].size for name in plan.rules),
        synapses=sum(p.synapses for p in projections),
        memory=_memory(plan),
        recording=layout.estimate(trials, steps, weights=network.protocol.epochs + 1),
    )


def _recorded(network: Network, plan: Plan) -> tuple[int, int]:
    """Return how many trials of a run keep something, and the steps of one."""
    split = network.data.split if network.data else None
    each = (split.train or 0) + split.validation + (split.test or 0) if split else 1
    kept = network.record.spikes.trials if network.record.spikes else "all"
    per_pass = each if kept == "all" else kept if isinstance(kept, int) else len(kept)
    return per_pass * network.protocol.epochs, sum(p.steps for p in plan.phases.values())


def _memory(plan: Plan) -> int:
    """Return bytes of state, snapshots and weights of a run, for each core and shared."""
    cores = os.cpu_count() or 1
    values = sum(p.size * (len(p.variables) + 2) for p in plan.populations.values())
    weights = sum(p.size for p in plan.parameters.values())
    snapshots = 2 + len(plan.phases)
    return plan.dtype.itemsize * (cores * (values * snapshots + weights) + 8 * weights)


def explain(network: Network, engine: str = "auto") -> str:
    """Return the code captured from a network and the paths that an engine takes."""
    plan = build(network)
    lines = []
    for block in plan.blocks:
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
    program, chosen = _compile(plan, engine, Reporter())
    return "\n".join([*lines, "", f"engine: {chosen}", *program.explain()])
