"""The rate of each population's mean neuron over a trial."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from evsim.analysis.convergence import typical_trials
from evsim.analysis.figures.base import time_unit
from evsim.analysis.figures.rates import smoothed
from evsim.analysis.report.blocks import Axis, Block, Chart, Line, Note, Section
from evsim.analysis.report.sections.base import columns, numbers, phases, thinned
from evsim.analysis.report.subject import Subject
from evsim.wording import some

ORDER = 60
POINTS = 400


def section(subjects: Sequence[Subject]) -> Section:
    """Return a chart a run."""
    about = "Spikes a second of each population's mean neuron, smoothed inside each phase."
    return Section("Rates over a trial", about, columns=columns(subjects, _blocks))


def _blocks(subject: Subject) -> Iterator[Block]:
    run = subject.run
    trials = typical_trials(run)
    if not run.layout.spikes or not trials:
        yield Note("No spikes were recorded.")
        return
    spans = run.phases(trials[0])
    unit, scale = time_unit(run, spans)
    width = run.layout.dt * scale
    lines = []
    for colour, name in enumerate(run.layout.spikes):
        rate = np.mean([smoothed(run, name, row) for row in trials], axis=0)
        mean, centre = thinned(rate, POINTS)
        time = [value or 0.0 for value in numbers((centre * width).tolist())]
        lines.append(Line(name, time, numbers(mean.tolist()), colour))
    about = f"Mean of {some(len(trials), 'trial')} of the last epoch."
    axes = Axis(f"time ({unit})"), Axis("rate (Hz)", zero=True)
    yield Chart("Rates", about, *axes, lines, phases(run, spans))
