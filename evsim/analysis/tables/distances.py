"""How far the rates of each population are in one phase from those in another.

For networks trained by equilibrium propagation: how far the nudge reaches. Over the trials of the
last epoch that kept both phases, neuron by neuron in each trial: the mean absolute difference of
rates, and the root of the mean squared one relative to that of the first phase's rates.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from evsim.analysis.tables.base import Table, counts, last_epoch, steps
from evsim.recording.reader import Run


def table(run: Run) -> Table:
    """Return a row for each population and pair of phases."""
    chosen = last_epoch(run, run.recorded).tolist()
    rows: list[tuple[str | int | float, ...]] = []
    for population in run.layout.spikes:
        for phase, other in combinations([phase.name for phase in run.layout.phases], 2):
            trials = [t for t in chosen if steps(run, t, phase) and steps(run, t, other)]
            if trials:
                rates = [
                    counts(run, population, trials, name)
                    / np.array([steps(run, trial, name) for trial in trials])[:, None]
                    / run.layout.dt
                    for name in (phase, other)
                ]
                apart = rates[1] - rates[0]
                size = float(np.sqrt((rates[0] ** 2).mean()))
                relative = float(np.sqrt((apart**2).mean())) / size if size else float("nan")
                absolute = float(np.abs(apart).mean())
                rows.append((population, phase, other, len(trials), absolute, relative))
    units = dict.fromkeys(("population", "phase", "other", "trials"), "")
    return Table({**units, "distance": "Hz", "relative": ""}, rows)
