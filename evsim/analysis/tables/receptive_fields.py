"""Which part of an image neurons answer to, over the trials of the last epoch that kept spikes.

The field of a neuron is the mean image that its spikes meet, less the mean of all trials' images.
`separation` says how far its size stands out from those with images dealt out anew to the trials,
in standard deviations; `fields` is the share of neurons that exceed 95 of 100 such deals, 0.05 by
chance. `peak`, the largest pixel in the images' unit, and `area`, the share of pixels that are at
least half as far from 0, are means over these neurons. `weights` is the mean correlation of
fields with the weights from the image, where neurons have some that are kept.

At most 500 trials and 200 neurons that vary are measured, taken evenly from all.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evsim.analysis.receptive import Fields, fields
from evsim.analysis.tables.base import Table, Value, mean
from evsim.recording.reader import Run

COLUMNS = (
    "population",
    "phase",
    "trials",
    "neurons",
    "separation",
    "fields",
    "peak",
    "area",
    "weights",
)


def table(run: Run) -> Table:
    """Return a row for each population and phase, where trials show images."""
    return Table(dict.fromkeys(COLUMNS, ""), [_measured(found) for found in fields(run)])


def _measured(found: Fields) -> tuple[Value, ...]:
    flat = np.abs(found.average.reshape(len(found.neurons), -1))
    peak = flat.max(axis=1)
    area = (flat >= peak[:, None] / 2).mean(axis=1)
    head = (found.population, found.phase, found.trials, len(found.neurons))
    return (
        *head,
        mean(found.separation),
        float(found.beyond.mean()),
        mean(peak[found.beyond]),
        mean(area[found.beyond]),
        _agreement(found.average, found.weights),
    )


def _agreement(average: NDArray[np.float64], weights: NDArray[np.float64] | None) -> float:
    """Return the mean correlation coefficient of fields and weights, NaN without weights."""
    if weights is None:
        return float("nan")
    one, other = (
        values.reshape(len(values), -1) - values.reshape(len(values), -1).mean(axis=1)[:, None]
        for values in (average, weights)
    )
    size = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    size[size == 0] = np.nan
    return mean((one * other).sum(axis=1) / size)
