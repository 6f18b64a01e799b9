"""Runs as a report meets them, made without simulating anything, and their pages."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from evsim.analysis.report import page
from evsim.orchestrator.events import TrialRecord
from evsim.recording.folder import RunFolder
from evsim.recording.layout import Layout, Parameter, Population
from evsim.recording.reader import open_run
from evsim.recording.writer import Writer
from tests.helpers import tiny
from tests.recording.helpers import LAYOUT, parameters, trial

NETWORK = replace(
    LAYOUT,
    populations=(
        Population("image", (1, 6, 6)),
        Population("hidden", (2, 2, 2)),
        Population("digit", (3,)),
    ),
    states=(
        replace(LAYOUT.states[1], variables=(replace(LAYOUT.states[1].variables[0], width=3),)),
    ),
    parameters=(Parameter("k", (2, 1, 3, 3)), Parameter("out", (8, 3))),
)
"""What `tiny.NETWORK` records."""

LARGE = replace(
    LAYOUT, populations=(Population("hidden", (5000,)), Population("digit", (10,))), states=()
)
BARE = replace(LAYOUT, spikes=(), states=(), parameters=())


def labelled(index: int, layout: Layout, split: str, epoch: int, activity: float) -> TrialRecord:
    """A trial of a sample of `tiny`, whose kinds follow each other; every fourth goes wrong."""
    random = np.random.default_rng([index, epoch, split == "test"])
    phases = ("free",) if split == "test" else ("free", "plus", "minus")
    made = trial(random, index, layout, phases, split, epoch, activity)
    right = index % 4 != 3
    return replace(made, sample=index, label=index % 3, predicted=(index + (not right)) % 3)


def make(
    root: Path,
    name: str = "tiny",
    text: str = tiny.NETWORK,
    layout: Layout = NETWORK,
    activity: float = 0.2,
    **manifest: Any,
) -> Path:
    """A finished run of two epochs: its folder, as a run leaves it."""
    facts = {
        "name": name,
        "file": str(root / "tiny.yaml"),
        "command": ["evsim", "run", "tiny.yaml"],
    }
    facts |= {"overrides": [], "seed": 3, "status": "finished", "versions": {"evsim": "0.1"}}
    folder = RunFolder.create(root, "runs", text, {**facts, **manifest})
    random = np.random.default_rng(0)
    with Writer.create(folder.recording, layout, {}) as writer:
        for epoch in range(2):
            writer.weights(epoch, parameters(random, layout))
            for split, number in (("train", 8), ("test", 8)):
                for index in range(number):
                    writer.trial(labelled(index, layout, split, epoch, activity))
                row = {"epoch": epoch, "split": split, "error": 0.5 - 0.25 * epoch, "loss": 0.1}
                writer.metrics({**row, "trials": number, "seconds": 1.5, "spikes": 800})
        writer.weights(2, parameters(random, layout))
    return folder.path


def html(*folders: Path) -> str:
    with ExitStack() as stack:
        return page.html([stack.enter_context(open_run(folder)) for folder in folders])
