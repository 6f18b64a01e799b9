"""How trials settle: residuals by epoch and trial; movement, energy and activity over a trial."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from evsim.analysis.convergence import (
    ENERGY,
    activity,
    energy,
    movement,
    residuals,
    typical_trials,
)
from evsim.analysis.figures.base import time_unit
from evsim.analysis.report.blocks import Axis, Block, Chart, Line, Note, Section
from evsim.analysis.report.sections.base import (
    COLOURS,
    columns,
    numbers,
    phases,
    thinned,
    visible,
)
from evsim.analysis.report.sections.curves import lines
from evsim.analysis.report.subject import Subject
from evsim.recording.reader import Run
from evsim.wording import number, some

ORDER = 70
POINTS = 250
BINS = 30


def section(subjects: Sequence[Subject]) -> Section:
    """Return residuals by epoch of all runs together, then charts of each run."""
    by_epoch = Chart(
        "Residual by epoch",
        "The mean of each pass.",
        Axis("epoch", whole=True),
        Axis("residual", zero=True),
        lines(subjects, "residual"),
    )
    title, about = "Convergence", "How far trials are from rest, and how they get there."
    together, found = visible([by_epoch]), columns(subjects, _blocks)
    if len(found) > 1:
        return Section(title, about, together, found)
    return Section(title, about, columns=[replace(found[0], blocks=[*together, *found[0].blocks])])


def _blocks(subject: Subject) -> Iterator[Block]:
    run = subject.run
    sampled = typical_trials(run, sampled=True)
    found = residuals(run)
    if found:
        yield _residuals(run, found)
    if sampled:
        yield from visible([_movement(run, sampled), *_energy(run, sampled)])
    trials = typical_trials(run)
    if trials and (found or sampled):
        yield _activity(run, trials)
    if not found and not sampled:
        yield Note(
            "No residuals were measured and no states recorded: "
            "the protocol has no `settle`, `record` no `states`."
        )


def _residuals(run: Run, found: Mapping[str, NDArray[np.float64]]) -> Chart:
    every = np.concatenate(list(found.values()))
    positive = every[every > 0]
    low, high = (positive.min(), positive.max()) if len(positive) else (1e-3, 1.0)
    edges = np.geomspace(low * 0.9, high * 1.1, BINS + 1)
    drawn = []
    for split, values in found.items():
        count, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
        name = f"{split}, median {np.median(values):.2g}"
        share = numbers((100 * count / len(values)).tolist())
        drawn.append(Line(name, _short(edges), share, COLOURS[split]))
    about = f"Trials of epoch {int(run.trials['epoch'].max()) + 1}."
    axes = Axis("residual", log=True), Axis("trials (%)", zero=True)
    return Chart("Residuals", about, *axes, drawn)


def _movement(run: Run, trials: list[int]) -> Chart:
    spans = run.spans(trials[0])
    unit, scale = time_unit(run, spans)
    variables = [
        (entry.population, variable.name)
        for entry in run.layout.states
        for variable in entry.variables
        if variable.name != ENERGY
    ]
    drawn = []
    for colour, (population, name) in enumerate(dict.fromkeys(variables)):
        step, moved = movement(run, population, name, trials)
        time = _short(step * run.layout.dt * scale)
        values = numbers(moved.tolist(), positive=True)
        drawn.append(Line(f"{population}.{name}", time, values, colour))
    about = f"The largest change of any neuron, mean of {some(len(trials), 'trial')}."
    axes = Axis(f"time ({unit})"), Axis("change a step", log=True)
    return Chart("Movement", about, *axes, drawn, phases(run, spans))


def _energy(run: Run, trials: list[int]) -> Iterator[Chart]:
    if not any(v.name == ENERGY for entry in run.layout.states for v in entry.variables):
        return
    spans = run.spans(trials[0])
    unit, scale = time_unit(run, spans)
    step, total = energy(run, trials)
    if not len(step):
        return
    least = float(total.min())
    time, above = _short(step * run.layout.dt * scale), numbers((total - least).tolist(), True)
    about = f"Mean of {some(len(trials), 'trial')}; the least is {number(least)}."
    axes = Axis(f"time ({unit})"), Axis("energy above its least", log=True)
    yield Chart("Energy", about, *axes, [Line("energy", time, above, 0)], phases(run, spans))


def _activity(run: Run, trials: list[int]) -> Chart:
    spans = run.phases(trials[0])
    unit, scale = time_unit(run, spans)
    drawn = []
    for colour, name in enumerate(run.layout.spikes):
        share, centre = thinned(100 * activity(run, name, trials), POINTS)
        time = _short(centre * run.layout.dt * scale)
        drawn.append(Line(name, time, numbers(share.tolist()), colour))
    about = f"Neurons that spike in a step, mean of {some(len(trials), 'trial')}."
    axes = Axis(f"time ({unit})"), Axis("neurons (%)", zero=True)
    return Chart("Activity", about, *axes, drawn, phases(run, spans))


def _short(values: NDArray[np.floating]) -> list[float]:
    return [float(f"{value:.5g}") for value in values.tolist()]
