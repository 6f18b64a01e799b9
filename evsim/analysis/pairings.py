"""Which pairs of spikes came with which changes of a projection's weights.

A synapse's weight is known at certain times: where `record.states` samples its `w` in a trial, at
the samples, else after the epochs of which `record.weights` keeps it. The changes in between are
the observations; a pair of a source's and a target's spike in one trial belongs to the interval in
which the later one lies, as synapses learn at the later one. Times are those at which spikes run
the synapse's code, after its delays.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evsim.analysis.network import Unmeasured
from evsim.analysis.sampling import evenly, trains
from evsim.build.delays import delay_steps
from evsim.errors import Fault
from evsim.projections.base import Geometry, Synapses
from evsim.recording.reader import Run
from evsim.spec.schema import Network, Projection
from evsim.spec.wiring import infer_geometry

REACH = 0.1
"""Longest lag of a pair, s."""

SYNAPSES, VISITS, PAIRS = 1000, 20_000, 5_000_000
"""Synapses, synapses times trials, and pairs, about, that are looked at."""

TRIALS = 20
"""Trials that are looked at where each has samples of its weights."""

LISTED = 50_000_000
"""Synapses of a projection up to which they are listed."""

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Pairings:
    """Changes of weights, and the pairs of spikes that they came with.

    Attributes
    ----------
    change : (observation,), by which a weight changed in an interval.
    observation : (pair,), the one that a pair belongs to.
    lag : (pair,), time of the target's spike less that of the source's, steps, both with the
        synapse's delay.
    nearest : (pair,), whether the earlier spike is the last one of its side before the later.
    """

    change: NDArray[np.float64]
    observation: Ints
    lag: Ints
    nearest: NDArray[np.bool_]


def pairings(run: Run, network: Network, projection: Projection) -> Pairings:
    """Return what the weights of a projection changed by, and the pairs of spikes it came with.

    Where there are many synapses or trials, of some, taken evenly.

    Raises
    ------
    Unmeasured : the recording does not say which spikes came with which changes.
    """
    names = [text.partition(".")[0] for text in (projection.from_, projection.to)]
    silent = [f"'{name}'" for name in dict.fromkeys(names) if name not in run.layout.spikes]
    if silent:
        hint = "ask for `record: {spikes: {populations: all}}` in the network file"
        raise lacks(projection, f"the spikes of {' and '.join(silent)} are not kept", hint)
    _check_phases(network, projection)
    geometry = infer_geometry(network, projection)
    if geometry.synapse_count > LISTED:
        raise lacks(projection, f"its {geometry.synapse_count:,} synapses are too many")
    synapses = geometry.synapses()
    ends = _ends(network, projection, geometry, synapses)
    if len(np.unique(synapses.weight)) < len(synapses.weight):
        raise lacks(projection, "its synapses share weights")
    for number, entry in enumerate(run.layout.states):
        if entry.population == projection.name and "w" in {v.name for v in entry.variables}:
            return _of_samples(run, projection, ends, number)
    return _of_epochs(run, network, projection, ends, synapses.weight)


def lacks(projection: Projection, what: str, instead: str = "") -> Unmeasured:
    """Return the error of a projection whose changes cannot be told; `instead` is what to do."""
    message = f"The window of projection '{projection.name}' cannot be measured: {what}."
    return Unmeasured(Fault(message, hint=instead))


@dataclass(frozen=True)
class _End:
    """One end of a projection: a population, and (synapse,) its neurons and steps of delay."""

    population: str
    neuron: Ints
    delay: Ints


_Ends = tuple[_End, _End]


def _ends(
    network: Network, projection: Projection, geometry: Geometry, synapses: Synapses
) -> _Ends:
    """Return the source's and the target's end, with delays as they were drawn for the run."""
    delay = delay_steps(network, projection, "delay", geometry)
    delay_post = delay_steps(network, projection, "delay_post", geometry)
    source, target = (text.partition(".")[0] for text in (projection.from_, projection.to))
    return (
        _End(source, synapses.pre, np.broadcast_to(delay, synapses.pre.shape)),
        _End(target, synapses.post, np.broadcast_to(delay_post, synapses.post.shape)),
    )


def _check_phases(network: Network, projection: Projection) -> None:
    phases = list(network.protocol.phases.items())
    for (before, _), (name, phase) in zip(phases[:-1], phases[1:], strict=True):
        if phase.from_ != before:
            raise lacks(projection, f"phase '{name}' does not go on from phase '{before}'")
    if any(phase.repeat for _, phase in phases):
        raise lacks(projection, "phases are repeated, and only the last attempt is kept")


def _learning(run: Run) -> Ints:
    """Return the training trials of which the spikes of all phases are kept, as rows."""
    names = tuple(phase.name for phase in run.layout.phases)
    kept = run.recorded[run.trials["split"][run.recorded] == "train"]
    return np.array([row for row in kept.tolist() if tuple(run.phases(row)) == names], np.int64)


def _of_samples(run: Run, projection: Projection, ends: _Ends, number: int) -> Pairings:
    """Return the changes between two samples of an entry of `record.states`."""
    entry, names = run.layout.states[number], tuple(phase.name for phase in run.layout.phases)
    rows = [row for row in _learning(run).tolist() if run.sampled_phases(row, number) == names]
    if not rows:
        hint = "record both in the same trials, and in all phases"
        raise lacks(projection, "no training trial kept both its spikes and its weights", hint)
    stored = np.arange(len(ends[0].neuron)) if entry.neurons is None else np.array(entry.neurons)
    rows = evenly(np.array(rows), TRIALS).tolist()
    columns = evenly(np.arange(len(stored)), _affordable(run, ends, rows))
    parts = []
    for row in rows:
        step, values = run.states(projection.name, "w", row, entry=number)
        change = np.diff(values[:, columns].astype(np.float64), axis=0).T  # (synapse, interval)
        met = _met(run, ends, stored[columns], row)
        # A sample at a step's start comes before the step's spikes, one at its end after them.
        later = met.later if entry.when == "start" else met.later - 1
        interval = np.searchsorted(step, later, "right") - 1
        inside = (interval >= 0) & (interval < change.shape[1])
        place = met.synapse * change.shape[1] + interval
        parts.append(Pairings(change.ravel(), place[inside], met.lag[inside], met.nearest[inside]))
    return _joined(parts)


def _of_epochs(
    run: Run, network: Network, projection: Projection, ends: _Ends, weight: Ints
) -> Pairings:
    """Return the changes between two epochs of which weights are kept.

    Parameters
    ----------
    weight : (synapse,), its place in the parameter.
    """
    epochs, kept = run.weight_epochs.tolist(), {p.name for p in run.layout.parameters}
    if projection.name not in kept or len(epochs) < 2:
        hint = (
            f"ask for `record: {{states: [{{population: {projection.name}, variables: [w]}}]}}`, "
            f"or for `record: {{weights: {{}}}}` with `keep: [{projection.name}.w]`"
        )
        raise lacks(projection, "its weights are not kept over time", hint)
    if network.protocol.batch > 1 and network.protocol.reduce == "mean":
        raise lacks(projection, "what the trials of a batch change is averaged")
    intervals = _intervals(run, epochs)
    if not intervals:
        hint = "ask for `record: {spikes: {trials: all, phases: all}}`"
        raise lacks(projection, "no epoch kept the spikes of all its training trials", hint)
    every = [row for *_, rows in intervals for row in rows]
    chosen = evenly(np.arange(len(weight)), _affordable(run, ends, every))
    parts = []
    for before, after, rows in intervals:
        old, new = (run.weights(projection.name, epoch).ravel() for epoch in (before, after))
        change = (new.astype(np.float64) - old)[weight[chosen]]
        met = _together(_met(run, ends, chosen, row) for row in rows)
        parts.append(Pairings(change, met.synapse, met.lag, met.nearest))
    return _joined(parts)


def _intervals(run: Run, epochs: list[int]) -> list[tuple[int, int, list[int]]]:
    """Return epochs between which all spikes are known, and the training trials in between."""
    learning, trials, found = set(_learning(run).tolist()), run.trials, []
    for before, after in zip(epochs, epochs[1:], strict=False):
        inside = (trials["epoch"] >= before) & (trials["epoch"] < after)
        rows = np.flatnonzero(inside & (trials["split"] == "train")).tolist()
        if rows and learning.issuperset(rows):
            found.append((before, after, rows))
    return found


def _affordable(run: Run, ends: _Ends, rows: list[int]) -> int:
    """Return how many synapses can be looked at in some trials."""
    pairs = 0.0
    for row in rows:
        spikes = 2 * REACH / run.layout.dt
        for end in ends:
            count = run.counts(end.population, row)
            spikes *= float(count.sum()) / run.layout.population(end.population).size
        pairs += spikes / len(count)
    return max(1, min(SYNAPSES, VISITS // len(rows), int(PAIRS / max(pairs, 1.0))))


@dataclass(frozen=True)
class _Met:
    """Pairs of spikes in a trial, (pair,) each: of which synapse, step of the later spike, lag."""

    synapse: Ints
    later: Ints
    lag: Ints
    nearest: NDArray[np.bool_]


def _met(run: Run, ends: _Ends, chosen: Ints, trial: int) -> _Met:
    """Return the pairs of spikes of some synapses that lie within `REACH` in a trial.

    Of two spikes in one step the source's is the earlier: synapses have them in this order. What
    would run after the trial's last step never does.
    """
    reach = round(REACH / run.layout.dt)
    sides = []
    for end in ends:
        own, place = np.unique(end.neuron[chosen], return_inverse=True)
        kept = trains(run, end.population, trial, None, own)
        steps = len(run.counts(end.population, trial))
        late = zip(place.tolist(), end.delay[chosen].tolist(), strict=True)
        sides.append([_delayed(kept[at], delay, steps) for at, delay in late])
    return _together(
        _pairs(synapse, pre, post, reach)
        for synapse, (pre, post) in enumerate(zip(*sides, strict=True))
    )


def _delayed(train: Ints, delay: int, steps: int) -> Ints:
    if not delay:
        return train
    return train[: np.searchsorted(train, steps - delay)] + delay


def _pairs(synapse: int, pre: Ints, post: Ints, reach: int) -> _Met:
    """Return the pairs of one synapse; `pre` and `post` are steps, ascending."""
    sides = []
    for earlier, later, sign in ((pre, post, 1), (post, pre, -1)):
        begin = np.searchsorted(earlier, later - reach, "left")
        end = np.searchsorted(earlier, later, "right" if sign > 0 else "left")
        at = np.repeat(np.arange(len(later)), end - begin)
        before = end[at] - 1 - _countdown(end - begin)
        lag = sign * (later[at] - earlier[before])
        sides.append(_Met(np.full(len(at), synapse), later[at], lag, before == end[at] - 1))
    return _together(sides)


def _countdown(number: Ints) -> Ints:
    """Return n - 1, n - 2, ... 0 for each n, one after the other."""
    return np.repeat(np.cumsum(number), number) - np.arange(number.sum()) - 1


def _together(parts: Iterable[_Met]) -> _Met:
    every = list(parts)
    return _Met(
        np.concatenate([part.synapse for part in every]),
        np.concatenate([part.later for part in every]),
        np.concatenate([part.lag for part in every]),
        np.concatenate([part.nearest for part in every]),
    )


def _joined(parts: list[Pairings]) -> Pairings:
    """Return the observations of several parts one after the other."""
    ends = np.cumsum([len(part.change) for part in parts]).tolist()
    begins = [0, *ends[:-1]]
    return Pairings(
        np.concatenate([part.change for part in parts]),
        np.concatenate([p.observation + b for p, b in zip(parts, begins, strict=True)]),
        np.concatenate([part.lag for part in parts]),
        np.concatenate([part.nearest for part in parts]),
    )
