"""How large a recording will be, before it is written."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evsim.errors import Fault, RunError
from evsim.recording.columns import TRIAL_COLUMNS
from evsim.recording.encoding import ESCAPE
from evsim.recording.layout import Layout, count_type, neuron_type
from evsim.spec.schema import Names, Network, RecordSpikes, RecordStates


@dataclass(frozen=True)
class Pass:
    """Passes over a split that a run makes.

    Attributes
    ----------
    trials : samples of the split.
    phases : phase -> steps, of those that run.
    epochs : in which it is made, from 0.
    """

    trials: int
    phases: Mapping[str, int]
    epochs: range


@dataclass(frozen=True)
class Amount:
    """What a run keeps at most.

    Attributes
    ----------
    trials : rows of the table of trials.
    steps : steps of which spikes are kept, of all trials together.
    samples : samples of each entry of `record.states`.
    weights : how often parameters are kept.
    """

    trials: int
    steps: int
    samples: tuple[int, ...]
    weights: int


def passes(network: Network, phases: Mapping[str, int], sizes: Mapping[str, int]) -> list[Pass]:
    """Return the passes of a whole run.

    Parameters
    ----------
    phases : phase -> steps, of all phases.
    sizes : split -> samples.
    """
    epochs, test = range(network.protocol.epochs), network.protocol.test
    found = [Pass(sizes["train"], phases, epochs)]
    if test is not None:
        tested = {name: phases[name] for name in test.phases}
        when = epochs if test.each == "epoch" else epochs[-1:]
        found += [Pass(sizes[split], tested, when) for split in test.split]
    return found


def amount(network: Network, made: Iterable[Pass]) -> Amount:
    """Return how much of some passes the network's `record` section asks for."""
    record, made = network.record, list(made)

    def steps(entry: RecordSpikes | RecordStates, every: int) -> int:
        return sum(
            _trials(entry, this) * sum(math.ceil(n / every) for n in _chosen(entry.phases, this))
            for this in made
        )

    weights = record.weights
    kept = range(0, network.protocol.epochs + 1, weights.every.epoch) if weights else ()
    return Amount(
        trials=sum(this.trials * len(this.epochs) for this in made),
        steps=steps(record.spikes, 1) if record.spikes else 0,
        samples=tuple(steps(entry, entry.every.step) for entry in record.states),
        weights=len(kept),
    )


def size(layout: Layout, kept: Amount, activity: Mapping[str, float] | None = None) -> int:
    """Return the size of a recording before compression, bytes.

    Parameters
    ----------
    activity : population -> spikes in a step; every neuron where it is left out.
    """
    offsets = (len(layout.phases) + 1) * (1 + len(layout.spikes) + len(layout.states))
    sums = len(layout.phases) * len(layout.summed)
    # A split takes 1 byte, a checksum 4, the rest of the table of trials 8.
    total = kept.trials * (8.0 * (len(TRIAL_COLUMNS) - 1 + offsets) + 4 * sums + 1)
    for name in layout.spikes:
        neurons = layout.population(name).size
        spikes = neurons if activity is None else activity[name]
        if layout.encoding == "compact":
            taken = spikes + (neurons - spikes) / ESCAPE
        else:
            taken = spikes * neuron_type(neurons).itemsize
        total += kept.steps * (taken + count_type(neurons).itemsize)
    for entry, samples in zip(layout.states, kept.samples, strict=True):
        total += samples * sum(v.width * np.dtype(v.dtype).itemsize for v in entry.variables)
    values = sum(math.prod(parameter.shape) for parameter in layout.parameters)
    return math.ceil(total + kept.weights * values * np.dtype(layout.precision).itemsize)


def check(
    folder: Path, layout: Layout, kept: Amount, activity: Callable[[], Mapping[str, float]]
) -> None:
    """See that a recording has room.

    Parameters
    ----------
    folder : in which it will lie; need not exist.
    activity : measures spikes in a step; called where there is no room for a spike of every neuron
        in every step.

    Raises
    ------
    RunError : there is less room than it is expected to take.
    """
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if size(layout, kept) <= free:
        return
    needed = size(layout, kept, activity())
    if needed > free:
        message = f"The recording would take about {readable(needed)}"
        message += f", but '{folder}' has {readable(free)} left."
        hint = "record less (`record`), or elsewhere (`--out`), or begin with `--ignore-space`"
        raise RunError(str(Fault(message, hint=hint)))


def readable(size: float) -> str:
    """Return a number of bytes for people."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            break
        size /= 1000
    return f"{size:.3g} {unit}" if size < 1000 else f"{size:,.0f} {unit}"


def _trials(entry: RecordSpikes | RecordStates, this: Pass) -> int:
    """Return how many trials of some passes an entry of `record` names."""
    chosen, every = entry.trials, entry.every
    if isinstance(chosen, tuple):
        trials = sum(n < this.trials and n % every.trial == 0 for n in set(chosen))
    else:
        first = this.trials if chosen == "all" else min(chosen, this.trials)
        trials = math.ceil(first / every.trial)
    return trials * sum(epoch % every.epoch == 0 for epoch in this.epochs)


def _chosen(names: Names, this: Pass) -> list[int]:
    """Return the steps of those phases of a pass that an entry of `record` names."""
    return [steps for name, steps in this.phases.items() if names == "all" or name in names]
