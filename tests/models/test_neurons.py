"""The library of neurons behaves as its docstrings say."""

import numpy as np
import pytest

from evsim import expressions, models, registry, units

NEURONS = registry.names(models.NEURONS)
RULES = registry.names(models.PLASTICITY)


@pytest.mark.parametrize("name", NEURONS)
def test_neurons_are_complete(name):
    model = models.neuron_model(name)
    assert models.variables(model)
    assert model.reference
    assert "Reference:" in registry.load(models.NEURONS, name).__doc__
    for code in (model.reset or "", *model.run.values()):
        expressions.check_code(code)
    for text in model.parameters.values():
        units.parse(text)


@pytest.mark.parametrize("name", RULES)
def test_rules_are_complete(name):
    model = models.plasticity_model(name)
    assert model.at_end or model.every_step
    assert model.reference
    for code in (*model.at_end.values(), *model.every_step.values()):
        expressions.check_code(code)


@pytest.fixture
def numpy_target():
    """Brian2 without a compiler."""
    import brian2

    before = brian2.prefs.codegen.target
    brian2.prefs.codegen.target = "numpy"
    yield
    brian2.prefs.codegen.target = before


def test_lif_spikes_at_the_rate_of_theory(numpy_target):
    import brian2
    from brian2.units.fundamentalunits import get_or_create_dimension

    model = models.neuron_model("lif")
    found = {name: units.parse(text) for name, text in model.parameters.items()}
    namespace = {
        name: brian2.Quantity(quantity.value, dim=get_or_create_dimension(quantity.dimensions))
        for name, quantity in found.items()
    }
    group = brian2.NeuronGroup(
        3,
        model.equations,
        threshold=model.threshold,
        reset=model.reset,
        refractory=model.refractory,
        method=model.method,
        dt=0.1 * brian2.ms,
        namespace=namespace,
    )
    current = np.array([0.19, 0.25, 0.35])
    group.v = -70 * brian2.mV
    group.current = current * brian2.nA
    spikes = brian2.SpikeMonitor(group, record=False)
    brian2.Network(group, spikes).run(1 * brian2.second)
    drive = current[1:] * 100
    expected = 1 / (0.002 + 0.010 * np.log(drive / (drive - 20)))
    assert spikes.count[0] == 0
    np.testing.assert_allclose(spikes.count[1:], expected, atol=1.5)


def test_sigma_delta_decodes_to_the_activation_of_the_sender():
    """The decoder's estimate tends to u, with an error of the order of lam."""
    model = models.neuron_model("sigma_delta")
    state = dict.fromkeys(models.variables(model), 0.0) | {"u": 0.37}
    decoded = 0.0
    encode = model.run["before_thresholds"]
    for k in range(1, 401):
        names = {**state, "lam": k**-0.75}
        for line in expressions.assignments(encode):
            value = expressions.evaluate(line.expression, names)
            names[line.target] = value + (names[line.target] if line.operator == "+=" else 0)
        spike = expressions.evaluate(model.threshold, names)
        state = {name: names[name] for name in state} | {"carry": names["carry"] - spike}
        decoded = (1 - names["lam"]) * decoded + names["lam"] * spike
    assert decoded == pytest.approx(0.37, abs=2 * 400**-0.75)
