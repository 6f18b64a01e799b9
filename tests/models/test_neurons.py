"""The library of neurons behaves as its docstrings say."""

import re

import pytest

from evsim import expressions, models, registry, units

NEURONS = registry.names(models.NEURONS)
RULES = registry.names(models.PLASTICITY)


@pytest.mark.parametrize("name", NEURONS)
def test_neurons_are_complete(name):
    model = models.neuron_model(name)
    assert models.variables(model)
    assert model.reference
    assert re.search(r"^References?: ", registry.load(models.NEURONS, name).__doc__, re.MULTILINE)
    for code in (model.reset or "", *model.run.values()):
        expressions.check_code(code)
    for text in model.parameters.values():
        units.parse(text)


@pytest.mark.parametrize("name", RULES)
def test_rules_are_complete(name):
    model = models.plasticity_model(name)
    at_spikes = (model.on_pre, model.on_post)
    assert model.at_end or model.every_step or any(at_spikes)
    assert model.reference
    for code in (*model.at_end.values(), *model.every_step.values(), *filter(None, at_spikes)):
        expressions.check_code(code)


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
