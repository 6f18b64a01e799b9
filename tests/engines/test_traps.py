"""What is easy to get wrong when Brian2's code is lowered: each on both engines."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evsim.build.build import build
from evsim.engines.base import NotFinite
from evsim.engines.fused import engine as fused
from evsim.engines.reference import engine as reference
from evsim.spec.parse import parse
from evsim.testing.engine import run_trial, take_gradients
from tests.helpers.engines import plan_of, run

NETWORKS = Path(__file__).parents[2] / "networks"


def test_spikes_do_not_reach_a_variable_that_is_refractory():
    plan = plan_of(
        """
  clock: {equations: "x : 1", threshold: x > 0.5}
  cell:
    equations: |
      dv/dt = -v/(1*second) : 1 (unless refractory)
      free : 1
    threshold: v > 2.5
    reset: v = 0
    refractory: 0.45*ms
""",
        """
  a: {shape: [1], neuron: clock, init: {x: 1}}
  b: {shape: [2, 2, 1], neuron: cell}
""",
        """
projections:
  - {name: p, from: a, to: b.v, kind: dense, weights: 1}
  - {name: q, from: a, to: b.free, kind: dense, weights: 1}
""",
    )
    seen = run(plan)
    assert (seen["run", "b", "free"] == 40).all()
    counts = seen["run", "b", "spike counts"]
    # Three inputs reach the threshold, which is crossed in the next step. That step's input and
    # those of the three after it are dropped.
    assert np.flatnonzero(counts).tolist() == [3, 10, 17, 24, 31, 38]


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_refractory_periods_last_whole_steps(precision):
    plan = plan_of(
        """
  cell: {equations: "hold : second", threshold: "True", refractory: hold}
""",
        "  a: {shape: [30], neuron: cell, init: {hold: i*0.1*ms}}",
        phases="run: {steps: 300}",
    )
    plan = replace(plan, precision=precision)
    simulation = fused.compile(plan).simulation()
    spikes = run_trial(simulation, plan, {})["run", "a", "spikes"]
    rest = np.maximum(np.arange(30), 1)
    np.testing.assert_array_equal(np.bincount(spikes), -(-300 // rest))


def test_a_refractory_condition_keeps_its_state():
    plan = plan_of(
        """
  cell:
    equations: |
      dv/dt = 1/ms : 1
      dw/dt = 1/ms : 1 (unless refractory)
    threshold: v > 1
    reset: v = -1
    refractory: v < 0.5
    method: euler
""",
        "  a: {shape: [4], neuron: cell, init: {v: i/4}}",
        phases="run: {steps: 100}",
    )
    seen = run(plan)
    assert (seen["run", "a", "w"] < 10 - 1.5 * 3).all()


def test_objects_of_one_slot_run_by_name():
    plan = plan_of(
        """
  cell:
    equations: |
      dv/dt = 10*dv_of/ms : 1
      dv_of : 1
      order : 1
    run:
      groups: |
        dv_of = 1
        order = order*10 + v
      thresholds: order = order*10 + 2
      resets: order = order*10 + 3
    threshold: order > 9
    reset: order = order*10 + 4
    method: euler
""",
        "  a: {shape: [2], neuron: cell, init: {order: 1}}",
        phases="run: {steps: 1}",
    )
    seen = run(plan)
    # groups before the state updater (v is 0 still), the threshold before `thresholds`, `resets`
    # before the reset.
    assert seen["run", "a", "v"] == pytest.approx([1, 1])
    np.testing.assert_array_equal(seen["run", "a", "order"], [10234, 10234])


def test_shared_values_change_between_blocks():
    plan = plan_of(
        """
  cell:
    equations: |
      level : 1 (shared)
      early : 1
      late : 1
    run:
      before_groups: early = level*2 + 1
      groups: level = level + 0.5
      after_groups: late = level*2 + 1
""",
        "  a: {shape: [3], neuron: cell}",
        phases="run: {steps: 4}",
    )
    seen = run(plan)
    assert seen["run", "a", "level"] == 2
    np.testing.assert_array_equal(seen["run", "a", "early"], np.full(3, 4))
    np.testing.assert_array_equal(seen["run", "a", "late"], np.full(3, 5))


def test_blocks_keep_their_own_intermediate_values():
    plan = plan_of(
        """
  cell:
    equations: |
      x : 1
      y : 1
    run:
      before_groups: x = x/(k + 1) + 3*k
      after_groups: y = y/(k + 3) + 5*k
""",
        "  a: {shape: [3], neuron: cell, init: {x: i, y: i}}",
        phases="run: {steps: 3}",
    )
    x = y = np.arange(3.0)
    for k in (1, 2, 3):
        x, y = x / (k + 1) + 3 * k, y / (k + 3) + 5 * k
    seen = run(plan)
    np.testing.assert_allclose(seen["run", "a", "x"], x, rtol=1e-14)
    np.testing.assert_allclose(seen["run", "a", "y"], y, rtol=1e-14)


def test_a_threshold_may_depend_on_shared_values_only():
    plan = plan_of(
        """
  cell:
    equations: |
      level : 1 (shared)
      n : 1
    run: {start: level = level + 1}
    threshold: level > 2
    reset: n += 1
""",
        "  a: {shape: [3], neuron: cell}",
        phases="run: {steps: 5}",
    )
    seen = run(plan)
    np.testing.assert_array_equal(seen["run", "a", "spike counts"], [0, 0, 3, 3, 3])


def test_populations_of_one_neuron_have_their_own_constants():
    plan = plan_of(
        """
  cell:
    equations: "x : 1"
    run: {end: x = x*factor + shift}
    parameters: {factor: 0.5, shift: 1}
""",
        """
  a: {shape: [2], neuron: cell}
  b: {shape: [2], neuron: cell, set: {factor: 0.25, shift: 3}}
""",
        phases="run: {steps: 2}",
    )
    seen = run(plan)
    assert seen["run", "a", "x"].tolist() == [1.5, 1.5]
    assert seen["run", "b", "x"].tolist() == [3.75, 3.75]


def test_subexpressions_follow_the_state_or_keep_their_value_over_a_step():
    plan = plan_of(
        """
  cell:
    equations: |
      twice = 2*x : 1
      held = 2*x : 1 (constant over dt)
      x : 1
      y : 1
    run:
      before_groups: |
        x += 1
        y = twice + 10*held
""",
        "  a: {shape: [2], neuron: cell}",
        phases="run: {steps: 2}",
    )
    # `held` is renewed before everything else: from x = 1 in the second step.
    assert run(plan)["run", "a", "y"].tolist() == [24, 24]


def test_neurons_may_use_the_names_of_synapses():
    plan = plan_of(
        """
  cell:
    equations: |
      w : 1
      g : 1
      x : 1
    run: {start: w += 1, end: x = w + 1}
    threshold: w > 1
    reset: w = 0
""",
        """
  a: {shape: [2], neuron: cell, init: {w: i}}
  b: {shape: [3], neuron: cell}
""",
        """
projections: [{name: p, from: a, to: b.g, kind: dense, weights: 0.5, learn: rule}]
plasticity:
  rule:
    at_end:
      run: |
        g = x_pre*2 + w
        g *= 3
    update: {rate: 1}
""",
        phases="run: {steps: 3}",
    )
    assert run(plan)["run", "b", "g"].tolist() == [1.5, 1.5, 1.5]
    for engine in (fused, reference):
        program = engine.compile(plan)
        simulation = program.simulation()
        state = run_trial(simulation, plan, {})["run", "a", "x"]
        expected = np.repeat((state * 2 + 0.5) * 3, 3).reshape(2, 3)
        np.testing.assert_array_equal(take_gradients(program, simulation)["p"], expected)


NAMES = (
    *("change", "scale", "at", "pre", "post", "left", "right", "signs", "sign1", "sign2"),
    *("s", "s0", "f", "d", "n", "b", "m", "row", "total", "first", "last", "value", "ZERO_F"),
)


def test_learning_code_may_use_any_names():
    """Code whose terms are products, in p, and code that runs synapse by synapse, in q."""
    steps = [f"{new} = {old} + 1" for old, new in zip(("beta", *NAMES), NAMES, strict=False)]
    products = [*steps, "g -= scale*x_pre", "g += right*x_pre*x_post"]
    synapses = ["change = x_pre*x_post", *(line.replace("beta", "change") for line in steps[1:])]
    synapses = [*synapses, f"g += 0.5*{NAMES[-1]}*abs(x_pre - x_post)"]
    code = {"products": products, "synapses": synapses}
    rules = [
        f"  {name}:\n    update: {{rate: 1}}\n    at_end:\n      run: |\n"
        + "".join(f"        {line}\n" for line in lines)
        for name, lines in code.items()
    ]
    plan = plan_of(
        '  cell: {equations: "x : 1\\ny : 1", threshold: x > 9}',
        """
  a: {shape: [3], neuron: cell, init: {x: 1 + i}}
  b: {shape: [2], neuron: cell, init: {x: 5 - i}}
""",
        "projections:\n"
        "  - {name: p, from: a, to: b.y, kind: dense, weights: 1, learn: products}\n"
        "  - {name: q, from: a, to: b.y, kind: dense, weights: 1, learn: synapses}\n"
        "plasticity:\n" + "\n".join(rules),
        phases="run: {steps: 2}\n  constants: {beta: 0.25}",
    )
    pre, post = np.array([[1.0], [2.0], [3.0]]), np.array([5.0, 4.0])
    at = {name: 0.25 + number for number, name in enumerate(NAMES, 1)}
    last = pre * post + len(NAMES) - 1
    expected = {
        "p": at["right"] * pre * post - at["scale"] * pre,
        "q": 0.5 * last * abs(pre - post),
    }
    for engine in (fused, reference):
        program = engine.compile(plan)
        simulation = program.simulation()
        run_trial(simulation, plan, {})
        found = take_gradients(program, simulation)
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, err_msg=engine.__name__)


@pytest.mark.parametrize("code", ["g += t/ms", "g += i"])
def test_learning_code_that_only_brian2_runs_is_refused_by_name(code):
    plan = plan_of(
        '  cell: {equations: "x : 1", threshold: x > 1}',
        "  a: {shape: [3], neuron: cell}\n  b: {shape: [2], neuron: cell}",
        f"""
projections: [{{name: p, from: a, to: b.x, kind: dense, weights: 1, learn: rule}}]
plasticity: {{rule: {{at_end: {{run: {code}}}, update: {{rate: 1}}}}}}
""",
        phases="run: {steps: 5}",
    )
    assert code in fused.applies(plan)
    program = reference.compile(plan)
    simulation = program.simulation()
    run_trial(simulation, plan, {})
    expected = {"g += t/ms": np.full((3, 2), 0.4), "g += i": np.outer([0, 1, 2], [1, 1])}[code]
    np.testing.assert_allclose(take_gradients(program, simulation)["p"], expected)


SUMS = """
projections:
  - {name: p, from: image.u, to: a.sum, kind: dense, sends: value, weights: 0.5}
  - {name: q, from: b.gain, to: a.more, kind: dense, sends: value, weights: 2}
"""
SUMMED = """
  a: {shape: [1], neuron: cell}
  b: {shape: [2], neuron: source, init: {gain: 0.25}}
  image: {shape: [4], values: u}
"""


def test_sums_are_renewed_where_code_or_a_phase_changes_what_they_depend_on():
    neurons = """
  source: {equations: "gain : 1"}
  cell:
    equations: |
      sum : 1
      more : 1
      total : 1
    run:
      end: |
        total += sum
        %s
"""
    inputs = {("image", "u"): np.array([0.5, 0.25, 0, 1])}
    static = plan_of(neurons % "", SUMMED, SUMS, "run: {steps: 3}", (("image", "u"),))
    assert "projection p: dense, sums once a trial" in fused.compile(static).explain()
    assert run(static, inputs)["run", "a", "total"] == 3 * 0.875
    cleared = plan_of(neurons % "sum = 0", SUMMED, SUMS, "run: {steps: 3}", (("image", "u"),))
    assert "projection p: dense, event-driven" in fused.compile(cleared).explain()
    seen = run(cleared, inputs)
    assert seen["run", "a", "total"] == 3 * 0.875
    assert seen["run", "a", "more"] == 1
    phases = "run: {steps: 1}\n    dark: {steps: 1, from: run, set: {image.u: 0.125}}"
    dark = plan_of(neurons % "", SUMMED, SUMS, phases, (("image", "u"),))
    assert run(dark, inputs)["dark", "a", "total"] == 0.875 + 0.25


def test_equal_time_constants_are_reported_by_name():
    plan = plan_of(
        """
  cell:
    equations: |
      dv/dt = (c - v)/tau_v : 1
      dc/dt = -c/tau_c : 1
    method: exact
    parameters: {tau_v: 10*ms, tau_c: 10*ms}
""",
        "  late: {shape: [2], neuron: cell, init: {c: 1}}",
    )
    for program in (fused.compile(plan), reference.compile(plan, "numpy")):
        with pytest.raises(NotFinite, match="late.v is nan in step 0 of phase 'run'"):
            run_trial(program.simulation(), plan, {})


def test_clipping_does_not_hide_what_is_not_a_number():
    plan = plan_of(
        """
  cell:
    equations: "x : 1"
    run: {end: "x = clip(sqrt(x - 0.25) - 0.5, 0, 1)"}
""",
        "  a: {shape: [2], neuron: cell, init: {x: 0.75}}",
    )
    for program in (fused.compile(plan), reference.compile(plan, "numpy")):
        with pytest.raises(NotFinite) as caught:
            run_trial(program.simulation(), plan, {})
        assert (caught.value.population, caught.value.variable) == ("a", "x")
        assert (caught.value.step, np.isnan(caught.value.value)) == (1, True)


def test_the_first_step_that_goes_wrong_is_named():
    plan = plan_of(
        '  cell: {equations: "x : 1", run: {end: x = 1/x}}', "  a: {shape: [2], neuron: cell}"
    )
    for program in (fused.compile(plan), reference.compile(plan, "numpy")):
        simulation = program.simulation()
        simulation.begin({})
        simulation.enter("run")
        with pytest.raises(NotFinite, match="a.x is inf in step 0 of phase 'run'"):
            simulation.advance(3)


def test_a_neuron_under_a_current_fires_at_its_rate():
    plan = build(parse(NETWORKS / "lif_current.yaml"))
    simulation = fused.compile(plan).simulation()
    spikes = run_trial(simulation, plan, {})["step", "cells", "spikes"]
    current = 0.15e-9 + 0.05e-9 * np.arange(5)
    drive = np.maximum(100e6 * current, 20.0001e-3)
    interval = 2e-3 + 10e-3 * np.log(drive / (drive - 20e-3))
    expected = np.where(current > 0.2e-9, 1 / interval, 0)
    np.testing.assert_allclose(np.bincount(spikes, minlength=5), expected, atol=2)
    short = replace(plan, phases={"step": replace(plan.phases["step"], steps=1000)})
    left, right = (
        run_trial(program.simulation(), short, {})
        for program in (fused.compile(short), reference.compile(short, "numpy"))
    )
    np.testing.assert_array_equal(left["step", "cells", "spikes"], right["step", "cells", "spikes"])
    np.testing.assert_allclose(left["step", "cells", "v"], right["step", "cells", "v"], rtol=1e-12)


@pytest.mark.parametrize("side", ["pre", "post"])
def test_synapses_read_what_follows_from_shared_values(side):
    """Of the source or the target: x depends on the shared `level` of its own group."""
    plan = plan_of(
        """
  cell:
    equations: |
      level : 1 (shared)
      twice = 2*level : 1 (shared)
      v : 1
      x = v + twice : 1
      got : 1
    threshold: v > 1
""",
        """
  a: {shape: [3], neuron: cell, init: {v: 1.5 + i, level: 0.25}}
  b: {shape: [2], neuron: cell, init: {v: 0.5*i, level: 4}}
""",
        f"""
projections: [{{name: p, from: a, to: b.got, kind: dense, weights: 1, learn: rule}}]
plasticity: {{rule: {{on_pre: w += x_{side}}}}}
record: {{states: [{{population: p, variables: [w]}}]}}
""",
        phases="run: {steps: 2}",
    )
    x = {"pre": np.repeat([2.0, 3.0, 4.0], 2), "post": np.tile([8.0, 8.5], 3)}[side]
    assert run(plan)["run", "p", "w"].tolist() == (1 + 2 * x).tolist()
