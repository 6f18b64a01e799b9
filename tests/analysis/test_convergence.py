"""The table of how trials go on inside their phases, against courses that are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evsim.analysis.convergence import movement, typical_trials
from evsim.analysis.plots import plot
from evsim.analysis.tables import convergence
from evsim.engines.base import Spikes
from evsim.orchestrator.events import PhaseRecord, TrialRecord
from evsim.recording.layout import Layout, Phase, States, Variable
from evsim.recording.reader import open_run
from evsim.recording.writer import Writer
from tests.helpers.reports import html
from tests.recording.helpers import LAYOUT

ENERGY = Variable("energy", "1", "float32", 10)
WITH_ENERGY = replace(
    LAYOUT,
    spikes=("digit",),
    parameters=(),
    states=(
        States("digit", (Variable("u", "1", "float32", 10), ENERGY), None, 1, "end"),
        States("hidden", (replace(ENERGY, width=400),), None, 2, "end"),
    ),
    phases=(Phase("free", 40), Phase("plus", 20)),
)


def phase(name: str, steps: int, u: np.ndarray, energy: np.ndarray, layout: Layout) -> PhaseRecord:
    """A phase in which all digits have these courses, and the hidden neurons no energy."""
    spread = np.ones(10, np.float32)
    states = {
        0: {"u": np.outer(u, spread), "energy": np.outer(energy, spread)},
        1: {"energy": np.zeros((steps // 2, 400), np.float32)},
    }
    count = np.arange(steps, dtype=np.uint32) % 3
    neuron = np.concatenate([np.arange(n, dtype=np.uint32) for n in count.tolist()])
    spikes = {"digit": Spikes(count, neuron)} if layout.spikes else {}
    return PhaseRecord(name, steps, spikes, states)


def trial(split: str, index: int, phases: tuple[PhaseRecord, ...]) -> TrialRecord:
    return TrialRecord(
        epoch=0,
        split=split,
        index=index,
        sample=index,
        label=-1,
        predicted=-1,
        residual=float("nan"),
        phases=phases,
    )


def write(path: Path, layout: Layout) -> None:
    falls = np.linspace(4, 0, 40)
    jumps = np.where(np.arange(20) % 4 < 2, 1.0, 3.0)
    u = np.cumsum(1 / np.arange(1, 41))
    with Writer.create(path / "recording.h5", layout, {}) as writer:
        for index in range(2):
            free = phase("free", 40, u, falls - index, layout)
            plus = phase("plus", 20, u[:20], jumps, layout)
            writer.trial(trial("train", index, (free, plus) if index else (free,)))


def rows(path: Path) -> dict[tuple[str, str, str], dict[str, Any]]:
    with open_run(path) as run:
        table = convergence.table(run)
    found = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    return {(row["phase"], row["quantity"], row["of"]): row for row in found}


def test_courses_are_measured_phase_by_phase(tmp_path: Path) -> None:
    write(tmp_path, WITH_ENERGY)
    found = rows(tmp_path)
    free, plus = (found[name, "energy", ""] for name in ("free", "plus"))
    assert (free["split"], free["trials"], plus["trials"]) == ("train", 2, 1)
    # Energies of ten digits, where both populations have samples: every other step, from 4 and 3.
    assert free["start"] == pytest.approx(10 * (3.5 - 4 / 39), rel=1e-5)
    assert free["end"] == pytest.approx(10 * (-0.5 + 4 * 2 / 39), rel=1e-5)
    assert free["falling"] == free["descent"] == 1
    # Of 1, 3, 1, 3, ... nine changes: up first and last.
    assert (plus["start"], plus["end"]) == (10, 30)
    assert (plus["falling"], plus["descent"]) == (pytest.approx(4 / 9), pytest.approx(4 / 9))
    moved = found["free", "movement", "digit.u"]
    assert moved["start"] == pytest.approx(np.mean([1 / 2, 1 / 3, 1 / 4]), rel=1e-5)
    assert moved["end"] == pytest.approx(np.mean([1 / 38, 1 / 39, 1 / 40]), rel=1e-3)
    assert moved["falling"] == 1
    spikes = found["plus", "activity", "digit"]
    # None, one and two of ten neurons in turn; up, up and down.
    assert (spikes["start"], spikes["end"]) == (pytest.approx(0.05), pytest.approx(0.05))
    assert spikes["falling"] == pytest.approx(6 / 19)


def test_states_without_spikes_are_measured(tmp_path: Path) -> None:
    write(tmp_path, replace(WITH_ENERGY, spikes=()))
    found = rows(tmp_path)
    assert {quantity for _, quantity, _ in found} == {"energy", "movement"}
    assert found["plus", "energy", ""]["trials"] == 1


def test_states_are_drawn_where_they_were_sampled(tmp_path: Path) -> None:
    """Trials of two phases and of one, without spikes; then spikes of one phase only."""
    write(tmp_path, replace(WITH_ENERGY, spikes=()))
    with open_run(tmp_path) as run:
        assert typical_trials(run, sampled=True) == [1] and run.phases(1) == {}
        assert run.spans(0) == {"free": (0, 40)}
        assert run.spans(1) == {"free": (0, 40), "plus": (40, 60)}
        assert run.states("digit", "u", 1)[0].tolist() == list(range(60))
        step, moved = movement(run, "digit", "u", [1])
        # A half from the first sample to the second of both; no change from free to plus.
        assert step.tolist() == [*range(1, 40), *range(41, 60)]
        assert moved[[0, 39]] == pytest.approx(0.5)
        plot(run, "convergence", tmp_path / "convergence.png")
    assert "Movement" in html(tmp_path)
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    with Writer.create(mixed / "recording.h5", WITH_ENERGY, {}) as writer:
        u = np.arange(40.0)
        free = phase("free", 40, u, u, replace(WITH_ENERGY, spikes=()))
        plus = phase("plus", 20, u[:20], u[:20], WITH_ENERGY)
        writer.trial(trial("train", 0, (free, plus)))
    with open_run(mixed) as run:
        assert run.phases(0) == {"plus": (0, 20)}
        assert run.spans(0) == {"free": (0, 40), "plus": (40, 60)}
        assert run.states("digit", "u", 0, "plus")[0].tolist() == list(range(20))


def test_a_phase_whose_states_are_not_kept_is_left_out(tmp_path: Path) -> None:
    layout = replace(WITH_ENERGY, spikes=())
    with Writer.create(tmp_path / "recording.h5", layout, {}) as writer:
        free = phase("free", 40, np.zeros(40), np.zeros(40), layout)
        bare = PhaseRecord("plus", 20, {}, {})
        writer.trial(trial("test", 0, (free, bare)))
    found = rows(tmp_path)
    assert {name for name, *_ in found} == {"free"}
    assert np.isnan(found["free", "energy", ""]["descent"]), "nothing moves"
    with open_run(tmp_path) as run:
        assert run.sampled_phases(0, 0) == ("free",)
