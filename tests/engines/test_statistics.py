"""Noise has the statistics of theory: 200 trials against closed forms."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import erf, erfcx

import evsim
from evsim.spec.parse import parse_text

TRIALS = 200
TEXT = f"""\
name: noise
dt: 0.1*ms
seed: 5
neurons:
  noisy:
    equations: "dv/dt = (mu - v)/tau + sigma*sqrt(2/tau)*xi : 1 (unless refractory)"
    threshold: v > 1
    reset: v = 0
    refractory: 2*ms
    method: euler
    parameters: {{mu: 0.8, sigma: 0.4, tau: 10*ms}}
  free:
    equations: "dx/dt = -x/(5*ms) + sqrt(2/(5*ms))*xi : 1"
    method: euler
populations:
  noisy: {{shape: [8], neuron: noisy}}
  random: {{shape: [8], neuron: poisson, init: {{rates: 50*Hz}}}}
  free: {{shape: [8], neuron: free}}
protocol:
  trials: {TRIALS}
  phases:
    run: {{duration: 600*ms}}
record:
  spikes: {{populations: [noisy, random]}}
  states:
    - {{population: free, variables: [x], every: 25}}
"""
MU, SIGMA, TAU, REFRACTORY, DT = 0.8, 0.4, 10e-3, 2e-3, 1e-4


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    result = evsim.run(parse_text(TEXT), out=tmp_path_factory.mktemp("noise"))
    with evsim.open(result.folder) as found:
        yield found


def intervals(recording, population):
    """Intervals in seconds that begin in the first 0.3 s, and every trial's count of spikes.

    What begins early ends inside the trial, so that long intervals are not left out.
    """
    found, counts = [], []
    for trial in range(TRIALS):
        trains = recording.spikes(population, trial)
        step, neuron = trains.step, trains.neuron
        counts.append(len(step))
        for cell in range(8):
            times = step[neuron == cell] * DT
            found.append(np.diff(times)[times[:-1] < 0.3])
    return np.concatenate(found), np.array(counts)


def first_passage():
    """Mean and coefficient of variation of intervals of the noisy neuron (Brunel 2000, eq. 21).

    Noise that acts in steps finds the threshold later, as if it were higher by 0.5826 times the
    noise of a step (Siegmund's correction).
    """
    threshold = 1 + 0.5826 * SIGMA * np.sqrt(2 * DT / TAU)
    low, high = (-MU / (SIGMA * np.sqrt(2)), (threshold - MU) / (SIGMA * np.sqrt(2)))
    mean = TAU * np.sqrt(np.pi) * quad(lambda x: np.exp(x * x) * (1 + erf(x)), low, high)[0]
    inner = lambda z: np.exp(-z * z) * erfcx(-z) ** 2  # noqa: E731
    spread = quad(lambda x: np.exp(x * x) * quad(inner, -np.inf, x)[0], low, high)[0]
    return REFRACTORY + mean, TAU * np.sqrt(2 * np.pi * spread) / (REFRACTORY + mean)


def test_white_noise_drives_neurons_at_the_rate_of_theory(recording):
    found, _ = intervals(recording, "noisy")
    mean, variation = first_passage()
    error = found.std() / np.sqrt(len(found))
    # Steps of 0.1 ms leave an error of their own besides the correction: about a hundredth.
    assert abs(found.mean() - mean) < 4 * error + 0.01 * mean
    assert found.std() / found.mean() == pytest.approx(variation, rel=0.03)


def test_random_spikes_are_a_poisson_process(recording):
    found, counts = intervals(recording, "random")
    assert abs(counts.mean() - 240) < 4 * np.sqrt(240 / TRIALS)
    # One chance a step: intervals are geometric, counts binomial.
    chance = 50 * DT
    fano = counts.var(ddof=1) / counts.mean()
    assert abs(fano / (1 - chance) - 1) < 4 * np.sqrt(2 / (TRIALS - 1))
    variation = found.std() / found.mean()
    assert abs(variation - np.sqrt(1 - chance)) < 4 / np.sqrt(len(found))


def test_noise_alone_has_its_variance_and_its_memory(recording):
    values = np.concatenate([recording.states("free", "x", t)[-1][40:] for t in range(TRIALS)], 1)
    decay = 1 - DT / 5e-3
    variance = (2 * DT / 5e-3) / (1 - decay**2)
    lag, independent = 25, len(values) * values.shape[1] / 4
    error = 4 * np.sqrt(2 / independent)
    assert abs(values.mean()) < 4 * np.sqrt(variance / independent)
    assert values.var() / variance == pytest.approx(1, abs=error)
    product = (values[1:] * values[:-1]).mean() / values.var()
    assert product == pytest.approx(decay**lag, abs=error)


def test_trials_and_neurons_are_independent(recording):
    """Counts of a trial's neurons are as uncorrelated as chance allows."""
    counts = np.array([
        np.bincount(recording.spikes("noisy", t).neuron, minlength=8) for t in range(TRIALS)
    ])  # fmt: skip
    found = np.corrcoef(counts.T)[np.triu_indices(8, 1)]
    assert np.abs(found).max() < 4.5 / np.sqrt(TRIALS)
    assert abs(found.mean()) < 4 / np.sqrt(TRIALS * len(found))
