"""Which classes are predicted which, and pictures of the commonest mistakes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from evsim.analysis.report.blocks import Block, Gallery, Matrix, Note, Packed, Pictures, Section
from evsim.analysis.report.samples import Images, Lacking, images
from evsim.analysis.report.sections.base import columns
from evsim.analysis.report.subject import SPLITS, Subject
from evsim.analysis.tables.base import last_epoch
from evsim.analysis.tables.confusion import matrices
from evsim.recording.reader import Trials
from evsim.wording import percent, some

ORDER = 90
KINDS, EXAMPLES = 6, 5
"""Mistakes that are shown, and examples of each."""

CLASSES = 40
"""Classes up to which a matrix is shown."""


def section(subjects: Sequence[Subject]) -> Section:
    """Return a matrix a split, and examples."""
    about = "Rows are labels, columns predictions; per cent of a label's trials in the last epoch."
    return Section("Confusion", about, columns=columns(subjects, _blocks))


def _blocks(subject: Subject) -> Iterator[Block]:
    found = matrices(subject.run)
    if not found:
        yield Note("No trial has both a label and a prediction.")
        return
    splits = [split for split in SPLITS if split in found]
    for split in splits:
        matrix = found[split]
        trials = int(matrix.sum())
        wrong = percent(1 - int(np.trace(matrix)) / trials)
        if len(matrix) > CLASSES:
            yield Note(f"{split}: {len(matrix)} classes are too many for a table; {wrong} wrong.")
            continue
        share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
        title = f"{split}, {some(trials, 'trial')}, {wrong} wrong"
        yield Matrix(title, (100 * share).round(2).tolist())
    yield from _examples(subject, splits[0])


def _examples(subject: Subject, split: str) -> Iterator[Block]:
    mistakes = _mistakes(subject, split)
    if not len(mistakes):
        yield Note(f"No trial of {split} was predicted wrongly in the last epoch.")
        return
    found = images(subject, split, mistakes)
    if isinstance(found, Lacking):
        yield Note(f"The commonest mistakes are not pictured: {found.reason}")
        return
    pairs = zip(mistakes["label"].tolist(), mistakes["predicted"].tolist(), strict=True)
    pictures = []
    for (label, predicted), count in Counter(pairs).most_common(KINDS):
        chosen = (mistakes["label"] == label) & (mistakes["predicted"] == predicted)
        rows = np.flatnonzero(chosen)[:EXAMPLES]
        pictures.append(_pictures(found, rows, label, predicted, count))
    yield Gallery(f"Commonest mistakes, {split}", pictures)


def _mistakes(subject: Subject, split: str) -> Trials:
    """Return the trials of a split's last epoch that were read wrongly."""
    trials = subject.run.trials
    judged = (trials["split"] == split) & (trials["label"] >= 0) & (trials["predicted"] >= 0)
    last = trials[last_epoch(subject.run, np.flatnonzero(judged))]
    found: Trials = last[last["label"] != last["predicted"]]
    return found


def _pictures(
    found: Images, rows: NDArray[np.int64], label: int, predicted: int, count: int
) -> Pictures:
    values = found.of(rows)
    about = some(count, "trial") + (f", {len(rows)} shown" if len(rows) < count else "")
    alt = (
        f"{found.field} of {some(len(rows), 'sample')} with label {label}, predicted as {predicted}"
    )
    title = f"{label} predicted as {predicted}"
    return Pictures(title, about, alt, values.shape, Packed.of(values), signed=False)
