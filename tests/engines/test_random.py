"""Random numbers have the published bits, the right distribution and independent streams."""

import numpy as np
import pytest
from scipy import special, stats

from evsim.engines import random
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


def draws(fill, key, trial=0, steps=50, neurons=2000):
    out = np.empty((steps, neurons))
    for step in range(steps):
        fill(out[step], np.uint64(key), np.uint64(trial), step)
    return out


def test_uniform_numbers_are_uniform():
    found = draws(random.fill_uniform, 1)
    assert 0 <= found.min() and found.max() < 1
    assert stats.kstest(found.ravel(), "uniform").pvalue > 1e-3


def test_normal_numbers_are_normal():
    found = draws(random.fill_normal, 2)
    assert stats.kstest(found.ravel(), "norm").pvalue > 1e-3
    assert abs(np.corrcoef(found[:-1].ravel(), found[1:].ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(found[:, :-1].ravel(), found[:, 1:].ravel())[0, 1]) < 0.02


def test_the_normal_quantile_is_exact():
    p = np.concatenate([np.logspace(-300, -1, 500), np.linspace(0.1, 0.9, 500)])
    p = np.concatenate([p, 1 - np.logspace(-15, -1, 100), [2.0**-54, 1 - 2.0**-53]])
    found = np.array([random.normal_quantile(v) for v in p])
    np.testing.assert_allclose(found, special.ndtri(p), rtol=2e-14, atol=1e-15)


def test_streams_trials_and_steps_differ():
    keys = {stream_key(seed, name) for seed in (0, 1) for name in ("a", "b")}
    assert len(keys) == 4
    first = draws(random.fill_uniform, 5, steps=2)
    other = draws(random.fill_uniform, 6, steps=2)
    trial = draws(random.fill_uniform, 5, trial=1, steps=2)
    for found in (first[1], other[0], trial[0]):
        assert abs(np.corrcoef(first[0], found)[0, 1]) < 0.1
