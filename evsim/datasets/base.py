"""Data sets as arrays, and how their samples are divided into training, validation and test.

Every draw here is the beginning of one stratified order under a fixed seed, so that a network file
means the same samples on every machine and at every time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from evsim import expressions
from evsim.datasets._events import EventLists
from evsim.datasets._fields import ONE_HOT, read_field
from evsim.errors import DataError, Fault, nearest
from evsim.expressions import ExpressionError
from evsim.replay import ReplayError, check_spikes, spike_list

SPLIT_SEED = 1998
LABELS = "labels"


@dataclass(frozen=True)
class Dataset:
    """Samples in memory.

    Attributes
    ----------
    name : as in the network file.
    splits : "train" and "test" -> field -> (sample, ...). Images stay uint8; see `sample`.
    events : "train" and "test" -> field -> a list of spikes a sample.
    """

    name: str
    splits: Mapping[str, Mapping[str, NDArray[Any]]]
    events: Mapping[str, Mapping[str, EventLists]] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        for split in {*self.splits, *self.events}:
            lengths = self._lengths(split)
            if len(set(lengths.values())) > 1:
                listing = ", ".join(f"'{field}' {n}" for field, n in lengths.items())
                raise DataError(
                    f"The {split} fields of data set '{self.name}' differ in their number of "
                    f"samples: {listing}."
                )

    def field(self, split: str, name: str) -> NDArray[Any]:
        """Return a field as stored, (sample, ...).

        Raises
        ------
        DataError : the data set has no such split or field.
        """
        if split not in self.splits:
            hint = nearest(split, self.splits)
            raise DataError(Fault(f"Data set '{self.name}' has no {split} samples.", hint=hint))
        fields = self.splits[split]
        if name in self.events.get(split, {}):
            hint = "they are what 'POPULATION.spikes' of a population with `spikes` is set to"
            message = f"Field '{name}' of data set '{self.name}' holds spikes, not values."
            raise DataError(Fault(message, hint=hint))
        if name not in fields:
            hint = nearest(name, fields)
            raise DataError(
                Fault(f"Data set '{self.name}' has no {split} field '{name}'.", hint=hint)
            )
        return fields[name]

    def spikes(self, split: str, name: str) -> EventLists:
        """Return a field of spikes.

        Raises
        ------
        DataError : the data set has no such field, or it holds values.
        """
        fields = self.events.get(split, {})
        if name not in fields:
            message = f"Data set '{self.name}' has no {split} field '{name}' that holds spikes."
            raise DataError(Fault(message, hint=nearest(name, fields)))
        return fields[name]

    def size(self, split: str) -> int:
        """Return the number of samples of a split, 0 where there is none."""
        return next(iter(self._lengths(split).values()), 0)

    def _lengths(self, split: str) -> dict[str, int]:
        found = {field: len(values) for field, values in self.splits.get(split, {}).items()}
        return found | {field: len(lists) for field, lists in self.events.get(split, {}).items()}

    def sample(self, split: str, index: int, field: str, dtype: DTypeLike) -> NDArray[Any]:
        """Return one sample of a field in its own shape, as `dtype`.

        Intensities are stored as bytes: a uint8 field with more than one dimension is divided by
        255. Every other field is taken as it is.
        """
        values = self.field(split, field)
        sample = values[index].astype(dtype)
        scaled = values.dtype == np.uint8 and values.ndim > 1
        return np.asarray(sample / sample.dtype.type(255) if scaled else sample)


Change = Callable[[str, NDArray[Any]], NDArray[Any]]


def unchanged(field: str, sample: NDArray[Any]) -> NDArray[Any]:
    """Return a sample of a field as it is."""
    return sample


@dataclass(frozen=True)
class SplitData:
    """A data set with its samples divided.

    Attributes
    ----------
    indices : "train", "validation" and "test" -> (sample,), positions in the data set's arrays, in
        ascending order. Validation samples come from the data set's training samples.
    """

    dataset: Dataset
    indices: Mapping[str, NDArray[np.int64]]

    def size(self, split: str) -> int:
        """Return the number of samples in "train", "validation" or "test"."""
        return len(self.indices[split])

    def field(self, split: str, name: str) -> NDArray[Any]:
        """Return a field of all samples of a split as stored, (sample, ...)."""
        return self.dataset.field(stored_split(split), name)[self.indices[split]]

    def sample(self, split: str, index: int, field: str, dtype: DTypeLike) -> NDArray[Any]:
        """Return sample `index` of a split; see `Dataset.sample`."""
        return self.dataset.sample(
            stored_split(split), int(self.indices[split][index]), field, dtype
        )

    def spikes(
        self, split: str, index: int, field: str, size: int, dt: float, period: int
    ) -> NDArray[np.int64]:
        """Return the spikes of sample `index`, (2, spike); see `evsim.replay`.

        Several spikes of a neuron in one step count as one.

        Parameters
        ----------
        size : neurons of the population that sends them.
        dt : s; `period` is in steps, 0 for none.
        """
        lists = self.dataset.spikes(stored_split(split), field)
        times, neurons = lists.sample(int(self.indices[split][index]))
        return spike_list(times, neurons, size, dt, period, merge=True)

    def check_spikes(self, split: str, field: str, size: int, dt: float, period: int) -> None:
        """Look at all spikes of a field that a split's samples come from.

        Raises
        ------
        DataError : a spike lies before its sample, after the period, or has no neuron.
        """
        lists = self.dataset.spikes(stored_split(split), field)
        try:
            check_spikes(lists.time, lists.neuron, size, dt, period)
        except ReplayError as error:
            sample = int(np.searchsorted(lists.start, error.index, side="right")) - 1
            raise DataError(
                f"Field '{field}' of data set '{self.dataset.name}', {stored_split(split)} sample "
                f"{sample}: a spike cannot be replayed: {error.message}."
            ) from None

    def values(
        self,
        split: str,
        index: int,
        text: str,
        size: int,
        dtype: DTypeLike,
        change: Change = unchanged,
    ) -> NDArray[Any]:
        """Return what an entry of `data.fields` gives a variable of `size` values.

        A field alone is taken as `dtype`; expressions are evaluated in double precision, and in
        them a field of one value a sample counts for all neurons.

        Parameters
        ----------
        change : what becomes of a sample of a field, by the field's name, before anything else.

        Returns
        -------
        (neuron,), SI units, in C order of the sample's shape.

        Raises
        ------
        DataError : the sample has another size, its class is not below `size`, or the expression
            has no finite value.
        """
        found = read_field(text)

        def one_hot(label: float) -> NDArray[np.float64]:
            return self._one_hot(text, label, size)

        if found.plain and found.numbers:
            return self._numbers(split, index, text.strip(), size, dtype, change).reshape(-1)
        if found.plain:
            (field,) = found.classes
            return one_hot(float(self.sample(split, index, field, np.float64))).astype(dtype)
        names = {
            field: self._numbers(split, index, field, size, np.float64, change, spread=True)
            for field in found.numbers
        }
        names |= {
            field: self.dataset.sample(
                stored_split(split), int(self.indices[split][index]), field, np.float64
            )
            for field in found.classes
        }
        try:
            values = expressions.evaluate(text, names, {ONE_HOT: one_hot})
        except ExpressionError as error:
            raise DataError(
                f"'{text.strip()}' for {split} sample {index} of data set '{self.dataset.name}': "
                f"{error.message}."
            ) from None
        return np.broadcast_to(values, (size,)).astype(dtype)

    def _numbers(
        self,
        split: str,
        index: int,
        field: str,
        size: int,
        dtype: DTypeLike,
        change: Change,
        spread: bool = False,
    ) -> NDArray[Any]:
        """Return a sample, (value,); (), where it is one value and `spread` allows it."""
        sample = change(field, self.sample(split, index, field, dtype))
        if sample.dtype.kind == "f" and not np.isfinite(sample).all():
            stored, row = stored_split(split), int(self.indices[split][index])
            wrong = sample[~np.isfinite(sample)][0]
            raise DataError(
                f"Field '{field}' of data set '{self.dataset.name}' holds {wrong} in {stored} "
                f"sample {row} (from 0)."
            )
        if spread and sample.ndim == 0:
            return sample
        if sample.size != size:
            wanted = f"the population that it sets has {size} neurons" if size > 1 else "sets one"
            raise DataError(
                f"Field '{field}' of data set '{self.dataset.name}' has {sample.size} "
                f"value{'s' * (sample.size != 1)} a sample, but {wanted}."
            )
        return sample.reshape(-1)

    def _one_hot(self, text: str, label: float, size: int) -> NDArray[np.float64]:
        if not 0 <= label < size:
            raise DataError(
                f"'{text}' meets class {label:g} in data set '{self.dataset.name}', but the "
                f"population that it sets has {size} neurons; give it one neuron a class."
            )
        values = np.zeros(size)
        values[int(label)] = 1
        return values


def stored_split(split: str) -> str:
    """Return the stored split that the samples of "train", "validation" or "test" lie in."""
    return "test" if split == "test" else "train"


def stratified_order(labels: NDArray[Any], seed: int = SPLIT_SEED) -> NDArray[np.int64]:
    """Return a random order of samples whose every stretch has the classes in proportion.

    Sample r of the n of its class, in random order, is placed at (r + u)/n, with one uniform u a
    class.

    Parameters
    ----------
    labels : (sample,), class of each sample.
    seed : start of the draw.

    Returns
    -------
    (sample,), each index once.
    """
    # NumPy promises that this generator's stream never changes; the newer ones may.
    random = np.random.RandomState(seed)
    shuffled = random.permutation(len(labels))
    place = np.empty(len(labels))
    for label in np.unique(labels):
        members = shuffled[labels[shuffled] == label]
        place[members] = (np.arange(len(members)) + random.random_sample()) / len(members)
    return np.argsort(place, kind="stable").astype(np.int64)


def split(dataset: Dataset, train: int | None, validation: int, test: int | None) -> SplitData:
    """Divide a data set: `validation` training samples are held out, the rest is trained on.

    All draws are beginnings of `stratified_order`: the held-out samples do not depend on how many
    are trained on, and a smaller part is contained in a larger one.

    Parameters
    ----------
    train, test : number of samples, None for all that there are.
    validation : number of samples taken from the training samples.

    Raises
    ------
    DataError : the data set has fewer samples.
    """
    available = dataset.size("train")
    wanted = (train or 0) + validation
    if wanted > available:
        raise DataError(
            f"`split` asks for {train or 0} training and {validation} validation samples, but data "
            f"set '{dataset.name}' has {available} training samples for both; write at most "
            f"`train: {max(available - validation, 0)}` or leave `train` out."
        )
    if (test or 0) > dataset.size("test"):
        raise DataError(
            f"`split` asks for {test} test samples, but data set '{dataset.name}' has "
            f"{dataset.size('test')}; leave `test` out to take all."
        )
    training, testing = _order(dataset, "train"), _order(dataset, "test")
    last = None if train is None else validation + train
    parts = {
        "train": training[validation:last],
        "validation": training[:validation],
        "test": testing[:test],
    }
    return SplitData(dataset, {name: np.sort(part) for name, part in parts.items()})


def _order(dataset: Dataset, split: str) -> NDArray[np.int64]:
    fields = dataset.splits.get(split, {})
    labels = fields.get(LABELS)
    if labels is None or labels.ndim != 1:
        labels = np.zeros(dataset.size(split), np.int64)
    return stratified_order(labels)
