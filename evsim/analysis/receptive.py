"""Receptive fields: which pixels neurons answer to, from their spikes and from their weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evsim.analysis.network import network_of
from evsim.analysis.sampling import evenly
from evsim.analysis.stimuli import Stimuli, stimuli
from evsim.analysis.tables.base import last_epoch, steps
from evsim.recording.reader import Run
from evsim.spec.schema import Network
from evsim.spec.wiring import infer_geometry

TRIALS, NEURONS = 500, 200
"""Trials and neurons that are measured at most."""

DEALS = 100
"""How often images are dealt out anew to trials."""

SYNAPSES = 5_000_000
"""Synapses of a projection up to which its weights are laid out as images."""


@dataclass(frozen=True)
class Fields:
    """Receptive fields of a population in a phase.

    Attributes
    ----------
    trials : how many they are means of.
    neurons : (field,), those whose number of spikes differs from trial to trial.
    average : (field, *image), mean image of a neuron's spikes less that of all trials.
    separation : (field,), see `separation`.
    beyond : (field,), whether a field is larger than 95 of 100 of images dealt out anew.
    weights : (field, *image), weights from the pixels, or None.
    """

    population: str
    phase: str
    trials: int
    neurons: NDArray[np.int64]
    average: NDArray[np.float64]
    separation: NDArray[np.float64]
    beyond: NDArray[np.bool_]
    weights: NDArray[np.float64] | None


def fields(run: Run, phases: int | None = None) -> list[Fields]:
    """Return the receptive fields of every population that kept spikes, by phase.

    Of the trials of the last epoch whose spikes are kept; none where no data field holds images.

    Parameters
    ----------
    phases : how many phases are measured of each population; by default all.

    Raises
    ------
    DataError, Unmeasured : the data set or the network file cannot be read.
    """
    network = network_of(run)
    trials = evenly(last_epoch(run, run.recorded), TRIALS)
    if network is None or not len(trials):
        return []
    shown = stimuli(run, network, trials.tolist())
    if shown is None:
        return []
    found = []
    for population in run.layout.spikes:
        of_this = [
            _fields(run, network, shown, population, phase.name, trials)
            for phase in run.layout.phases
            if population != shown.population
        ]
        found += [one for one in of_this if one is not None][:phases]
    return found


def triggered_average(
    spikes: NDArray[np.integer], images: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the mean image that a spike meets less the mean of all images, (neuron, pixel).

    What neighbouring pixels have in common is not taken out: fields are as smooth as images are.

    Parameters
    ----------
    spikes : (trial, neuron); a neuron without any has NaN.
    images : (trial, pixel).

    Reference: E. J. Chichilnisky, A simple white noise analysis of neuronal light responses,
    Network: Computation in Neural Systems 2001.
    """
    total = spikes.sum(axis=0).astype(np.float64)
    total[total == 0] = np.nan
    found: NDArray[np.float64] = (spikes.T @ (images - images.mean(axis=0))) / total[:, None]
    return found


def separation(
    spikes: NDArray[np.integer], images: NDArray[np.float64], deals: int = DEALS
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how far fields stand out from those of images dealt out anew to the trials.

    Parameters
    ----------
    spikes : (trial, neuron), at least one of each neuron.
    images : (trial, pixel).

    Returns
    -------
    separation : (neuron,), the size of `triggered_average` less the mean size under new deals, in
        their standard deviations; NaN where all deals are alike.
    larger : (neuron,), share of the deals in which it is smaller.
    """
    centred = images - images.mean(axis=0)
    alike = centred @ centred.T
    random = np.random.default_rng(0)
    orders = [np.arange(len(images)), *(random.permutation(len(images)) for _ in range(deals))]
    answers = spikes / spikes.sum(axis=0)
    # The size of a field is a sum over pairs of trials: images are needed only once.
    sizes = [((alike[np.ix_(order, order)] @ answers) * answers).sum(axis=0) for order in orders]
    actual, *dealt = np.sqrt(np.maximum(sizes, 0))
    spread = np.std(dealt, axis=0)
    spread[spread <= 1e-9 * np.abs(actual)] = np.nan
    apart: NDArray[np.float64] = (actual - np.mean(dealt, axis=0)) / spread
    return apart, np.mean(np.array(dealt) < actual, axis=0)


def _fields(
    run: Run,
    network: Network,
    shown: Stimuli,
    population: str,
    phase: str,
    trials: NDArray[np.int64],
) -> Fields | None:
    """Return the fields of a population in a phase; None where its spikes do not vary."""
    kept = np.array([steps(run, trial, phase) > 0 for trial in trials.tolist()], np.bool_)
    spikes = run.spikes(population, trials[kept], phase).counts()
    neurons = evenly(np.flatnonzero((spikes != spikes[:1]).any(axis=0)), NEURONS)
    if not len(neurons):
        return None
    images, spikes = shown.values[kept], spikes[:, neurons]
    apart, larger = separation(spikes, images)
    return Fields(
        population=population,
        phase=phase,
        trials=len(images),
        neurons=neurons,
        average=triggered_average(spikes, images).reshape(-1, *shown.shape),
        separation=apart,
        beyond=larger >= 0.95,
        weights=_weights(run, network, shown, population, neurons),
    )


def _weights(
    run: Run, network: Network, shown: Stimuli, population: str, neurons: NDArray[np.int64]
) -> NDArray[np.float64] | None:
    """Return the weights from every pixel to some neurons, (neuron, *image), as they were last.

    The sum over projections from the images; None where no weights of one are kept.
    """
    kept = {parameter.name for parameter in run.layout.parameters}
    found, size = None, run.layout.population(population).size
    place = np.full(size, -1)
    place[neurons] = np.arange(len(neurons))
    for projection in network.projections:
        ends = (projection.from_.partition(".")[0], projection.to.partition(".")[0])
        if ends != (shown.population, population) or projection.name not in kept:
            continue
        geometry = infer_geometry(network, projection)
        if not len(run.weight_epochs) or geometry.synapse_count > SYNAPSES:
            continue
        synapses = geometry.synapses()
        chosen = place[synapses.post] >= 0
        weights = run.weights(projection.name).ravel()[synapses.weight[chosen]]
        found = np.zeros((len(neurons), shown.values.shape[1])) if found is None else found
        at = (place[synapses.post[chosen]], synapses.pre[chosen])
        np.add.at(found, at, weights * synapses.coefficient[chosen])
    return None if found is None else found.reshape(-1, *shown.shape)
