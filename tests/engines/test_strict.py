"""Neuron code of every kind, against Brian2's code compiled operation by operation, and others."""

import numpy as np
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from evsim.testing.engine import assert_same, run_trial, states

SEEDS = st.integers(0, 2**32 - 1)
SINGLE = np.finfo(np.float32).eps
WHOLE = ("m", "tick", "flag", "not_refractory", "lastspike")
SMOOTH = ("v", "powers", "exponentials", "waves", "limits", "times")
"""Variables without jumps: remainders and roundings may fall to either side of one."""
CHECK = settings(deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink])


REFERENCE = {}
"""A simulation of each reference program: making one takes Brian2 a while."""


def sampled_states(plan, random):
    """Any state of the population, in float32 so that either precision holds it."""
    size = plan.populations["z"].size
    found = {
        ("z", name): random.normal(0.3, 0.7, size).astype(np.float32).astype(float)
        for _, name in plan.inputs
    }
    found["z", "m"] = random.integers(-20, 20, size)
    found["z", "tick"] = np.zeros(size, int)
    found["z", "flag"] = random.random(size) < 0.3
    found["z", "not_refractory"] = random.random(size) < 0.6
    found["z", "lastspike"] = -random.integers(0, 6, size) * plan.dt
    return found


def step(simulation, plan, inputs, steps=1):
    simulation.begin(inputs)
    simulation.enter("run")
    simulation.advance(steps, record=True)
    found = states(simulation, plan)
    found["spikes"] = simulation.take_spikes()["z"].neuron
    return found


@settings(CHECK, max_examples=30)
@given(seed=SEEDS, steps=st.integers(1, 4))
def test_steps_equal_strict_code_bit_by_bit(strict, strict_fused, strict_reference, seed, steps):
    inputs = sampled_states(strict, np.random.default_rng(seed))
    assert_same(
        step(strict_fused.simulation(), strict, inputs, steps),
        step(REFERENCE.setdefault("strict", strict_reference.simulation()), strict, inputs, steps),
    )


def test_a_run_equals_strict_code_bit_by_bit(strict, strict_fused, strict_reference):
    found = run_trial(strict_fused.simulation(), strict, {})
    assert_same(found, run_trial(strict_reference.simulation(), strict, {}))
    assert found["run", "z", "spikes"].size > 100


@settings(CHECK, max_examples=10)
@given(seed=SEEDS)
def test_a_step_equals_numpy_code_to_a_few_ulp_a_function(strict, strict_fused, strict_numpy, seed):
    inputs = sampled_states(strict, np.random.default_rng(seed))
    found = step(strict_fused.simulation(), strict, inputs)
    expected = step(REFERENCE.setdefault("numpy", strict_numpy.simulation()), strict, inputs)
    for name in (*WHOLE, *SMOOTH):
        left, right = found["z", name], expected["z", name]
        np.testing.assert_allclose(left, right, rtol=1e-14, atol=1e-14, err_msg=name)


@settings(CHECK, max_examples=20)
@given(seed=SEEDS)
def test_single_precision_stays_within_its_rounding(strict, strict_fused, strict_single, seed):
    inputs = sampled_states(strict, np.random.default_rng(seed))
    expected = step(strict_fused.simulation(), strict, inputs)
    found = step(strict_single.simulation(), strict, inputs)
    assert found["z", "v"].dtype == np.float32
    for name in WHOLE:
        np.testing.assert_array_equal(found["z", name], expected["z", name], err_msg=name)
    for name in SMOOTH:
        values = expected["z", name]
        terms = 8 * SINGLE * (10 + np.abs(values))
        assert (np.abs(found["z", name] - values) <= terms).all(), name
