"""A run: passes over the data, epoch after epoch, trials on every core, checkpoints between.

A batch's trials belong to `SHARDS` shards by their index; gradients are added in trial order
inside a shard and in shard order across them, in float64. So the numbers do not depend on the
number of threads.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.build.plan import Plan
from evsim.engines.base import Program, Simulation
from evsim.errors import Interrupted
from evsim.orchestrator.checkpoint import PARAMETER, Checkpoint, Position, write_checkpoint
from evsim.orchestrator.events import Sink
from evsim.orchestrator.kept import Kept, Values
from evsim.orchestrator.metrics import Tally
from evsim.orchestrator.optimiser import Optimiser
from evsim.orchestrator.report import Reporter
from evsim.orchestrator.samples import Samples
from evsim.orchestrator.trial import STOPPED, Outcome, Script, Task, run_trial
from evsim.orchestrator.vote import Vote
from evsim.spec import schema
from evsim.streams import generator

SHARDS = 16
LARGEST_BATCH = 256
SHORT = 1.0
"""Seconds of a batch below which the next one may be twice as large, where nothing is learned."""

SAVE_AFTER = 60.0
"""Seconds of training that a kill may cost."""

BLOCK = 1 << 15
"""Elements of gradients that are added at a time, so that their sum stays in a core's cache."""


@dataclass(frozen=True)
class Pass:
    """One way through a split in every epoch.

    Attributes
    ----------
    batch : trials between updates; None where there are none, and any number does.
    """

    split: str
    phases: tuple[str, ...]
    learn: bool
    batch: int | None


class Run:
    """A run in progress: program, parameters, position."""

    def __init__(
        self,
        network: schema.Network,
        program: Program,
        samples: Samples,
        sink: Sink[Any],
        folder: Path,
        reporter: Reporter,
        stop: threading.Event,
        threads: int,
    ):
        self.network, self.program, self.samples = network, program, samples
        self.plan: Plan = program.plan
        self.sink, self.folder, self.reporter, self.stop = sink, folder, reporter, stop
        self.threads = threads
        self.script = Script.of(network, self.plan)
        self.optimiser = Optimiser(self.plan)
        self.kept = Kept(self.plan, network.protocol.reduce)
        self.vote = self._vote()
        self.position = Position()
        self.saved = time.perf_counter()
        self.idle: SimpleQueue[Simulation] = SimpleQueue()
        self.sums: list[NDArray[Any] | None] = [None] * SHARDS
        self.writing: Future[None] | None = None

    def _vote(self) -> Vote | None:
        """Return the vote that predicts, where the readout is one."""
        readout, script = self.network.readout, self.script.readout
        if readout is None or script is None or script.variable:
            return None
        size = self.plan.populations[script.population].size
        over = readout.over or max(self.samples.size("train"), 1)
        return Vote(self.samples.classes(), size, over)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint."""
        for key in self.kept.values:
            self.kept.values[key] = checkpoint.arrays[f"kept:{'.'.join(key)}"]
        if self.vote is not None:
            self.vote.restore(checkpoint.arrays)
        for name in self.optimiser.parameters:
            self.optimiser.parameters[name] = checkpoint.arrays[f"{PARAMETER}{name}"]
        for name in self.optimiser.state:
            self.optimiser.state[name] = checkpoint.arrays[f"state:{name}"]
        self.optimiser.updates = checkpoint.updates
        self.position = checkpoint.position

    def passes(self, epoch: int) -> list[Pass]:
        """Return the passes of an epoch."""
        protocol, names = self.network.protocol, tuple(self.plan.phases)
        learn = self.plan.learns
        found = []
        if self.samples.size("train"):
            ordered = bool(self.plan.rules) or bool(self.plan.kept)
            found.append(Pass("train", names, learn, protocol.batch if ordered else None))
        test = protocol.test
        if test is not None and (test.each == "epoch" or epoch == protocol.epochs - 1):
            for split in test.split:
                if self.samples.size(split):
                    found.append(Pass(split, test.phases, False, None))
        return found

    def execute(self) -> list[dict[str, Any]]:
        """Run every epoch that is left; return the lines of metrics of this call.

        Raises
        ------
        Interrupted : `stop` was set; everything up to here is saved.
        RunError : a state is not finite.
        """
        rows = []
        for _ in range(self.threads):
            self.idle.put(self.program.simulation())
        with ThreadPoolExecutor(self.threads) as pool:
            if self.position == Position():
                self._keep_weights(0)
                self.save()
            while self.position.epoch < self.network.protocol.epochs:
                epoch, stages = self.position.epoch, self.passes(self.position.epoch)
                while self.position.stage < len(stages):
                    row = self._pass(pool, stages[self.position.stage])
                    rows.append(row)
                self.position = replace(self.position, epoch=epoch + 1, stage=0)
                self._keep_weights(epoch + 1)
                self.save()
        return rows

    def parameters(self) -> dict[str, NDArray[Any]]:
        """Return all parameters as they are now."""
        return {**self.optimiser.parameters, **self.kept.parameters()}

    def _load(self, parameters: Mapping[str, NDArray[Any]]) -> None:
        """Give the engine parameters as they act."""
        stored = self.plan.storage
        self.program.load(
            {n: stored[n].acting(v) if n in stored else v for n, v in parameters.items()}
        )

    def save(self) -> None:
        """Commit the recording and write a checkpoint."""
        self.saved = time.perf_counter()
        self._finish_writing()
        self.position = replace(self.position, recording=self.sink.commit())
        optimiser = self.optimiser
        arrays = {f"{PARAMETER}{name}": a for name, a in optimiser.parameters.items()}
        arrays |= {f"state:{name}": a for name, a in optimiser.state.items()}
        arrays |= {f"kept:{'.'.join(key)}": a for key, a in self.kept.values.items()}
        arrays |= self.vote.state() if self.vote is not None else {}
        checkpoint = Checkpoint(self.plan.fingerprint, self.position, optimiser.updates, arrays)
        write_checkpoint(self.folder, checkpoint)

    def _keep_weights(self, epoch: int) -> None:
        if self.script.selection.weights(epoch):
            self.sink.weights(epoch, self.parameters())

    def _pass(self, pool: ThreadPoolExecutor, this: Pass) -> dict[str, Any]:
        epoch = self.position.epoch
        order = self._order(this)
        tally = Tally(**self.position.tally)
        settle = self.network.protocol.settle
        begun = time.perf_counter()
        self._load(self.parameters())
        length = this.batch or SHARDS
        while self.position.done < len(order):
            done = self.position.done
            batch = range(done, min(done + length, len(order)))
            try:
                starts = self.kept.inputs(this.learn)
                outcomes, gradient = self._batch(pool, this, order, batch, starts)
                outcomes = [self._predicted(outcome, this) for outcome in outcomes]
            except Interrupted:
                self.save()
                raise
            if gradient is not None:
                mean = self.program.gradients(gradient / len(batch))
                self.optimiser.update(mean, epoch)
                self._load(self.optimiser.parameters)
            if this.learn:
                self.kept.update(starts, [outcome.kept for outcome in outcomes])
            for outcome in outcomes:
                tally.add(outcome, settle)
            self._finish_writing()
            self.writing = pool.submit(self._write, outcomes)
            now = time.perf_counter()
            if this.batch is None and now - begun < SHORT:
                length = min(2 * length, LARGEST_BATCH)
            tally.seconds, begun = tally.seconds + now - begun, now
            self.position = replace(self.position, done=batch.stop, tally=tally.state())
            spikes = sum(tally.spikes.values())
            self.reporter.progress(epoch, this.split, batch.stop, len(order), tally.error, spikes)
            if batch.stop < len(order) and (self.stop.is_set() or now - self.saved > SAVE_AFTER):
                self.save()
                if self.stop.is_set():
                    raise Interrupted(STOPPED)
        if this.learn and self.vote is not None:
            self.vote.end_pass()
        self._finish_writing()
        tally.seconds += time.perf_counter() - begun
        row = tally.row(epoch, this.split, self.plan, self.network)
        self.sink.metrics(row)
        self.reporter.epoch(row)
        self._warn(row)
        self.position = Position(epoch, self.position.stage + 1)
        self.save()
        if self.stop.is_set():
            raise Interrupted(STOPPED)
        return row

    def _write(self, outcomes: Sequence[Outcome]) -> None:
        """Give a batch to the sink; the next one runs meanwhile."""
        for outcome in outcomes:
            self.sink.trial(outcome.record, outcome.encoded)

    def _finish_writing(self) -> None:
        """Wait until the sink has all batches so far.

        Raises
        ------
        RunError : they cannot be written.
        """
        if self.writing is not None:
            writing, self.writing = self.writing, None
            writing.result()

    def _encoded(self, outcome: Outcome) -> Outcome:
        """Return an outcome with what is kept of its phases, which takes a fraction of the room."""
        encoded = self.sink.encode(outcome.record.phases)
        return replace(outcome, record=replace(outcome.record, phases=()), encoded=encoded)

    def _predicted(self, outcome: Outcome, this: Pass) -> Outcome:
        """Return an outcome with the prediction of a vote; training trials then take part."""
        if self.vote is None or outcome.response is None:
            return outcome
        predicted, judged = self.vote.predict(outcome.response), self.vote.ready
        if this.learn and outcome.record.label >= 0:
            self.vote.learn(outcome.record.label, outcome.response)
        record = replace(outcome.record, predicted=predicted)
        return replace(outcome, record=record, judged=judged)

    def _order(self, this: Pass) -> NDArray[np.int64]:
        """Return the samples of a pass in the order they are run."""
        count = self.samples.size(this.split)
        if this.learn and self.network.protocol.order == "shuffle":
            return generator(self.plan.seed, "order", self.position.epoch).permutation(count)
        return np.arange(count)

    def _tasks(
        self, this: Pass, order: NDArray[np.int64], indices: Sequence[int], kept: Values
    ) -> Iterator[Task]:
        changes = self.position.epoch if this.learn else None
        for index in indices:
            sample = int(order[index])
            yield Task(
                epoch=self.position.epoch,
                split=this.split,
                index=index,
                sample=sample,
                label=self.samples.label(this.split, sample),
                inputs={**kept, **self.samples.inputs(this.split, sample, changes)},
            )

    def _batch(
        self,
        pool: ThreadPoolExecutor,
        this: Pass,
        order: NDArray[np.int64],
        batch: range,
        kept: Values,
    ) -> tuple[list[Outcome], NDArray[np.float64] | None]:
        """Run a batch; return its outcomes in trial order and the sum of its gradients."""

        def run(shard: int) -> list[Outcome]:
            indices = batch[shard::SHARDS]
            simulation = self.idle.get()
            try:
                outcomes = [
                    self._encoded(
                        run_trial(simulation, self.script, task, this.phases, this.learn, self.stop)
                    )
                    for task in self._tasks(this, order, indices, kept)
                ]
                if this.learn and self.plan.rules:
                    self.sums[shard] = simulation.take_gradients(self.sums[shard])
                return outcomes
            finally:
                self.idle.put(simulation)

        shards = range(min(SHARDS, len(batch)))
        found = _collect([pool.submit(run, shard) for shard in shards])
        outcomes = sorted((o for some in found for o in some), key=lambda o: o.record.index)
        if not this.learn or not self.plan.rules:
            return outcomes, None
        return outcomes, _add_up(pool, [s for s in self.sums[: len(shards)] if s is not None])

    def _warn(self, row: Mapping[str, Any]) -> None:
        settle = self.network.protocol.settle
        if settle is not None and row.get("unsettled", 0) > settle.warn_above:
            self.reporter.warning(
                f"{row['unsettled']:.0%} of the {row['split']} trials of epoch {row['epoch']} had "
                f"not settled at the end of phase '{settle.after}' (residual above "
                f"{settle.tolerance:g}): give it more steps, or lower rates."
            )


def _add_up(pool: ThreadPoolExecutor, parts: list[NDArray[Any]]) -> NDArray[np.float64]:
    """Return the sum of flat arrays in float64, in their order; blocks of it on all threads."""
    total = np.empty(parts[0].size)

    def add(begin: int) -> None:
        block = slice(begin, begin + BLOCK)
        total[block] = parts[0][block]
        for part in parts[1:]:
            total[block] += part[block]

    _collect([pool.submit(add, begin) for begin in range(0, total.size, BLOCK)])
    return total


def _collect(futures: list[Future[Any]]) -> list[Any]:
    """Wait for all; raise the first error, by shard, after the others have ended."""
    errors: list[Callable[[], Any]] = []
    results = []
    for future in futures:
        error = future.exception()
        if error is not None:
            errors.append(future.result)
        else:
            results.append(future.result())
    if errors:
        errors[0]()
    return results
