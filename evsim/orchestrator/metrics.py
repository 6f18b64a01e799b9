"""Counts of a pass over a split, and the line of metrics that they become."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from evsim.build.plan import Plan
from evsim.orchestrator.operations import Operations, footprint
from evsim.orchestrator.trial import Outcome
from evsim.spec import schema


@dataclass
class Tally:
    """Running counts of one pass; plain numbers, so that a checkpoint can hold them."""

    trials: int = 0
    wrong: int = 0
    labelled: int = 0
    loss: float = 0.0
    spikes: dict[str, int] = field(default_factory=dict)
    steps: int = 0
    planned: int = 0
    operations: dict[str, int] = field(default_factory=lambda: asdict(Operations()))
    settling: int = 0
    unsettled: int = 0
    residual: float = 0.0
    seconds: float = 0.0

    def add(self, outcome: Outcome, settle: schema.Settle | None) -> None:
        """Count one trial; trials are added in their order, so that sums are reproducible."""
        record = outcome.record
        self.trials += 1
        self.steps += outcome.steps
        self.planned += outcome.planned
        for name in self.operations:
            self.operations[name] += getattr(outcome.operations, name)
        if record.label >= 0 and outcome.judged:
            self.labelled += 1
            self.wrong += record.predicted != record.label
            self.loss += outcome.loss
        for name, count in outcome.spikes.items():
            self.spikes[name] = self.spikes.get(name, 0) + count
        if settle is not None and not math.isnan(record.residual):
            self.settling += 1
            self.residual += record.residual
            self.unsettled += record.residual > settle.tolerance

    @property
    def error(self) -> float | None:
        """Share of wrong predictions so far; None where nothing is labelled."""
        return self.wrong / self.labelled if self.labelled else None

    def row(self, epoch: int, split: str, plan: Plan, network: schema.Network) -> dict[str, Any]:
        """Return the line of metrics of a finished pass."""
        row: dict[str, Any] = {"epoch": epoch, "split": split, "trials": self.trials}
        metrics = network.readout.metrics if network.readout else ()
        if self.labelled and "error" in metrics:
            row["error"] = self.wrong / self.labelled
        if self.labelled and "loss" in metrics:
            row["loss"] = self.loss / self.labelled
        trials = max(self.trials, 1)
        row["seconds"] = round(self.seconds, 3)
        row["ms_per_trial"] = round(1e3 * self.seconds / trials, 4)
        row["spikes"] = sum(self.spikes.values())
        row["activity"] = {
            name: round(count / max(plan.populations[name].size * self.steps, 1), 5)
            for name, count in self.spikes.items()
        }
        row["activation_sparsity"] = self._silent(plan)
        row["synaptic_operations"] = {n: c / trials for n, c in self.operations.items()}
        row["footprint"] = footprint(plan, split == "train" and plan.learns)
        if self.settling:
            row["residual"] = self.residual / self.settling
            row["unsettled"] = self.unsettled / self.settling
        if network.protocol.settle is not None and network.protocol.settle.early:
            row["steps_saved"] = 1 - self.steps / max(self.planned, 1)
        return row

    def _silent(self, plan: Plan) -> float:
        """Return the share of neurons and steps without a spike."""
        neurons = sum(plan.populations[name].size for name in self.spikes)
        return 1 - sum(self.spikes.values()) / max(neurons * self.steps, 1)

    def state(self) -> dict[str, Any]:
        """Return the counts as plain data."""
        return asdict(self)
