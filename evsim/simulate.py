"""Wire the stages: a network file becomes a plan, a program, a run and a recording.

    text -> Network -> Plan -> Program -> events -> recording

Read this file first; every stage is one line of `run`.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from numpy.typing import NDArray

from evsim import datasets, engines
from evsim.build.build import build
from evsim.build.plan import Plan
from evsim.engines.base import NotFinite, Program
from evsim.errors import EngineError, Fault, Interrupted, RecordingError, RunError
from evsim.orchestrator.checkpoint import read_checkpoint
from evsim.orchestrator.events import SPLITS, PhaseRecord, TrialRecord
from evsim.orchestrator.report import Reporter
from evsim.orchestrator.samples import Samples
from evsim.orchestrator.train import Run
from evsim.recording import space
from evsim.recording.encoded import EncodedTrial
from evsim.recording.folder import RunFolder
from evsim.recording.layout import Layout
from evsim.recording.parameters import read_parameters
from evsim.recording.provenance import provenance
from evsim.recording.reader import open_run
from evsim.recording.status import StatusReporter
from evsim.recording.writer import Writer
from evsim.spec.parse import parse
from evsim.spec.schema import Network

Noted = TypeVar("Noted")


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
    out: str | Path = "recordings",
    data_dir: str | Path | None = None,
    threads: int | None = None,
    reporter: Reporter | None = None,
    stop: threading.Event | None = None,
    weights: str | Path | None = None,
    ignore_space: bool = False,
) -> Result:
    """Run a network from the start; write a new run folder under `out`.

    Parameters
    ----------
    engine : "fused", "reference", or "auto": fused where it can run the network.
    data_dir : folder with the data set's files; see `evsim.datasets`.
    threads : trials that run at the same time; by default one a core.
    stop : set it to stop the run at the next safe point.
    weights : run or .npz archive whose weights it starts with, see `recording.parameters`; by
        default those of the network file.
    ignore_space : begin even where the disk has no room for what the recording is expected to take.

    Raises
    ------
    InputError : the network cannot be built, the data not read.
    RunError : a state is not finite, the disk is full or will be.
    Interrupted : `stop` was set; `resume` goes on.
    """
    reporter = reporter or Reporter()
    plan = build(network)
    if weights:
        plan = _starting_from(plan, Path(weights), reporter)
    data = Path(data_dir) if data_dir else None
    samples = open_samples(network, plan, data, Path(network.source.name).parent)
    program, chosen = compile_plan(plan, engine, reporter)
    facts = {"engine": chosen, "fingerprint": plan.fingerprint, **provenance()}
    manifest = _manifest(network, facts, data)
    manifest |= {"samples": samples.digest(), "weights": str(weights) if weights else None}
    layout = Layout.from_plan(plan, network, learned_shapes(plan))
    if not ignore_space:
        sizes = {split: samples.size(split) for split in SPLITS}
        steps = {name: phase.steps for name, phase in plan.phases.items()}
        kept = space.amount(network, space.passes(network, steps, sizes))
        space.check(Path(out), layout, kept, lambda: first_activity(program, samples))
    folder = RunFolder.create(Path(out), network.name, network.source.text, manifest)
    with folder.lock(), Writer.create(folder.recording, layout, facts) as writer:
        return execute(network, program, samples, folder, writer, reporter, stop, threads)


def resume(
    folder: str | Path,
    *,
    until_epochs: int | None = None,
    data_dir: str | Path | None = None,
    threads: int | None = None,
    reporter: Reporter | None = None,
    stop: threading.Event | None = None,
) -> Result:
    """Go on with a run from its last checkpoint; the result equals an uninterrupted run's.

    Parameters
    ----------
    until_epochs : epochs in all, where the run shall go further than its file says. A cosine
        schedule without `epochs` of its own then ends there.

    Raises
    ------
    RecordingError : no run of a network file, no usable checkpoint, or the file or its data were
        changed.
    """
    reporter = reporter or Reporter()
    found = _open_own(folder)
    with found.lock():
        overrides = [str(text) for text in _noted(found, "overrides", list, [])]
        if until_epochs is not None:
            overrides.append(f"protocol.epochs={until_epochs}")
        network = parse(found.network, overrides)
        plan = build(network, _beside(found))
        checkpoint = read_checkpoint(found.checkpoints)
        if checkpoint.fingerprint != plan.fingerprint:
            raise RecordingError(
                Fault(
                    f"The network of '{found.path}' was changed after the run began.",
                    hint=f"restore '{found.network}', or start a new run with `evsim run`",
                )
            )
        data = Path(data_dir) if data_dir else _data_dir(found)
        samples = open_samples(network, plan, data, _beside(found))
        if (digest := _noted(found, "samples", str, "")) and digest != samples.digest():
            raise RecordingError(
                Fault(
                    f"The data are not those with which run '{found.path}' began.",
                    hint="`--data-dir` names another folder that holds them",
                )
            )
        program, _ = compile_plan(plan, _noted(found, "engine", str, "auto"), reporter)
        layout = Layout.from_plan(plan, network, learned_shapes(plan))
        position = checkpoint.position
        if position.epoch >= network.protocol.epochs:
            reporter.warning(
                f"Run '{found.path}' is finished: {position.epoch} of {network.protocol.epochs} "
                "epochs are done; `--epochs` trains further."
            )
        with Writer.reopen(found.recording, layout, position.recording) as writer:
            found.update_manifest(overrides=overrides)
            return execute(
                network, program, samples, found, writer, reporter, stop, threads, checkpoint
            )


def _starting_from(plan: Plan, weights: Path, reporter: Reporter) -> Plan:
    """Return a plan with other weights at its start, stored as its own are."""
    found = read_parameters(weights, plan.parameters)
    if left := [name for name in plan.parameters if name not in found]:
        names = ", ".join(left)
        reporter.warning(f"'{weights}' does not hold {names}: initial values stay.")
    stored = {
        name: plan.storage[name].write(values, 0).astype(plan.dtype)
        for name, values in found.items()
    }
    return replace(plan, parameters={**plan.parameters, **stored})


def _open_own(folder: str | Path) -> RunFolder:
    """Return the folder of a run of a network file.

    Raises
    ------
    RecordingError : a script's run, or spikes of other programs.
    """
    found = RunFolder.open(folder)
    if _noted(found, "script", bool, False):
        raise RecordingError(
            Fault(f"'{found.path}' is the run of a script.", hint="run the script again")
        )
    if _noted(found, "status", str, "") == "imported":
        raise RecordingError(
            Fault(
                f"'{found.path}' holds imported spikes, there is no run to go on with.",
                hint="a network replays them: `spikes` of a population, or `data: {name: spikes}`",
            )
        )
    return found


def execute(
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
    """Run every epoch that is left, and note in the folder how it ended."""
    begun = time.perf_counter()
    work = Run(
        network=network,
        program=program,
        samples=samples,
        sink=_Sink(writer, folder),
        folder=folder.checkpoints,
        reporter=StatusReporter(folder, reporter),
        stop=stop or threading.Event(),
        threads=threads or cores(),
    )
    rows: list[dict[str, Any]] = []
    if checkpoint is not None:
        work.restore(checkpoint)
        with open_run(folder.recording) as recording:
            rows = recording.metrics
        folder.replace_metrics(rows)
    splits = [this.split for this in work.passes(work.position.epoch)]
    trials = sum(samples.size(split) for split in splits)
    done = work.position.epoch + (work.position.stage >= len(splits))
    left = network.protocol.epochs - done
    work.reporter.started(network.name, left, trials, str(folder.path))
    folder.update_manifest(status="running")
    try:
        rows += work.execute()
    except BaseException as error:
        # Where the disk is full, what is told must be that, not that this could not be noted.
        with suppress(RunError):
            interrupted = isinstance(error, Interrupted)
            folder.update_manifest(status="interrupted" if interrupted else "failed")
        if isinstance(error, Interrupted) and not _noted(folder, "script", bool, False):
            raise Interrupted(f"{error} `evsim resume {folder.path}` goes on.") from None
        raise
    folder.update_manifest(status="finished")
    reporter.finished(rows, time.perf_counter() - begun)
    return Result(folder.path, rows)


class _Sink:
    """What a run produces goes to its recording; metrics also to a file of lines."""

    def __init__(self, writer: Writer, folder: RunFolder):
        self.writer, self.folder = writer, folder

    def encode(self, phases: Sequence[PhaseRecord]) -> EncodedTrial:
        return self.writer.encode(phases)

    def trial(self, record: TrialRecord, encoded: EncodedTrial) -> None:
        self.writer.trial(record, encoded)

    def weights(self, epoch: int, parameters: Mapping[str, NDArray[Any]]) -> None:
        self.writer.weights(epoch, parameters)

    def metrics(self, row: Mapping[str, Any]) -> None:
        self.writer.metrics(row)
        self.folder.append_metrics(row)

    def commit(self) -> dict[str, int]:
        return self.writer.commit()


def open_samples(network: Network, plan: Plan, data_dir: Path | None, beside: Path) -> Samples:
    """Return the network's samples; relative paths of its data start `beside` its file.

    Raises
    ------
    DataError : the data set cannot be read, or does not fit the network.
    """
    data, source = network.data, network.source
    if data is None:
        return Samples(network, plan, None)
    with source.placing("data", "path" if data.path else "name"):
        dataset = datasets.load(data, data_dir, beside)
    with source.placing("data", "split"):
        divided = datasets.divide(dataset, data)
    samples = Samples(network, plan, divided)
    samples.check()
    return samples


def compile_plan(plan: Plan, engine: str, reporter: Reporter) -> tuple[Program, str]:
    """Return the program of the chosen engine and the engine's name.

    Raises
    ------
    EngineError : the engine that was asked for cannot run the plan; the text says why.
    """
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


def first_activity(program: Program, samples: Samples, steps: int = 200) -> dict[str, float]:
    """Return population -> spikes in a step, over the first steps of the first sample."""
    plan = program.plan
    simulation = program.simulation()
    program.load(plan.parameters)
    split = next(split for split in SPLITS if samples.size(split))
    simulation.begin(samples.inputs(split, 0), learns=False)
    done = 0
    with suppress(NotFinite):  # The run will tell.
        for name, phase in plan.phases.items():
            simulation.enter(name)
            part = min(phase.steps, steps - done)
            simulation.advance(part)
            simulation.leave()
            done += part
            if done == steps:
                break
    return {name: count / max(done, 1) for name, count in simulation.take_counts().items()}


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def learned_shapes(plan: Plan) -> dict[str, tuple[int, ...]]:
    """Return the shape of every parameter that changes during a run."""
    changing = {*plan.rules, *(owner for owner, _ in plan.kept)}
    return {name: p.shape for name, p in plan.parameters.items() if name in changing}


def _manifest(network: Network, facts: Mapping[str, Any], data_dir: Path | None) -> dict[str, Any]:
    return {
        **facts,
        "data_dir": str(data_dir.resolve()) if data_dir else None,
        "name": network.name,
        "file": str(Path(network.source.name).resolve()),
        "overrides": list(network.source.overrides),
        "seed": network.seed,
    }


def _noted(folder: RunFolder, name: str, kind: type[Noted], default: Noted) -> Noted:
    """Return a field of a run's manifest; `default` where it has none."""
    value = folder.manifest.get(name)
    if value is None:
        return default
    if not isinstance(value, kind):
        raise RecordingError(f"'{folder.path}' has a damaged manifest.json: '{name}' is {value!r}")
    return value


def _data_dir(folder: RunFolder) -> Path | None:
    given = _noted(folder, "data_dir", str, "")
    return Path(given) if given else None


def _beside(folder: RunFolder) -> Path:
    """Return the folder of the network file that a run began with; its paths start there."""
    return Path(_noted(folder, "file", str, str(folder.network))).parent
