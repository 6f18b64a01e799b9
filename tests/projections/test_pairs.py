"""Kinds that list their pairs: which are connected, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evsim.projections.all_to_all import AllToAll
from evsim.projections.base import GeometryError
from evsim.projections.one_to_one import OneToOne
from evsim.projections.sparse import Sparse

NOTHING = {"probability": None, "in_degree": None, "pairs": None, "self_connections": True}


def sparse(source, target, seed=0, **options):
    return Sparse.infer(source, target, {**NOTHING, "seed": seed, "name": "p", **options})


@given(n=st.integers(1, 60), m=st.integers(1, 60), seed=st.integers(0, 99), data=st.data())
def test_every_target_has_its_in_degree_of_different_sources(n, m, seed, data):
    own = n != m or n == 1 or data.draw(st.booleans())
    degree = data.draw(st.integers(1, n if own else n - 1))
    pre, post = sparse((n,), (m,), seed, in_degree=degree, self_connections=own).pairs
    assert (np.bincount(post, minlength=m) == degree).all()
    assert len(set(zip(pre.tolist(), post.tolist(), strict=True))) == len(pre)
    assert own or not (pre == post).any()


@given(n=st.integers(1, 40), m=st.integers(1, 40), p=st.floats(0, 1), seed=st.integers(0, 99))
def test_pairs_are_different_and_in_order(n, m, p, seed):
    geometry = sparse((n,), (m,), seed, probability=repr(p))
    pre, post = geometry.pairs
    flat = pre * m + post
    assert (np.diff(flat) > 0).all() and (flat < n * m).all()
    assert p > 0 or not len(flat)
    assert p < 1 or len(flat) == n * m
    assert geometry.weight_shape == (geometry.synapse_count,) == (len(flat),)


def test_a_probability_connects_that_share_of_all_pairs():
    counts = [sparse((400,), (300,), seed, probability="0.02").synapse_count for seed in range(30)]
    deviation = np.sqrt(120_000 * 0.02 * 0.98)
    assert np.mean(counts) == pytest.approx(2400, abs=4 * deviation / np.sqrt(30))
    assert np.std(counts) == pytest.approx(deviation, rel=0.5)


def test_distances_are_between_places_whatever_the_channels():
    pre, post = sparse((2, 5, 6), (3, 5, 6), probability="int(d < 1.5)").pairs
    place = {"pre": pre % 30, "post": post % 30}
    rows = abs(place["pre"] // 6 - place["post"] // 6)
    columns = abs(place["pre"] % 6 - place["post"] % 6)
    assert rows.max() == columns.max() == 1
    inner = np.bincount(pre)[8]
    assert inner == 3 * 9


def test_a_target_grid_is_stretched_over_the_source():
    pre, post = sparse((8,), (4,), probability="int(d < 1)").pairs
    np.testing.assert_array_equal(pre // 2, post)


def test_listed_pairs_are_taken_as_they_are():
    geometry = sparse((3,), (4,), pairs=((2, 0), (0, 3), (0, 1)))
    assert [tuple(pair) for pair in np.stack(geometry.pairs, 1).tolist()] == [
        (0, 1),
        (0, 3),
        (2, 0),
    ]


def test_one_to_one_and_all_to_all():
    pre, post = OneToOne.infer((2, 3, 1), (6,), {}).pairs
    assert pre.tolist() == post.tolist() == [0, 1, 2, 3, 4, 5]
    whole = AllToAll.infer((3,), (4,), {"self_connections": True})
    assert whole.weight_shape == (12,) and whole.fan_in == 3
    others = AllToAll.infer((3,), (3,), {"self_connections": False}).pairs
    assert [tuple(p) for p in np.stack(others, 1).tolist()] == [
        (0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "option", "message"),
    [
        ({}, "kind", "not none of them"),
        ({"probability": "0.1", "in_degree": 2}, "kind", "`probability` and `in_degree`"),
        ({"probability": "1.5"}, "probability", "1.5 is not between 0 and 1"),
        ({"probability": "d - 1"}, "probability", "-1 is not between 0 and 1"),
        ({"probability": "0.1*mV"}, "probability", "is in volt"),
        ({"probability": "0.1*q"}, "probability", "Undefined name 'q'"),
        ({"in_degree": 5}, "in_degree", "4 sources, fewer than 5"),
        ({"pairs": ((0, 4),)}, "pairs", "[0, 4] is outside of 4 sources and 4 targets"),
        ({"pairs": ((0, 1), (0, 1))}, "pairs", "listed twice"),
    ],
)
def test_rules_that_do_not_fit_are_refused(options, option, message):
    with pytest.raises(GeometryError) as caught:
        sparse((4,), (4,), **options)
    assert message in str(caught.value) and caught.value.option == option


def test_sizes_that_do_not_fit_are_refused():
    for make in (
        lambda: OneToOne.infer((4,), (5,), {}),
        lambda: AllToAll.infer((4,), (5,), {"self_connections": False}),
        lambda: sparse((4,), (5,), probability="0.1", self_connections=False),
        lambda: AllToAll.infer((100_000,), (100_000,), {"self_connections": True}),
        lambda: sparse((100_000,), (100_000,), probability="0.5"),
    ):
        with pytest.raises(GeometryError):
            make()
