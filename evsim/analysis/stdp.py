"""The window of spike-timing-dependent plasticity, measured from recorded spikes and weights.

What a weight changed by between two times at which it is known is taken as a sum over the pairs of
a source's and a target's spike in between, each with a change that depends on its lag only: least
squares over synapses and intervals give the mean change of a pair in each bin of lags. Pairs that
are alone in their interval give it directly; where many share one, it counts that their lags
differ from synapse to synapse. Of the window's form nothing is assumed.

What does not add up in this way is missing in `Window.explained`: weights that reach their bounds,
changes that depend on the weight or on more than two spikes, weights that are normalised. With a
delay the window is shifted by it, with many it is blurred.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evsim.analysis.network import Unmeasured, network_of
from evsim.analysis.pairings import REACH, Pairings, lacks, pairings
from evsim.errors import Fault
from evsim.recording.reader import Run
from evsim.spec.plasticity import assigned
from evsim.spec.schema import Network, Projection

WIDTH = 0.005
"""Width of a bin of lags, s."""


@dataclass(frozen=True)
class Window:
    """Change of a weight by the lag of a pair of spikes.

    Attributes
    ----------
    lag : (bin,), mean of a bin's pairs, s: the target's spike less the source's. Pairs of one step
        have a bin of their own.
    change : (bin,), mean change that a pair gives; NaN where the recording cannot tell.
    error : (bin,), its standard error, by what the window leaves unexplained.
    pairs : (bin,).
    explained : share of the squared changes that the window explains.
    nearest : whether a spike pairs with the last one of the other side only.
    """

    lag: NDArray[np.float64]
    change: NDArray[np.float64]
    error: NDArray[np.float64]
    pairs: NDArray[np.int64]
    explained: float
    nearest: bool


def windows(run: Run) -> dict[str, Window]:
    """Return projection -> window, of all whose weights change at spikes and can be measured.

    Raises
    ------
    Unmeasured : there are such projections, but none can be measured; says why.
    """
    network = network_of(run)
    if network is None:
        return {}
    found: dict[str, Window] = {}
    faults: list[Fault] = []
    for projection in plastic(network):
        try:
            found[projection.name] = measured(run, network, projection)
        except Unmeasured as error:
            faults += error.faults
    if faults and not found:
        raise Unmeasured(faults)
    return found


def plastic(network: Network) -> list[Projection]:
    """Return the projections whose weights change at spikes."""
    return [
        projection
        for projection in network.projections
        if projection.learn is not None and "w" in assigned(network.plasticity[projection.learn])
    ]


def measured(run: Run, network: Network, projection: Projection) -> Window:
    """Return the window of a projection: of all pairs, or of nearest ones if they explain more.

    Raises
    ------
    Unmeasured : the recording does not say which spikes came with which changes.
    """
    found = pairings(run, network, projection)
    if not len(found.lag) or not found.change.any():
        raise lacks(projection, "no weight changed, or no source and target spiked together")
    every, nearest = (window(found, run.layout.dt, only) for only in (False, True))
    # Where pairs are far apart both are the same, but for rounding.
    return nearest if nearest.explained > every.explained + 1e-9 else every


def window(pairings: Pairings, dt: float, nearest: bool = False, width: float = WIDTH) -> Window:
    """Return the mean change of a pair by its lag.

    Parameters
    ----------
    dt : s, of the steps in which lags are given.
    nearest : whether only nearest spikes count as pairs.
    width : of a bin, s.
    """
    from scipy.sparse import csr_array

    chosen = pairings.nearest if nearest else np.ones(len(pairings.lag), np.bool_)
    lag, observation = pairings.lag[chosen], pairings.observation[chosen]
    away = -(-np.abs(lag) // max(1, round(width / dt)))
    bins, place = np.unique(np.sign(lag) * away, return_inverse=True)
    pairs = np.bincount(place, minlength=len(bins))
    shape = (len(pairings.change), len(bins))
    design = csr_array((np.ones(len(lag)), (observation, place)), shape)
    alike = (design.T @ design).toarray()
    inverse = np.linalg.pinv(alike, rcond=1e-10, hermitian=True)
    found = np.asarray(inverse @ (design.T @ pairings.change))
    # A bin whose pairs always come with others' is not told apart from them.
    told = np.abs(np.diag(inverse @ alike) - 1) < 1e-6
    left = float(((pairings.change - design @ found) ** 2).sum())
    free = max(1, len(np.unique(observation)) - len(bins))
    error = np.sqrt(np.maximum(np.diag(inverse), 0) * left / free)
    return Window(
        lag=np.bincount(place, lag) / pairs * dt,
        change=np.where(told, found, np.nan),
        error=np.where(told, error, np.nan),
        pairs=pairs,
        explained=1 - left / float((pairings.change**2).sum()),
        nearest=nearest,
    )


def exponential(window: Window, after: bool) -> tuple[float, float]:
    """Return amplitude and time constant, s, of a*exp(-|lag|/tau) on one side of a window.

    Fitted to the bins, each as heavy as it has pairs; NaN with fewer than three or where
    none fits.

    Parameters
    ----------
    after : for targets that spike after the source, else for those before.
    """
    from scipy.optimize import curve_fit

    side = (window.lag > 0) if after else (window.lag < 0)
    side &= np.isfinite(window.change)
    lag, change = np.abs(window.lag[side]), window.change[side]
    nothing = (float("nan"), float("nan"))
    size = float(np.abs(change).max(initial=0))
    if len(lag) < 3 or size == 0:
        return nothing
    # Of order 1, because the fit's tolerances do not suit changes of any size.
    try:
        (height, tau), *_ = curve_fit(
            lambda s, a, t: a * np.exp(-s / t),
            lag,
            change / size,
            p0=(float(np.sign(change[lag.argmin()])) or 1.0, REACH / 5),
            sigma=1 / np.sqrt(window.pairs[side]),
            bounds=([-np.inf, REACH / 1000], [np.inf, REACH * 1000]),
        )
    except RuntimeError:  # No exponential fits.
        return nothing
    return float(height) * size, float(tau)
