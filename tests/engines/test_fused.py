"""The fused engine against itself: what must not change a single bit."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evsim.engines.base import NotFinite
from evsim.engines.fused import engine as fused
from evsim.engines.fused.cache import is_cached
from evsim.testing.engine import assert_same, run_trial, states


def sample(plan, seed):
    random = np.random.default_rng(seed)
    size = plan.populations["image"].size
    target = np.eye(plan.populations["c"].size)[seed % 10]
    return {("image", "u"): random.random(size), ("c", "target"): target}


@pytest.fixture(autouse=True)
def initial_weights(geometry_fused):
    geometry_fused.load(geometry_fused.plan.parameters)


def test_trials_in_threads_equal_trials_in_turn(geometry_fused):
    plan = geometry_fused.plan

    def work(seeds):
        simulation = geometry_fused.simulation()
        seen = [run_trial(simulation, plan, sample(plan, seed)) for seed in seeds]
        return seen, simulation.take_gradients()

    shards = [(0, 1, 2), (3, 4), (5, 6, 7)]
    expected = [work(seeds) for seeds in shards]
    with ThreadPoolExecutor(len(shards)) as pool:
        found = list(pool.map(work, shards))
    for (trials, gradient), (others, other) in zip(found, expected, strict=True):
        np.testing.assert_array_equal(gradient, other)
        for one, two in zip(trials, others, strict=True):
            assert_same(one, two)


def test_a_trial_does_not_depend_on_those_before_it(geometry_fused):
    plan, simulation = geometry_fused.plan, geometry_fused.simulation()
    for seed in (1, 2):
        run_trial(simulation, plan, sample(plan, seed))
    again = run_trial(simulation, plan, sample(plan, 0))
    assert_same(again, run_trial(geometry_fused.simulation(), plan, sample(plan, 0)))


@given(cuts=st.lists(st.integers(0, 20), max_size=5), record=st.booleans())
def test_a_phase_may_advance_in_any_pieces(geometry_fused, cuts, record):
    plan, pieces = geometry_fused.plan, geometry_fused.simulation()
    whole = geometry_fused.simulation()
    stops = sorted({0, 20, *cuts})
    for simulation, lengths in ((whole, [20]), (pieces, np.diff(stops))):
        simulation.begin(sample(plan, 3))
        simulation.enter("free")
        for steps in lengths:
            simulation.advance(int(steps), record=record)
    assert_same(states(whole, plan), states(pieces, plan))
    left, right = whole.take_spikes(), pieces.take_spikes()
    assert bool(left) == record
    for name in left:
        np.testing.assert_array_equal(left[name].neuron, right[name].neuron)
        np.testing.assert_array_equal(left[name].count, right[name].count)


def test_spikes_overflow_no_buffer(geometry_fused):
    """With more spikes than a buffer holds the engine stops, empties it and goes on."""
    plan, simulation = geometry_fused.plan, geometry_fused.simulation()
    busy = {
        (name, "carry"): np.full(p.size, 100.0) for name, p in plan.populations.items() if p.spikes
    }
    simulation.begin(busy)
    simulation.enter("free")
    simulation.advance(20, record=True)
    spikes = simulation.take_spikes()
    assert spikes.keys() == {name for name, _ in busy}
    for name, found in spikes.items():
        size = plan.populations[name].size
        np.testing.assert_array_equal(found.count, np.full(20, size))
        np.testing.assert_array_equal(found.neuron, np.tile(np.arange(size), 20))


def test_the_first_value_that_is_not_finite_is_named(geometry_fused):
    plan, simulation = geometry_fused.plan, geometry_fused.simulation()
    parameters = {name: values.copy() for name, values in plan.parameters.items()}
    parameters["pool"][4, 2] = np.inf
    geometry_fused.load(parameters)
    simulation.begin(sample(plan, 0))
    simulation.enter("free")
    with pytest.raises(NotFinite) as caught:
        simulation.advance(20)
    first = caught.value
    assert (first.population, first.phase) in {("a", "free"), ("b", "free")}
    simulation.begin(sample(plan, 0))
    simulation.enter("free")
    simulation.advance(first.step)
    assert all(np.isfinite(v).all() for v in states(simulation, plan).values())


def test_programs_are_found_on_disk(geometry, geometry_fused):
    assert is_cached(geometry_fused.compiled.module)
    assert fused.compile(geometry).compiled.source == geometry_fused.compiled.source
