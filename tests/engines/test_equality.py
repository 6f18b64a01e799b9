"""The fused engine equals Brian2: a network of all geometries whose sums are exact."""

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from evsim.build.build import build
from evsim.engines.fused import engine as fused
from evsim.engines.reference import engine as reference
from evsim.engines.reference.engine import ReferenceSimulation
from evsim.spec.parse import parse
from evsim.testing.engine import assert_same, run_trial, states, take_gradients

GRID = 2.0**-12
SEEDS = st.integers(0, 2**32 - 1)
CHECK = settings(deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink])


@pytest.fixture(scope="module")
def pair(geometry_fused, geometry_reference):
    """One simulation of each engine, fused first."""
    return geometry_fused.simulation(), geometry_reference.simulation()


def weights(plan, random, scale):
    """Parameters on the grid: sums of them are exact."""
    return {
        name: np.rint(random.normal(0, scale, values.shape) / GRID) * GRID
        for name, values in plan.parameters.items()
    }


def sample(random, active):
    """Pixels k/256, some of them 0, and a target."""
    pixels = random.integers(0, 257, 198) * (random.random(198) < active) / 256
    return {("image", "u"): pixels, ("c", "target"): np.eye(10)[random.integers(10)]}


def sampled_states(plan, random):
    """Any state; what weights add to lies on their grid."""
    found = {}
    for name, variable in plan.inputs:
        values = random.normal(0.3, 0.5, plan.populations[name].size)
        on_grid = name == "image" or variable == "received"
        found[name, variable] = np.rint(values / GRID) * GRID if on_grid else values
    return found


def load(parameters, *programs):
    for program in programs:
        program.load(parameters)


def test_engines_run_the_same_captured_code(geometry, geometry_reference):
    prepared = ReferenceSimulation(geometry_reference)
    code = {
        item.name: item.abstract_code.strip()
        for item, _ in prepared.step_objects
        if getattr(item, "abstract_code", None) and item.group.name in geometry.populations
    }
    assert {b.name: b.code for b in geometry.blocks} == {n: c for n, c in code.items() if c}
    for name, rule in geometry.rules.items():
        for (every_step, phase), runner in prepared.learnings[name].runners.items():
            block = (rule.every_step if every_step else rule.at_end)[phase]
            assert runner.abstract_code.strip() == block.code


def test_every_path_runs(geometry_fused):
    lines = geometry_fused.explain()
    assert "projection show: conv, sums once a trial" in lines
    assert "projection look: dense, sums once a trial" in lines
    for name, kind in (("pool", "conv"), ("step", "conv"), ("out", "dense")):
        assert f"projection {name}: {kind}, event-driven, with its adjoint" in lines
        assert f"learning of {name}: correlation" in lines
    assert "projection more: dense, event-driven" in lines
    assert any(line.startswith("learning of more: synapse by synapse, because") for line in lines)


@settings(CHECK, max_examples=12)
@given(seed=SEEDS, scale=st.sampled_from([0.05, 0.2, 1.0]), active=st.sampled_from([0.1, 0.9]))
def test_trials_are_equal_bit_by_bit(pair, geometry_fused, geometry_reference, seed, scale, active):
    plan, random = geometry_fused.plan, np.random.default_rng(seed)
    load(weights(plan, random, scale), geometry_fused, geometry_reference)
    inputs = sample(random, active)
    left, right = (run_trial(simulation, plan, inputs) for simulation in pair)
    assert_same(left, right)
    assert pair[0].take_counts() == pair[1].take_counts()
    found, expected = (
        take_gradients(program, simulation)
        for program, simulation in zip((geometry_fused, geometry_reference), pair, strict=True)
    )
    for name, values in expected.items():
        tolerance = 1e-12 * max(1.0, np.abs(values).max())  # terms of several units may cancel
        np.testing.assert_allclose(found[name], values, 1e-12, tolerance, err_msg=name)


@settings(CHECK, max_examples=20)
@given(seed=SEEDS, steps=st.integers(1, 3))
def test_steps_from_any_state_are_equal_bit_by_bit(
    pair, geometry_fused, geometry_reference, seed, steps
):
    plan, random = geometry_fused.plan, np.random.default_rng(seed)
    load(weights(plan, random, 0.3), geometry_fused, geometry_reference)
    inputs = sampled_states(plan, random)
    seen = []
    for simulation in pair:
        simulation.begin(inputs)
        simulation.enter("free")
        simulation.advance(steps, record=True)
        found = states(simulation, plan)
        for name, spikes in simulation.take_spikes().items():
            found[name, "spikes"], found[name, "counts"] = spikes.neuron, spikes.count
        seen.append(found)
    assert sum(seen[0][name, "spikes"].size for name in "abcd") > 0
    assert_same(*seen)


@settings(CHECK, max_examples=10)
@given(seed=SEEDS)
def test_sums_of_any_weights_differ_by_their_rounding(
    pair, geometry_fused, geometry_reference, seed
):
    plan, random = geometry_fused.plan, np.random.default_rng(seed)
    drawn = {name: random.normal(0, 1, v.shape) for name, v in plan.parameters.items()}
    load(drawn, geometry_fused, geometry_reference)
    inputs = {**sampled_states(plan, random), ("image", "u"): random.random(198)}
    for simulation in pair:
        simulation.begin(inputs)
        simulation.enter("free")
        simulation.advance(1)
    for name, fan_in, total in (
        ("a", 30, np.abs(drawn["show"]).sum((1, 2, 3)).max()),
        ("c", 350 + 28 + 198, sum(np.abs(drawn[n]).sum(0).max() for n in ("out", "more", "look"))),
    ):
        found, expected = (simulation.get(name, "u") for simulation in pair)
        limit = 4 * np.finfo(float).eps * fan_in * (total + 10)
        np.testing.assert_allclose(found, expected, rtol=0, atol=limit)


def test_updates_on_a_grid_keep_training_equal(pair, geometry_fused, geometry_reference):
    plan, random = geometry_fused.plan, np.random.default_rng(11)
    programs = (geometry_fused, geometry_reference)
    parameters = weights(plan, random, 0.3)
    for _ in range(3):
        load(parameters, *programs)
        updated = []
        inputs = [sample(random, 0.7) for _ in range(2)]
        for program, simulation in zip(programs, pair, strict=True):
            for trial in inputs:
                run_trial(simulation, plan, trial)
            gradient = take_gradients(program, simulation)
            moved = {n: parameters[n] + 0.05 * g for n, g in gradient.items()}
            updated.append({n: plan.storage[n].write(v, 1) for n, v in moved.items()})
        assert_same(*updated)
        assert any((updated[0][n] != parameters[n]).any() for n in updated[0])
        parameters = {**parameters, **updated[0]}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["networks/conv_ep", "tests/networks/perturbed_conv_ep"])
def test_whole_networks_are_equal_bit_by_bit(root, name):
    exact = ["precision=float64", "weights.grid=2**-12"]
    plan = build(parse(root / f"{name}.yaml", exact))
    random = np.random.default_rng(0)
    inputs = {
        key: random.integers(0, 257, plan.populations[key[0]].size) / 256 for key in plan.inputs
    }
    seen, gradients = [], []
    for program in (fused.compile(plan), reference.compile(plan, "numpy")):
        simulation = program.simulation()
        seen.append(run_trial(simulation, plan, inputs))
        gradients.append(take_gradients(program, simulation))
    assert_same(*seen)
    for parameter, values in gradients[1].items():
        tolerance = 1e-12 * max(1.0, np.abs(values).max())
        np.testing.assert_allclose(gradients[0][parameter], values, 1e-12, tolerance)
