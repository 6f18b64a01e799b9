"""Every library neuron runs on both engines alike, and fires as its publication says."""

import numpy as np
import pytest

from evsim import models, registry
from evsim.build.build import build
from evsim.engines.fused import engine as fused
from evsim.engines.reference import engine as reference
from evsim.spec.parse import parse_text

# Neuron n of each population gets n/8 of the current.
CURRENTS = {
    "lif": "{v: -70*mV, current: 0.4*nA*i/8}",
    "adaptive_lif": "{v: -70*mV, current: 0.4*nA*i/8}",
    "if": "{current: 1*nA*i/8}",
    "adex": "{v: -70.6*mV, current: 2*nA*i/8}",
    "izhikevich": "{v: -70*mV, u: -14*mV/ms, drive: 16*mV/ms*i/8}",
    "hodgkin_huxley": "{v: -65*mV, m: 0.0529, h: 0.5961, n: 0.3177, current: 4*nA*i/8}",
    "traub_miles_hh": "{v: -65*mV, current: 1*nA*i/8}",
    "glif": "{v: -70*mV, current: 0.4*nA*i/8}",
}


@pytest.fixture(scope="module")
def plan():
    lines = [
        "name: library",
        "dt: 0.02*ms",
        "precision: float64",
        "neurons:",
        *(f"  {name}: {{model: {name}}}" for name in CURRENTS),
        "populations:",
        *(f"  {n}_s: {{shape: [9], neuron: {n}, init: {CURRENTS[n]}}}" for n in CURRENTS),
        "protocol: {phases: {run: {duration: 1*second}}}",
    ]
    return build(parse_text("\n".join(lines)))


def start(program):
    simulation = program.simulation()
    simulation.begin({})
    simulation.enter("run")
    return simulation


@pytest.fixture(scope="module")
def program(plan):
    return fused.compile(plan, "libm")


@pytest.fixture(scope="module")
def rates(program, plan):
    """Spikes of every neuron in a second."""
    simulation = start(program)
    simulation.advance(plan.phases["run"].steps, record=True)
    return {
        name.removesuffix("_s"): np.bincount(spikes.neuron, minlength=9)
        for name, spikes in simulation.take_spikes().items()
    }


def test_every_neuron_with_a_current_is_here():
    named = set(registry.names(models.NEURONS))
    others = {"poisson", "stochastic_binary", "latency", "softmax"}
    others |= {"sigma_delta", "sigma_delta_kesten", "sigma_delta_optimal"}
    assert set(CURRENTS) == named - others


def test_engines_agree(program, plan):
    """Only the last bit of exponentials may differ, so spikes are the same for a while."""
    left, right = start(program), start(reference.compile(plan, "numpy"))
    for simulation in (left, right):
        simulation.advance(700, record=True)
    spikes = [simulation.take_spikes() for simulation in (left, right)]
    spiking = {name for name, population in plan.populations.items() if population.spikes}
    assert spikes[0].keys() == spikes[1].keys() == spiking
    for name, found in spikes[0].items():
        assert found.neuron.size
        np.testing.assert_array_equal(found.count, spikes[1][name].count)
        np.testing.assert_array_equal(found.neuron, spikes[1][name].neuron)
        for variable in plan.populations[name].variables:
            np.testing.assert_allclose(
                left.get(name, variable), right.get(name, variable), rtol=1e-7, atol=1e-16
            )


def test_neurons_are_silent_at_rest_and_faster_with_more_current(rates):
    for name, counts in rates.items():
        assert counts[0] == 0, name
        assert (np.diff(counts) >= 0).all() and counts[8] > 20, name


def test_lif_fires_at_the_rate_of_theory(rates):
    drive = 40 * np.arange(5, 9) / 8
    expected = 1 / (0.002 + 0.010 * np.log(drive / (drive - 20)))
    np.testing.assert_allclose(rates["lif"][5:], expected, atol=1)
    assert not rates["lif"][:4].any()


def test_integrate_and_fire_loses_no_charge(rates):
    expected = 1e-9 * np.arange(9) / 8 / (100e-12 * 20e-3)
    assert (np.abs(rates["if"] - expected) < 1 + 1e-9).all()


def test_an_adaptive_threshold_lowers_the_rate(rates):
    assert (rates["adaptive_lif"][6:] < rates["lif"][6:] / 2).all()


def test_hodgkin_huxley_fires_repetitively_above_its_rheobase_only(rates):
    """5 uA/cm2 is too little, 10 uA/cm2 gives 68 spikes a second (type II)."""
    density = 4 * np.arange(9) / 8 * 5
    counts = rates["hodgkin_huxley"]
    assert (counts[(density > 0) & (density <= 5)] <= 2).all()
    assert counts[density == 10] == pytest.approx(68, abs=2)


def test_adex_fires_above_the_rheobase_of_the_paper(rates):
    """With w following v the regular spiking cell needs about 0.7 nA."""
    current = 2 * np.arange(9) / 8
    assert not rates["adex"][current < 0.6].any()
    assert rates["adex"][current > 0.8].all()


def test_izhikevich_starts_with_a_burst_and_settles(program):
    """A regular spiking cell's first interval is shorter than its later ones."""
    simulation = start(program)
    simulation.advance(25_000, record=True)
    spikes = simulation.take_spikes()["izhikevich_s"]
    times = np.repeat(np.arange(25_000), spikes.count)[spikes.neuron == 6] * 2e-5
    intervals = np.diff(times)
    assert intervals[0] < 0.5 * intervals[-1]
    assert intervals[-1] == pytest.approx(intervals[-2], rel=0.05)


def test_random_neurons_fire_with_their_probability():
    """Poisson neurons at their rate, binary units as a sigmoid of their input."""
    plan = build(
        parse_text("""\
name: random
dt: 0.5*ms
neurons: {p: {model: poisson}, s: {model: stochastic_binary}}
populations:
  p: {shape: [400], neuron: p, init: {rates: 50*Hz*i/N}}
  s: {shape: [400], neuron: s, init: {bias: 8*i/N - 4}}
protocol: {phases: {run: {steps: 4000}}}
""")
    )
    simulation = start(fused.compile(plan))
    simulation.advance(4000, record=True)
    spikes = simulation.take_spikes()
    expected = {
        "p": 0.025 * np.arange(400) / 400,
        "s": 1 / (1 + np.exp(4 - 8 * np.arange(400) / 400)),
    }
    for name, probability in expected.items():
        count = np.bincount(spikes[name].neuron, minlength=400)
        deviation = np.sqrt(4000 * probability * (1 - probability))
        assert (np.abs(count - 4000 * probability) <= 5 * deviation).all()
        scores = (count - 4000 * probability)[1:] / deviation[1:]
        assert scores.std() == pytest.approx(1, abs=0.15)


def test_latency_neurons_spike_once_the_earlier_the_larger_their_value():
    """A value of 0 never spikes; the others in the step of 16 ms times one minus the value."""
    plan = build(
        parse_text("""\
name: latency
dt: 0.5*ms
precision: float64
neurons: {late: {model: latency, parameters: {latest: 16*ms}}}
populations: {a: {shape: [2, 3, 6], neuron: late, init: {value: i/32}}}
protocol: {phases: {first: {steps: 20}, then: {steps: 20, from: first}}}
""")
    )
    found = []
    for program in (fused.compile(plan), reference.compile(plan, "numpy")):
        simulation = program.simulation()
        simulation.begin({})
        for phase in plan.phases:
            simulation.enter(phase)
            simulation.advance(20, record=True)
            simulation.leave()
        spikes = simulation.take_spikes()["a"]
        found.append(np.column_stack([np.repeat(np.arange(40), spikes.count), spikes.neuron]))
    step, neuron = found[0].T
    assert (found[0] == found[1]).all()
    assert sorted(neuron) == list(range(1, 36))
    assert (step == np.maximum(32 - neuron.astype(int), 0)).all()
