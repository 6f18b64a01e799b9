"""What a plan says about a network."""

import numpy as np
import pytest

from evsim.build.build import build
from evsim.build.storage import Storage
from evsim.build.weights import gather, spread
from evsim.spec.parse import parse_text
from evsim.streams import generator

TEXT = """\
name: plan
dt: 0.5*ms
seed: 4
neurons:
  cell:
    equations: |
      dv/dt = (E - v)/tau : volt (unless refractory)
      x : 1
      drive : 1
      bias : 1 (constant)
      push : 1 (shared)
      n : integer
    run:
      end: x = x*lam + drive + push
    threshold: v > 10*mV
    reset: v = 0*mV
    refractory: 2*ms
    method: exact
    parameters: {tau: 10*ms, E: 20*mV}
populations:
  image: {shape: [2, 3, 3], values: u}
  a:
    shape: [4, 3, 3]
    neuron: cell
    share: {bias: channel}
    init: {bias: i, v: 1*mV*i/N, x: "uniform(-1, 1)"}
    learn: {bias: rise}
  b:
    shape: [5]
    neuron: cell
    set: {tau: 20*ms}
    share: {bias: all}
    init: {bias: 0.3}
    learn: {bias: rise}
projections:
  - name: see
    from: image.u
    to: a.drive
    kind: conv
    kernel: 3
    padding: 1
    sends: value
    learn: joint
  - {name: tell, from: a, to: b.v, kind: dense, weights: "uniform(-1, 1)*mV"}
plasticity:
  joint:
    at_end: {late: "g += x_post*u_pre/beta"}
    update: {rule: adam, rate: 0.1, schedule: {cosine: {to: 0.02}}}
  rise:
    at_end: {late: "g += x/beta"}
    update: {rate: 0.1, momentum: 0.5, schedule: {step: {every: 2, factor: 0.5}}}
weights: {grid: 2**-8}
protocol:
  epochs: 5
  constants: {beta: 0.5, lam: k**-0.75}
  phases:
    early: {duration: 5*ms}
    late:
      steps: 4
      from: early
      set: {b.push: 0.25*k, beta: -0.5, a.x: 2}
      average: {variables: [x], last: 3}
"""


@pytest.fixture(scope="module")
def plan():
    return build(parse_text(TEXT))


def column(plan, phase, key):
    shared = plan.phases[phase].shared
    return np.array([shared.row(step)[plan.shared.index(key)] for step in range(shared.steps)])


def test_variables_have_kind_unit_and_initial_values(plan):
    variables = plan.populations["a"].variables
    assert variables["v"].initial.tolist() == pytest.approx([1e-3 * i / 36 for i in range(36)])
    assert (variables["n"].kind, variables["not_refractory"].kind) == ("integer", "boolean")
    assert variables["lastspike"].initial.max() < -1000
    assert variables["not_refractory"].initial.all()
    assert variables["push"].shared and variables["push"].initial.shape == ()
    np.testing.assert_array_equal(variables["bias"].initial, np.repeat(np.arange(4), 9))
    assert variables["bias"].constant and not variables["drive"].constant
    assert np.unique(variables["x"].initial).size == 36


def test_a_variable_that_is_refractory_names_its_guard(plan):
    variables = plan.populations["b"].variables
    assert variables["v"].guard == "not_refractory"
    assert variables["x"].guard is None


def test_protocol_constants_are_tables_over_the_trials_steps(plan):
    k = np.arange(1, 15.0)
    np.testing.assert_allclose(column(plan, "early", ("", "lam")), k[:10] ** -0.75)
    np.testing.assert_allclose(column(plan, "late", ("", "lam")), k[10:] ** -0.75)
    assert np.isfinite(column(plan, "early", ("", "lam"))).all()
    assert set(column(plan, "early", ("", "beta"))) == {0.5}
    assert set(column(plan, "late", ("", "beta"))) == {-0.5}


def test_settings_of_a_phase_are_tables_where_shared_and_values_elsewhere(plan):
    assert set(column(plan, "early", ("b", "push"))) == {0}
    np.testing.assert_allclose(column(plan, "late", ("b", "push")), 0.25 * np.arange(11, 15))
    assert dict(plan.phases["late"].sets) == {("a", "x"): 2.0}
    assert ("a", "push") not in plan.shared


def test_phases_continue_the_step_count(plan):
    early, late = plan.phases["early"], plan.phases["late"]
    assert (early.start, early.first, early.steps) == (None, 0, 10)
    assert (late.start, late.first, late.steps) == ("early", 10, 4)
    assert (late.average, late.average_last) == (("x",), 3)


def test_parameters_have_their_shapes_and_lie_on_the_grid(plan):
    parameters = plan.parameters
    assert {name: values.shape for name, values in parameters.items()} == {
        "see": (4, 2, 3, 3),
        "tell": (36, 5),
        "a.bias": (4,),
        "b.bias": (),
    }
    for values in parameters.values():
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values * 256, np.rint(values * 256))
    assert np.abs(parameters["see"]).max() <= 1 / np.sqrt(18) + 2**-9


def test_rates_follow_their_schedules(plan):
    cosine = 0.02 + 0.04 * (1 + np.cos(np.pi * np.arange(5) / 5))
    np.testing.assert_allclose(plan.rules["see"].rates, cosine)
    np.testing.assert_allclose(plan.rules["a.bias"].rates, [0.1, 0.1, 0.05, 0.05, 0.025])
    assert (plan.rules["see"].optimiser, plan.rules["b.bias"].momentum) == ("adam", 0.5)


def test_blocks_stand_in_the_order_of_the_schedule(plan):
    own = [block.name for block in plan.blocks if block.owner == "a"]
    assert own == ["a_stateupdater", "a_spike_thresholder", "a_spike_resetter", "a_end"]
    values = {
        block.owner: block.symbols["tau"].value for block in plan.blocks if "tau" in block.symbols
    }
    assert values == {"a": 0.01, "b": 0.02}


def test_weights_depend_on_the_seed_and_their_name_only(plan):
    again = build(parse_text(TEXT))
    other = build(parse_text(TEXT, overrides=["seed=5"]))
    more = build(parse_text(TEXT.replace("name: see", "name: look")))
    np.testing.assert_array_equal(plan.parameters["see"], again.parameters["see"])
    np.testing.assert_array_equal(plan.parameters["tell"], more.parameters["tell"])
    assert (plan.parameters["see"] != other.parameters["see"]).any()
    assert (plan.parameters["see"] != more.parameters["look"]).any()
    assert plan.fingerprint == again.fingerprint != other.fingerprint


def test_streams_are_philox_and_apart():
    assert generator(1, "weights", "k1").random() == generator(1, "weights", "k1").random()
    drawn = {generator(*key).random() for key in [(1, "a"), (2, "a"), (1, "b"), (1, "a", "b")]}
    assert len(drawn) == 4


@pytest.mark.parametrize("share", [None, "channel", "all"])
def test_gathering_is_the_adjoint_of_spreading(share):
    random = np.random.default_rng(0)
    shape = (3, 2, 4)
    values = random.normal(size={None: 24, "channel": 3, "all": ()}[share])
    gradient = random.normal(size=24)
    left = np.sum(spread(values, shape, share) * gradient)
    assert left == pytest.approx(np.sum(values * gather(gradient, shape, share)))


def test_rounding_goes_to_even_multiples():
    rounded = Storage(0, "w", 0.25).write(np.array([0.125, 0.375, -0.2]), 1)
    np.testing.assert_array_equal(rounded, [0, 0.5, -0.25])
