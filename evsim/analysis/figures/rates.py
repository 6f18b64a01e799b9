"""The rate of each population's mean neuron over a trial, smoothed inside each phase."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evsim.analysis.convergence import typical_trials
from evsim.analysis.figures.base import lacking, over_a_trial, strokes, time_unit
from evsim.analysis.spikes import smoothed_rate
from evsim.recording.reader import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OF_ONE_TRIAL = True

SMOOTHED = 100
"""Share of a trial, one in so many, by which spikes are spread."""


def draw(run: Run, figure: Figure, trial: int | None) -> None:
    """Draw a line a population, the mean over the trials of the last epoch or of one trial."""
    trials = typical_trials(run) if trial is None else [trial]
    if not run.layout.spikes or not trials:
        raise lacking(run, "spikes", "ask for `record: {spikes: {}}`")
    figure.set_size_inches(7, 3.4)
    panel = figure.subplots()
    spans = run.phases(trials[0])
    if not spans:
        raise lacking(run, f"spikes of trial {trials[0]}", "record more trials")
    _, scale = time_unit(run, spans)
    begins = [begin for begin, _ in spans.values()][1:]
    for name, stroke in zip(run.layout.spikes, strokes(), strict=False):
        rate = np.mean([smoothed(run, name, row) for row in trials], axis=0)
        time = (np.arange(len(rate)) + 0.5) * run.layout.dt * scale
        for part in np.split(np.arange(len(rate)), begins):
            label = name if not part[0] else "_"
            panel.plot(time[part], rate[part], label=label, **stroke)
    panel.set_ylim(bottom=0)
    panel.set_ylabel("rate (Hz)")
    over_a_trial(run, panel, trials, spans, "rate")


def smoothed(run: Run, population: str, trial: int) -> NDArray[np.float64]:
    """Return the rate in every step of a trial, (step,), Hz; a phase knows nothing of others."""
    size, dt = run.layout.population(population).size, run.layout.dt
    phases = run.phases(trial)
    width = sum(end - begin for begin, end in phases.values()) * dt / SMOOTHED
    found = []
    for phase, (begin, end) in phases.items():
        step = run.spikes(population, trial, phase).step
        found.append(smoothed_rate(step, size, end - begin, dt, width))
    return np.concatenate(found)
