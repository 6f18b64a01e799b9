"""Library rules change synapses as their publications say, on both engines."""

import numpy as np
import pytest

from evsim.build.build import build
from evsim.engines.fused import engine as fused
from evsim.engines.reference import engine as reference
from evsim.errors import BuildError
from evsim.spec.parse import parse_text

RULES = ("pair_stdp", "multiplicative_stdp", "nearest_stdp", "triplet_stdp", "short_term")
DT = 0.1e-3
# Spikes in ms of (source, target), one pair of neurons each; the target's stand one step later.
TRAINS = [([100], [100 + lag]) for lag in (-60, -25, -10, -1, 1, 10, 25, 60)]
TRAINS += [([100, 120, 180], [110, 130, 131]), ([50 * n for n in range(1, 40)], [])]

HEAD = """\
name: rules
dt: 0.1*ms
precision: float64
neurons:
  follower:
    equations: |
      force : 1
      v : 1
    threshold: force > 0.5
    run: {after_thresholds: force = 0}
"""


def spikes(side):
    times = [(t, n) for n, train in enumerate(TRAINS) for t in train[side]]
    shift = [0, 0.1][side]
    listed = ", ".join(f"{t - shift:g}*ms" for t, _ in times)
    return f"{{times: [{listed}], neurons: [{', '.join(str(n) for _, n in times)}]}}"


@pytest.fixture(scope="module")
def changed():
    """Rule -> variables of its synapses after two seconds, from 0.4; equal on both engines."""
    lines = [
        HEAD + "populations:",
        f"  pre: {{shape: [{len(TRAINS)}], spikes: {spikes(0)}}}",
        f"  driver: {{shape: [{len(TRAINS)}], spikes: {spikes(1)}}}",
        f"  post: {{shape: [{len(TRAINS)}], neuron: follower}}",
        "projections:",
        "  - {name: drive, from: driver, to: post.force, kind: one_to_one, weights: 1}",
        *(
            f"  - {{name: p_{rule}, from: pre, to: post.v, kind: one_to_one, weights: 0.4, "
            f"learn: {rule}}}"
            for rule in RULES
        ),
        "plasticity:",
        *(f"  {rule}: {{model: {rule}}}" for rule in RULES),
        "protocol: {phases: {run: {duration: 2*second}}}",
    ]
    plan = build(parse_text("\n".join(lines)))
    found = []
    for engine in (fused, reference):
        simulation = engine.compile(plan).simulation()
        simulation.begin({})
        simulation.enter("run")
        simulation.advance(20000)
        names = {rule: plan.variables(f"p_{rule}") for rule in RULES}
        found.append(
            {(r, n): simulation.get(f"p_{r}", n) for r, known in names.items() for n in known}
        )
    for key, values in found[0].items():
        np.testing.assert_allclose(values, found[1][key], rtol=1e-11, atol=1e-14, err_msg=str(key))
    return found[0]


def pairs(train, nearest=False):
    """Changes by pairs: (kind, time between) in the order of the spikes that complete them."""
    events = sorted([(t, 0) for t in train[0]] + [(t, 1) for t in train[1]])
    for at, (time, side) in enumerate(events):
        before = [t for t, other in events[:at] if other != side]
        for t in before[-1:] if nearest else before:
            yield side, time - t


@pytest.mark.parametrize("rule", RULES[:3])
def test_pairs_of_spikes_change_weights_by_the_published_window(changed, rule):
    for number, train in enumerate(TRAINS):
        weight = 0.4
        for side, lag in pairs(train, rule == "nearest_stdp"):
            if rule == "multiplicative_stdp":
                size = 0.005 * (1 - weight) if side else -0.00525 * weight
            else:
                size = 0.005 if side else -0.00525
            weight += size * np.exp(-lag / 20)
        found = changed[rule, "w"][number]
        # Pairs that one spike completes act at once, not one after the other.
        assert found == pytest.approx(weight, abs=1e-12 if rule != "multiplicative_stdp" else 1e-5)


def test_triplets_of_spikes_change_weights_as_in_visual_cortex(changed):
    for number, (pre, post) in enumerate(TRAINS):
        weight = 0.4
        for time in pre:
            o1 = sum(np.exp(-(time - t) / 33.7) for t in post if t < time)
            r2 = sum(np.exp(-(time - t) / 101) for t in pre if t < time)
            weight -= o1 * (7e-3 + 2.3e-4 * r2)
        for time in post:
            r1 = sum(np.exp(-(time - t) / 16.8) for t in pre if t < time)
            o2 = sum(np.exp(-(time - t) / 125) for t in post if t < time)
            weight += r1 * (5e-10 + 6.2e-3 * o2)
        assert changed["triplet_stdp", "w"][number] == pytest.approx(weight, abs=1e-12)


def test_short_term_depression_reaches_its_steady_state(changed):
    gap, u_se = 50.0, 0.5
    share = u_se / (1 - (1 - u_se) * np.exp(-gap / 3))
    recovered = 1 - np.exp(-gap / 800)
    left = recovered / (1 - (1 - share) * np.exp(-gap / 800))
    assert changed["short_term", "u"][-1] == pytest.approx(share, rel=1e-9)
    assert changed["short_term", "r"][-1] == pytest.approx(left * (1 - share), rel=1e-6)


REWARD = (
    HEAD
    + """\
populations:
  pre: {shape: [2], spikes: {times: [10*ms, 30*ms], neurons: [0, 1]}}
  driver: {shape: [2], spikes: {times: [19.9*ms, 19.9*ms], neurons: [0, 1]}}
  post: {shape: [2], neuron: follower}
projections:
  - {name: drive, from: driver, to: post.force, kind: one_to_one, weights: 1}
  - {name: taught, from: pre, to: post.v, kind: one_to_one, weights: 2, learn: rule}
plasticity: {rule: {model: reward_stdp}}
protocol:
  constants: {reward: 0}
  phases:
    act: {duration: 100*ms}
    none: {duration: 200*ms, from: act}
    some: {duration: 200*ms, from: act, set: {reward: 0.5}}
    much: {duration: 200*ms, from: act, set: {reward: 1}}
"""
)


def test_a_reward_moves_what_is_eligible_in_proportion():
    plan = build(parse_text(REWARD))
    simulation = fused.compile(plan).simulation()
    simulation.begin({})
    moved = {}
    for name, phase in plan.phases.items():
        simulation.enter(name)
        simulation.advance(phase.steps)
        moved[name] = simulation.get("taught", "s") - 0.5
        simulation.leave()
    assert (moved["act"] == 0).all() and (moved["none"] == 0).all()
    assert moved["some"][0] > 0 > moved["some"][1]
    np.testing.assert_allclose(moved["much"], 2 * moved["some"], rtol=1e-9)
    eligible = np.array([np.exp(-0.5), -1.5 * np.exp(-0.5)])
    # The eligibility fades with 1 s from the pair's second spike, at 20 and 30 ms, on.
    faded = [np.exp(-0.08) - np.exp(-0.28), np.exp(-0.07) - np.exp(-0.27)]
    np.testing.assert_allclose(moved["much"], eligible * faded, rtol=1e-3)


def test_weights_may_have_a_unit():
    """That of `w_max`."""
    rules = [rule for rule in RULES if rule != "short_term"]
    text = """\
name: units
dt: 0.1*ms
neurons: {cell: {equations: "v : volt", threshold: v > 1.2*mV}}
populations: {a: {shape: [2], neuron: cell}, b: {shape: [1], neuron: cell}}
projections:
"""
    text += "".join(
        f"  - {{name: p_{r}, from: a, to: b.v, kind: dense, weights: 0.7*mV, learn: {r}}}\n"
        for r in rules
    )
    text += "plasticity:\n"
    text += "".join(f"  {r}: {{model: {r}, parameters: {{w_max: 2*mV}}}}\n" for r in rules)
    text += "protocol: {phases: {run: {steps: 100}}}\n"
    assert len(build(parse_text(text)).projections) == len(rules)
    with pytest.raises(BuildError, match="inconsistent units"):
        build(parse_text(text.replace("2*mV", "2*ms")))
