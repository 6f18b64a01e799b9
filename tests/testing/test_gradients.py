"""Learning of networks and of their real-valued twins against backpropagation through time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import evsim
from evsim.build.build import build
from evsim.errors import EngineError, InputError
from evsim.simulate import open_samples
from evsim.spec.parse import parse_text

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'evsim[torch]'")

from evsim.testing.comparison import Comparison, compare  # noqa: E402
from evsim.testing.ep_task import Task  # noqa: E402
from evsim.testing.gradients import Gradients  # noqa: E402
from evsim.testing.real_twin import meanings  # noqa: E402
from tests.helpers import pooled  # noqa: E402

torch.set_num_threads(1)  # Two wait for each other where other tests keep the cores busy.

MEMORYLESS = "protocol.constants.lam=1"
SMALL = "protocol.constants.beta=0.02"
BELOW = ("k", "in")
"""Weights of the pooled layer and of the one below."""


ONE_SIDED = (
    pooled.NETWORK.replace("model: contrast,", "model: contrast_one_sided,")
    .replace("model: bias_contrast,", "model: bias_contrast_one_sided,")
    .replace("    plus: {", "    nudged: {")
)
ONE_SIDED = ONE_SIDED[: ONE_SIDED.index("    minus")] + ONE_SIDED[ONE_SIDED.index("readout") :]

CROSS_ENTROPY = (
    pooled.NETWORK.replace("neurons:\n", "neurons:\n  shares: {model: softmax}\n")
    .replace("digit: {shape: [3], neuron: unit", "digit: {shape: [3], neuron: shares")
    .replace("from: second\n", "from: second.u\n    sends: value\n")
    .replace("to: digit.received", "to: digit.drive")
    .replace(
        "plasticity:\n",
        "  - {name: sum, from: digit.score, to: digit.total, kind: dense, "
        "sends: value, weights: 1}\n"
        "plasticity:\n",
        1,
    )
    .replace("argmax(digit.u), after: free", "argmax(digit.p), after: free, loss: cross_entropy")
)


def comparison(
    folder: Path, *overrides: str, curves: bool = False, text: str = pooled.NETWORK
) -> Comparison:
    path = pooled.write(folder, text)
    network = evsim.load(path, overrides)
    plan, real = build(network), build(evsim.load(path, [*overrides, MEMORYLESS]))
    samples = open_samples(network, plan, None, folder)
    return compare(network, plan, real, samples, plan.parameters, 6, step_by_step=curves)


def test_spikes_and_values_follow_the_gradient_through_average_pooling(tmp_path: Path) -> None:
    found = comparison(tmp_path, SMALL, curves=True)
    for name, row in found.rows.items():
        assert row.differences < 1e-5, name
        assert row.real.cosine > 0.999, name
        assert row.real.ratio == pytest.approx(1, abs=0.05), name
        assert row.spiking.cosine > 0.9, name
    for name, curves in found.curves.items():
        assert curves.distance(curves.real) < 0.05, name
        # Steps add up to what learning takes at the end.
        assert np.linalg.norm(curves.gradient[0]) < np.linalg.norm(curves.gradient[-1]), name


@pytest.mark.parametrize("text", [ONE_SIDED, CROSS_ENTROPY], ids=["one-sided", "cross-entropy"])
def test_other_kinds_of_equilibrium_propagation_can_be_checked(tmp_path: Path, text: str) -> None:
    """One-sided updates miss what grows with beta, so beta is small, and spikes say little."""
    found = comparison(tmp_path, "protocol.constants.beta=0.001", text=text)
    for name, row in found.rows.items():
        assert row.differences < 1e-5, name
        assert row.real.cosine > 0.999, name
        assert row.real.ratio == pytest.approx(1, abs=0.05), name


def test_what_is_drawn_in_each_trial_has_no_one_gradient(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Constant 'beta' is drawn in each trial"):
        comparison(tmp_path, "protocol.constants.beta=rand()")


def test_spikes_do_not_follow_the_gradient_through_maxima(tmp_path: Path) -> None:
    found = comparison(tmp_path, "projections.in.pool={max: 2}")
    for name in BELOW:
        assert found.rows[name].differences < 1e-5, name
        assert found.rows[name].real.cosine > 0.9, name
        assert found.rows[name].spiking.cosine < 0.6, name


def test_one_bias_of_a_whole_population_can_be_checked(tmp_path: Path) -> None:
    text = pooled.NETWORK.replace("share: {bias: channel}", "share: {bias: all}")
    found = comparison(tmp_path, SMALL, text=text)
    for name in ("first.bias", "second.bias"):
        assert found.rows[name].differences < 1e-5, name
        assert found.rows[name].real.cosine == pytest.approx(1), name


def test_receivers_decode_values_without_error(tmp_path: Path) -> None:
    """What encoders predict and decoders remember cancels where nothing is rounded to spikes."""
    path = pooled.write(tmp_path)
    network = evsim.load(path)
    plans = [build(network), build(evsim.load(path, [MEMORYLESS]))]
    task = Task(network, plans[0], open_samples(network, plans[0], None, tmp_path), 2)
    found = []
    for plan, value in ((plans[0], None), (plans[1], None), (plans[1], "u")):
        gradients = Gradients(plan, plan.parameters, task, value)
        gradients.run_free(0, 2, gradients.parameters)
        found.append(gradients.twin.state["second", "u"].numpy())
    np.testing.assert_allclose(found[0], found[1], rtol=1e-9)
    np.testing.assert_array_equal(found[1], found[2])


RESET = """\
name: cells
dt: 1*ms
neurons:
  cell:
    equations: |
      dv/dt = (2 - v)/(10*ms) : 1
      level : 1
    threshold: v > 1
    reset: {reset}
    refractory: {refractory}
populations:
  some: {{shape: [3], neuron: cell}}
protocol: {{phases: {{one: {{steps: 8}}}}}}
"""


@pytest.mark.parametrize(
    ("reset", "refractory", "value", "text"),
    [
        ("v = 0", "0*ms", None, "spikes of 'some' stand for no value: its reset, `v = 0`"),
        ("v -= level", "0*ms", None, "spikes of 'some' stand for no value"),
        ("v -= 1", "2*ms", None, "'some' is refractory"),
        ("v = 0", "0*ms", "rate", "'some' spikes and has no variable 'rate'"),
    ],
)
def test_spikes_without_a_value_are_named(
    reset: str, refractory: str, value: str | None, text: str
) -> None:
    code = RESET.format(reset=reset, refractory=refractory)
    if refractory == "0*ms":
        code = code.replace("    refractory: 0*ms\n", "")
    with pytest.raises(EngineError, match="some") as caught:
        meanings(build(parse_text(code)), value)
    assert text in str(caught.value)


def test_a_named_variable_is_sent_as_it_is() -> None:
    code = RESET.format(reset="v = 0", refractory="").replace("    refractory: \n", "")
    (found,) = meanings(build(parse_text(code)), "level").values()
    assert (found.variable, found.amount) == ("level", None)
