"""The spikes of some trials, to look into."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from evsim.analysis.figures.base import time_unit
from evsim.analysis.report.blocks import (
    Block,
    Note,
    Packed,
    Raster,
    RasterTrial,
    Section,
    Spikes,
)
from evsim.analysis.report.sections.base import columns
from evsim.analysis.report.subject import Subject
from evsim.recording.reader import Run
from evsim.wording import some

ORDER = 50

TRIALS = 4
"""Trials shown of one run; of several runs, half as many each."""

PAGE = 400_000
"""Spikes that a page holds at most, so that it opens at once."""

TRIAL = 100_000
"""Spikes that are shown of a trial at most."""


def section(subjects: Sequence[Subject]) -> Section:
    """Return a raster a run."""
    trials = TRIALS if len(subjects) == 1 else TRIALS // 2
    most = min(TRIAL, PAGE // (trials * len(subjects)))
    found = columns(subjects, lambda subject: _blocks(subject, trials, most))
    about = "Every mark is a spike. Drag to look into a stretch, double-click to see all again; "
    about += "point at a spike to see which it is."
    return Section("Spikes of a trial", about, columns=found)


def _blocks(subject: Subject, trials: int, most: int) -> Iterator[Block]:
    run = subject.run
    if not run.layout.spikes:
        yield Note("No spikes were recorded: the network file's `record` asks for none.")
        return
    rows = chosen(run, trials)
    if not rows:
        yield Note("No trial with spikes is complete.")
        return
    unit, scale = time_unit(run, run.phases(rows[0]))
    shown = [_trial(run, row, most) for row in rows]
    cut = any(p.shown < p.total for trial in shown for p in trial.populations)
    about = f"{some(len(rows), 'trial')} of {len(run.recorded):,} recorded."
    if cut:
        about += f" Of a trial with more than {most:,} spikes, those of some neurons are shown, "
        about += "drawn at random: all of a neuron's spikes, or none."
    yield Raster("Raster", about, unit, run.layout.dt * scale, shown)


def chosen(run: Run, most: int) -> list[int]:
    """Return trials of the last epoch: of each split first one that went right and one wrong."""
    rows = run.recorded
    if not len(rows):
        return []
    rows = rows[run.trials["epoch"][rows] == run.trials["epoch"][rows].max()]
    trials = run.trials[rows]
    wrong = (trials["predicted"] >= 0) & (trials["predicted"] != trials["label"])
    found: list[int] = []
    for split in dict.fromkeys(trials["split"].tolist()):
        for failed in (False, True):
            found += rows[(trials["split"] == split) & (wrong == failed)][:1].tolist()
    found = found[:most]
    rest = [row for row in rows.tolist() if row not in found]
    return sorted(found + rest[: most - len(found)])


def _trial(run: Run, row: int, most: int) -> RasterTrial:
    phases = run.phases(row)
    total = sum(int(run.counts(name, row).sum()) for name in run.layout.spikes)
    share = min(1.0, most / max(total, 1))
    populations = [_population(run, name, row, share) for name in run.layout.spikes]
    spans = [(name, begin, end) for name, (begin, end) in phases.items()]
    return RasterTrial(title(run, row), max(end for _, _, end in spans), spans, populations)


def _population(run: Run, name: str, row: int, share: float) -> Spikes:
    """Return at most a share of the spikes: all those of neurons that are drawn until it is full.

    Neurons are drawn in the same order in every trial.
    """
    population = run.layout.population(name)
    step, neuron = spikes(run, name, row)
    total = len(step)
    if share < 1:
        order = np.random.default_rng(0).permutation(population.size)
        room = np.cumsum(np.bincount(neuron, minlength=population.size)[order]) <= share * total
        kept = np.zeros(population.size, np.bool_)
        kept[order[room]] = True
        step, neuron = step[kept[neuron]], neuron[kept[neuron]]
    packed = Packed.of(step), Packed.of(neuron)
    return Spikes(name, population.shape, total, len(step), *packed)


def spikes(run: Run, name: str, row: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return step and neuron of a population's spikes in a trial, (spike,) both."""
    found = run.spikes(name, row)
    return found.step, found.neuron.astype(np.int64)


def title(run: Run, row: int) -> str:
    """Return what tells a trial from others."""
    one = run.trials[row]
    text = f"trial {row}: epoch {one['epoch'] + 1}, {one['split']} sample {one['sample']}"
    if one["label"] >= 0:
        text += f", label {one['label']}"
    if one["predicted"] >= 0:
        text += f", predicted {one['predicted']}"
    return text
