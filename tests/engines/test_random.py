"""Random numbers have the published bits, the right distribution and independent streams."""

import numpy as np
import pytest
from numba import njit
from scipy import special, stats

from evsim.build.build import build
from evsim.engines import counts, fill, random
from evsim.engines.fused import engine as fused
from evsim.engines.reference import engine as reference
from evsim.spec.parse import parse_text
from evsim.streams import stream_key

# Known answers of the Random123 distribution: counter words, key words, result words.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    (
        (0xFFFFFFFF,) * 4,
        (0xFFFFFFFF,) * 2,
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


def word(low, high):
    return np.uint64(low | high << 32)


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_philox_gives_the_published_bits(counter, key, expected):
    found = random.philox(word(*key), word(*counter[2:]), word(*counter[:2]))
    assert found == (word(*expected[:2]), word(*expected[2:]))


def draws(fill_one, key, trial=0, steps=50, neurons=2000):
    out = np.empty((steps, neurons))
    for step in range(steps):
        fill_one(out[step], 0, neurons, np.uint64(key), np.uint64(trial), step)
    return out


def test_uniform_numbers_are_uniform():
    found = draws(fill.fill_uniform, 1)
    assert 0 <= found.min() and found.max() < 1
    assert stats.kstest(found.ravel(), "uniform").pvalue > 1e-3


def test_normal_numbers_are_normal():
    found = draws(fill.fill_normal, 2)
    assert stats.kstest(found.ravel(), "norm").pvalue > 1e-3
    assert abs(np.corrcoef(found[:-1].ravel(), found[1:].ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(found[:, :-1].ravel(), found[:, 1:].ravel())[0, 1]) < 0.02


@pytest.mark.parametrize(
    ("many", "one"), [(fill.fill_uniform, random.uniform), (fill.fill_normal, random.normal)]
)
@pytest.mark.parametrize("count", [1, 15, 16, 37])
def test_a_number_does_not_depend_on_how_many_are_drawn(many, one, count):
    key, trial = np.uint64(2**63 + 5), np.uint64(2**40 + 3)
    out = np.full(count + 9, -9.0)
    many(out, 4, count, key, trial, 7)
    expected = [one(key, trial, 7, neuron) for neuron in range(count)]
    np.testing.assert_array_equal(out, [-9.0] * 4 + expected + [-9.0] * 5)


def test_the_normal_quantile_is_exact():
    p = np.concatenate([np.logspace(-300, -1, 500), np.linspace(0.1, 0.9, 500)])
    p = np.concatenate([p, 1 - np.logspace(-15, -1, 100), [2.0**-54, 1 - 2.0**-53]])
    found = np.array([random.normal_quantile(v) for v in p])
    np.testing.assert_allclose(found, special.ndtri(p), rtol=2e-14, atol=1e-15)


def test_streams_trials_and_steps_differ():
    keys = {stream_key(seed, name) for seed in (0, 1) for name in ("a", "b")}
    assert len(keys) == 4
    first = draws(fill.fill_uniform, 5, steps=2)
    other = draws(fill.fill_uniform, 6, steps=2)
    trial = draws(fill.fill_uniform, 5, trial=1, steps=2)
    for found in (first[1], other[0], trial[0]):
        assert abs(np.corrcoef(first[0], found)[0, 1]) < 0.1


MEANS = [0.01, 0.5, 3, 9.9, 10, 40, 1e3, 1e6, 1e12]
PAIRS = [
    (1, 0.3), (10, 0.5), (10, 0.9), (40, 0.5), (100, 0.3), (1000, 0.97), (10**6, 1e-4),
    (10**9, 0.5), (10**9, 1e-9), (10**15, 1e-14),
]  # fmt: skip


@njit
def _counts(draw, chances, out, first, second):
    for at, chance in enumerate(chances):
        out[at] = draw(chance, first, second)


@njit
def _poisson(chance, mean, _):
    return counts.poisson(chance, mean)


def counted(draw, stream, *arguments):
    chances = draws(fill.fill_uniform, stream, steps=20, neurons=5000).ravel()
    out = np.empty(chances.size, np.int64)
    _counts(draw, chances, out, *arguments)
    return out


def assert_distributed(found, law):
    """Mean, variance and the shares of 25 classes are those of the law."""
    size = found.size
    deviation, fourth = law.std(), law.stats("k") / size + 2 / size
    assert abs(found.mean() - law.mean()) < 4 * deviation / np.sqrt(size)
    assert abs(found.var() / deviation**2 - 1) < 4 * np.sqrt(fourth)
    ends = np.unique(law.ppf(np.linspace(0.02, 0.98, 25)))
    expected = size * np.diff([0, *law.cdf(ends), 1])
    classes = np.bincount(np.searchsorted(ends, found), minlength=expected.size)
    likely = expected > 5
    if likely.sum() > 1:
        scaled = expected[likely] * classes[likely].sum() / expected[likely].sum()
        assert stats.chisquare(classes[likely], scaled).pvalue > 1e-4


@pytest.mark.parametrize("mean", MEANS)
def test_poisson_numbers_have_their_distribution(mean):
    found = counted(_poisson, 11, mean, 0.0)
    assert_distributed(found, stats.poisson(mean))


@pytest.mark.parametrize(("trials", "probability"), PAIRS)
def test_binomial_numbers_have_their_distribution(trials, probability):
    found = counted(counts.binomial, 12, float(trials), probability)
    assert 0 <= found.min() and found.max() <= trials
    assert_distributed(found, stats.binom(trials, probability))


def test_counts_at_the_ends_of_their_arguments():
    for mean in (0.0, -1.0, np.nan):
        assert counts.poisson(0.5, mean) == 0
    assert counts.poisson(0.5, np.inf) == pytest.approx(2.0**52, rel=1e-7)
    largest = 1 - 2.0**-53
    assert 40 < counts.poisson(largest, 9.9) < 60
    assert counts.binomial(largest, 20, 0.4) == 20
    assert [counts.binomial(0.5, 5, p) for p in (-1.0, 0.0, np.nan, 1.0, 2.0)] == [0, 0, 0, 5, 5]
    assert [counts.binomial(0.5, n, 1.0) for n in (-3, 0, np.nan, 2.7)] == [0, 0, 0, 2]


def test_phases_from_one_state_draw_the_same_numbers():
    """What differs between two nudged phases is the nudge, not chance."""
    text = """\
name: common
dt: 1*ms
neurons: {unit: {model: stochastic_binary}}
populations: {units: {shape: [200], neuron: unit, init: {bias: 0.01*i - 1}}}
protocol:
  phases:
    free: {steps: 20}
    plus: {steps: 20, from: free}
    minus: {steps: 20, from: free}
"""
    plan = build(parse_text(text))
    spikes = {}
    for engine in (fused, reference):
        simulation = engine.compile(plan).simulation()
        simulation.begin({}, trial=3)
        for phase in plan.phases:
            simulation.enter(phase)
            simulation.advance(20, record=True)
            spikes[engine, phase] = simulation.take_spikes()["units"].neuron.tolist()
            simulation.leave()
    assert len(spikes[fused, "plus"]) > 1000
    assert spikes[fused, "plus"] == spikes[fused, "minus"] == spikes[reference, "minus"]
    assert spikes[fused, "plus"] != spikes[fused, "free"]
