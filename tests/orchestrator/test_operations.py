"""Costs of trials in the metrics, against what the recording says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import evsim
from evsim.build.build import build
from evsim.engines.traffic import directions
from tests.helpers import tiny
from tests.helpers.process import evsim as command


def test_metrics_count_synaptic_operations(tmp_path: Path) -> None:
    path = tiny.write(tmp_path)
    result = tiny.run(path, tmp_path, "protocol.epochs=1")
    found = {(d.projection.name, d.back): d.reach for d in directions(build(tiny.load(path)))}
    images = tiny.arrays()
    with evsim.open(result.folder) as recording:
        for row in result.metrics:
            chosen = [n for n, t in enumerate(recording.trials) if t["split"] == row["split"]]
            acs = sum(
                found["out", back][recording.spikes(name, trial).neuron].sum()
                for trial in chosen
                for name, back in (("hidden", False), ("digit", True))
            )
            steps = 40 if row["split"] == "train" else 20
            silent = 1 - row["spikes"] / (len(chosen) * steps * (8 + 3))
            counts = row["synaptic_operations"]
            assert counts["acs"] == pytest.approx(acs / len(chosen))
            assert counts["dense"] == steps * 2 * 24 + found["k", False].sum()
            assert row["activation_sparsity"] == pytest.approx(silent)
    assert all((np.asarray(x) != 0).all() for x in images["train_x"]), "every pixel is multiplied"
    assert {row["synaptic_operations"]["macs"] for row in result.metrics} == {
        found["k", False].sum()
    }
    train, *tests = (row["footprint"] for row in result.metrics)
    assert tests[0] == tests[1] < train
    shown = command("info", result.folder).out
    assert "activation sparsity" in shown
    assert "if all neurons sent in every step" in shown


def test_what_a_trial_costs_at_most_is_known_before_it_runs(tmp_path: Path) -> None:
    network = tiny.load(tiny.write(tmp_path), "protocol.epochs=1")
    costs = {cost.kind: cost for cost in evsim.check(network).costs}
    rows = {row["split"]: row for row in evsim.run(network, out=tmp_path / "out").metrics}
    for kind, split in (("training", "train"), ("inference", "test")):
        assert costs[kind].dense == rows[split]["synaptic_operations"]["dense"]
        assert costs[kind].footprint == rows[split]["footprint"]
    assert (costs["training"].steps, costs["inference"].steps) == (40, 20)
