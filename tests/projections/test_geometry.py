"""Geometries: the list of synapses, the folded kernel and what they refuse."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.signal import correlate

from evsim.projections.base import GeometryError
from evsim.projections.conv import Conv
from evsim.projections.dense import Dense

SIDES = st.tuples(st.integers(1, 9), st.integers(1, 9))
PAIRS = st.tuples(st.integers(1, 3), st.integers(1, 3))


@st.composite
def convs(draw):
    """Convolutions of any option that fits."""
    channels, features = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    side, kernel, stride, pool = draw(SIDES), draw(SIDES), draw(PAIRS), draw(PAIRS)
    padding = tuple(draw(st.integers(0, k - 1)) for k in kernel)
    assume(all(n + 2 * p >= k for n, p, k in zip(side, padding, kernel, strict=True)))
    axes = zip(side, padding, kernel, stride, pool, strict=True)
    places = [((n + 2 * p - k) // s + 1) // q for n, p, k, s, q in axes]
    assume(all(places))
    options = {"kernel": kernel, "stride": stride, "padding": padding, "pool": pool}
    return Conv.infer((channels, *side), (features, *places), options)


def direct(geometry, values, weights):
    """Convolve and pool as a textbook says."""
    pads = [(0, 0), *((p, p) for p in geometry.padding)]
    padded = np.pad(values, pads)
    (sh, sw), (ph, pw) = geometry.stride, geometry.pool
    maps = []
    for kernel in weights:
        full = sum(correlate(x, k, "valid", "direct") for x, k in zip(padded, kernel, strict=True))
        sampled = full[::sh, ::sw]
        rows, columns = sampled.shape[0] // ph, sampled.shape[1] // pw
        cut = sampled[: rows * ph, : columns * pw]
        maps.append(cut.reshape(rows, ph, columns, pw).mean((1, 3)))
    return np.array(maps)


def send(geometry, values, weights, backward=False):
    """Send values along every synapse."""
    pre, post, weight, coefficient = geometry.synapses()
    from_, to = (post, pre) if backward else (pre, post)
    shape = geometry.source_shape if backward else geometry.target_shape
    sent = values.ravel()[from_] * weights.ravel()[weight] * coefficient
    return np.bincount(to, sent, minlength=int(np.prod(shape))).reshape(shape)


@settings(deadline=None)
@given(geometry=convs(), seed=st.integers(0, 2**32 - 1))
def test_synapses_are_the_convolution(geometry, seed):
    random = np.random.default_rng(seed)
    values = random.normal(size=geometry.source_shape)
    weights = random.normal(size=geometry.weight_shape)
    found = send(geometry, values, weights)
    np.testing.assert_allclose(found, direct(geometry, values, weights), atol=1e-12)


@settings(deadline=None)
@given(geometry=convs())
def test_synapses_are_ordered_and_counted(geometry):
    pre, post, weight, _ = geometry.synapses()
    keys = list(zip(pre.tolist(), post.tolist(), weight.tolist(), strict=True))
    assert keys == sorted(set(keys)) or geometry.pool != (1, 1)
    assert keys == sorted(keys)
    assert geometry.synapse_count == len({(i, j) for i, j, _ in keys})
    assert weight.max(initial=0) < np.prod(geometry.weight_shape)
    assert geometry.fan_in == np.prod(geometry.weight_shape[1:])


@settings(deadline=None)
@given(geometry=convs(), seed=st.integers(0, 2**32 - 1))
def test_the_folded_kernel_is_convolution_and_pooling_in_one(geometry, seed):
    random = np.random.default_rng(seed)
    values = random.normal(size=geometry.source_shape)
    weights = random.normal(size=geometry.weight_shape)
    folded = Conv(
        geometry.source_shape,
        geometry.target_shape,
        geometry.folded_kernel,
        geometry.folded_stride,
        geometry.padding,
    )
    found = direct(folded, values, geometry.fold(weights))
    cut = tuple(slice(0, side) for side in geometry.target_shape)
    np.testing.assert_allclose(found[cut], direct(geometry, values, weights), atol=1e-12)


@settings(deadline=None)
@given(geometry=convs(), seed=st.integers(0, 2**32 - 1))
def test_unfolding_is_the_adjoint_of_folding(geometry, seed):
    random = np.random.default_rng(seed)
    weights = random.normal(size=geometry.weight_shape)
    folded = geometry.fold(weights)
    gradient = random.normal(size=folded.shape)
    left, right = np.sum(folded * gradient), np.sum(weights * geometry.unfold(gradient))
    assert left == pytest.approx(right, rel=1e-10, abs=1e-10)


@settings(deadline=None)
@given(geometry=convs(), seed=st.integers(0, 2**32 - 1))
def test_feedback_is_the_adjoint(geometry, seed):
    random = np.random.default_rng(seed)
    weights = random.normal(size=geometry.weight_shape)
    below = random.normal(size=geometry.source_shape)
    above = random.normal(size=geometry.target_shape)
    left = np.sum(send(geometry, below, weights) * above)
    right = np.sum(below * send(geometry, above, weights, backward=True))
    assert left == pytest.approx(right, rel=1e-10, abs=1e-10)


def test_average_pooling_carries_a_quarter_both_ways():
    geometry = Conv.infer((1, 2, 2), (1, 1, 1), {"kernel": (1, 1), "pool": (2, 2)})
    weights = np.full((1, 1, 1, 1), 8.0)
    assert send(geometry, np.ones((1, 2, 2)), weights).item() == 8
    np.testing.assert_array_equal(
        send(geometry, np.ones((1, 1, 1)), weights, backward=True), np.full((1, 2, 2), 2)
    )


def test_dense_joins_every_pair_once():
    geometry = Dense.infer((2, 1, 2), (3,), {})
    pre, post, weight, coefficient = geometry.synapses()
    assert geometry.weight_shape == (4, 3)
    assert (geometry.fan_in, geometry.synapse_count) == (4, 12)
    assert list(zip(pre, post, strict=True)) == [(i, j) for i in range(4) for j in range(3)]
    np.testing.assert_array_equal(weight, np.arange(12))
    np.testing.assert_array_equal(coefficient, np.ones(12))


@pytest.mark.parametrize(
    ("source", "target", "options", "option", "message"),
    [
        ((4,), (1, 2, 2), {"kernel": (1, 1)}, "kind", "needs shapes [channels, rows, columns]"),
        ((1, 4, 4), (1, 2, 2), {}, "kernel", "conv needs `kernel`"),
        ((1, 4, 4), (1, 2, 2), {"kernel": (5, 5)}, "kernel", "does not fit into 4 places"),
        ((1, 4, 4), (1, 4, 4), {"kernel": (1, 1), "padding": (1, 0)}, "padding", "between 0 and 0"),
        ((1, 4, 4), (1, 3, 3), {"kernel": (3, 3)}, "to", "leads from [1, 4, 4] to [1, 2, 2]"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(source, target, options, option, message):
    with pytest.raises(GeometryError) as caught:
        Conv.infer(source, target, options)
    assert caught.value.option == option
    assert message in str(caught.value)
