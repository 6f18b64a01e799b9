"""The dense PyTorch twin computes what the fused engine computes."""

from pathlib import Path

import numpy as np
import pytest

import evsim
from evsim.build.build import build
from evsim.engines import load
from tests.helpers import pooled

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'evsim[torch]'")
torch.set_num_threads(1)  # Two wait for each other where other tests keep the cores busy.

ROOT = Path(__file__).parents[2]
STEPS = 12


@pytest.mark.parametrize("folded", [False, True])
@pytest.mark.parametrize("name", ["networks/conv_ep", "tests/networks/perturbed_conv_ep"])
def test_twin_equals_fused_engine(name: str, folded: bool) -> None:
    from evsim.testing.torch_twin import TorchTwin

    plan = build(evsim.load(ROOT / f"{name}.yaml"))
    phase = next(iter(plan.phases))
    source, variable = plan.inputs[0]
    image = np.random.default_rng(1).uniform(0, 1, plan.populations[source].size)
    simulation = load("fused").compile(plan).simulation()
    simulation.begin({(source, variable): image})
    simulation.enter(phase)
    simulation.advance(STEPS)
    twin = TorchTwin(plan, plan.parameters, 2, folded)
    twin.begin({(source, variable): np.stack([image, image])})
    twin.advance(phase, STEPS)
    for population in plan.populations.values():
        if population.neuron is not None:
            expected = simulation.get(population.name, variable)
            for found in twin.get(population.name, variable):
                # Rounding may move a single spike by a step, which changes few neurons.
                close = np.abs(found.ravel() - expected) < 1e-4
                assert close.mean() > 0.95


def test_maxima_and_the_way_back_through_them_equal_the_fused_engine(tmp_path: Path) -> None:
    from evsim.testing.torch_twin import TorchTwin

    plan = build(evsim.load(pooled.write(tmp_path), ["projections.in.pool={max: 2}"]))
    image = np.random.default_rng(1).uniform(0, 1, 100)
    simulation = load("fused").compile(plan).simulation()
    simulation.begin({("image", "u"): image})
    simulation.enter("free")
    simulation.advance(STEPS)
    twin = TorchTwin(plan, plan.parameters, 2, False)
    twin.begin({("image", "u"): np.stack([image, image])})
    twin.advance("free", STEPS)
    for name in ("first", "second", "digit"):
        for found in twin.get(name, "decoded"):
            close = np.abs(found.ravel() - simulation.get(name, "decoded")) < 1e-4
            assert close.mean() > 0.95
