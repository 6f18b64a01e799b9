"""Learned weights: kernels as pictures, and every parameter's values at the start and now."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from evsim.analysis.figures.weights import KERNELS, kernels
from evsim.analysis.report.blocks import Axis, Block, Chart, Line, Note, Packed, Pictures, Section
from evsim.analysis.report.sections.base import columns, numbers
from evsim.analysis.report.subject import Subject
from evsim.recording.reader import Run
from evsim.wording import some, times

ORDER = 80
MOST = 24
"""Parameters that are shown."""

BINS = 50


def section(subjects: Sequence[Subject]) -> Section:
    """Return pictures and histograms of each run."""
    about = "The values after the last epoch that is kept, and before training."
    return Section("Weights", about, columns=columns(subjects, _blocks))


def _blocks(subject: Subject) -> Iterator[Block]:
    run = subject.run
    names = [p.name for p in run.layout.parameters if math.prod(p.shape)]
    if not names or not len(run.weight_epochs):
        yield Note("No weights were recorded: nothing learns, or `record` asks for none.")
        return
    if len(names) > MOST:
        yield Note(f"The first {MOST} of {len(names)} parameters.")
    for name in names[:MOST]:
        yield from _kernels(run, name)
    for name in names[:MOST]:
        yield _histogram(run, name)


def _kernels(run: Run, name: str) -> Iterator[Pictures]:
    pictures = kernels(run, name)
    if pictures is None:
        return
    number, pictures = len(pictures), pictures[:KERNELS]
    limit = float(np.nanquantile(np.abs(pictures), 0.99)) or 1.0
    values = np.nan_to_num(np.clip(pictures / limit, -1, 1) * 127).round().astype(np.int8)
    noun = "kernel" if run.weights(name).ndim == 4 else "target neuron"
    shown = some(number, noun)
    what = shown if len(pictures) == number else f"{len(pictures)} of {shown}"
    about = f"{what}; blue −{limit:.2g} to red {limit:.2g}."
    alt = f"Weights of {name} as small pictures: {what}"
    yield Pictures(name, about, alt, pictures.shape, Packed.of(values), signed=True)


def _histogram(run: Run, name: str) -> Chart:
    epochs = run.weight_epochs.tolist()
    kept = dict.fromkeys((epochs[0], epochs[-1]))
    values = {epoch: run.weights(name, epoch).ravel().astype(np.float64) for epoch in kept}
    finite = np.concatenate([found[np.isfinite(found)] for found in values.values()])
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    bins = int(np.clip(np.sqrt(len(next(iter(values.values())))), 5, BINS))
    edges = np.linspace(low, high if high > low else low + 1, bins + 1)
    lines = []
    for epoch, found in values.items():
        count, _ = np.histogram(found[np.isfinite(found)], edges)
        label = f"after epoch {epoch}" if epoch else "at the start"
        edge = [float(f"{value:.5g}") for value in edges.tolist()]
        lines.append(Line(label, edge, numbers(count.tolist()), 1 if epoch == epochs[-1] else 0))
    parameter = next(p for p in run.layout.parameters if p.name == name)
    about = f"{times(parameter.shape)} values." if parameter.shape else "One value."
    return Chart(name, about, Axis("value"), Axis("values in a bin", zero=True), lines)
