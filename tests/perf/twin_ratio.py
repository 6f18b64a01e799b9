"""Time per synaptic add of networks unlike conv_ep: python tests/perf/twin_ratio.py [rounds]."""

import statistics
import sys
import time
from pathlib import Path

import evsim
from evsim.build.build import build
from evsim.engines import load
from evsim.simulate import open_samples

ROOT = Path(__file__).parents[2]
TWIN = "tests/networks/perturbed_conv_ep.yaml"
WIDE = ("populations.edges.shape=[33, 9, 9]", "populations.parts.shape=[65, 7, 7]")
NETWORKS = {
    "conv_ep": ("networks/conv_ep.yaml", ()),
    "twin of its width": (TWIN, WIDE),
    "twin as in the tests, a fifth of the work": (TWIN, ()),
}


class Network:
    """A compiled network with one sample, timed over its first phase."""

    def __init__(self, path: Path, overrides: tuple[str, ...]):
        network = evsim.load(path, overrides)
        self.plan = build(network)
        self.simulation = load("fused").compile(self.plan).simulation()
        self.inputs = open_samples(network, self.plan, None, path.parent).inputs("train", 0)
        self.phase = next(iter(self.plan.phases.values()))
        self.turn()
        self.simulation.take_counts()
        self.turn()
        self.adds = self._adds(self.simulation.take_counts())

    def turn(self) -> float:
        """Return seconds of one phase."""
        self.simulation.begin(self.inputs)
        self.simulation.enter(self.phase.name)
        begun = time.perf_counter()
        self.simulation.advance(self.phase.steps)
        return time.perf_counter() - begun

    def _adds(self, counts: dict[str, int]) -> float:
        total = 0.0
        for p in self.plan.projections.values():
            if p.sends == "spikes":
                ends = [p.source, p.target] if p.feedback_variable else [p.source]
                for name in ends:
                    fan_out = p.geometry.synapse_count / self.plan.populations[name].size
                    total += counts[name] * fan_out
        return total


def main() -> None:
    """Time the networks in turn and print ratios to the first."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    networks = {name: Network(ROOT / file, sets) for name, (file, sets) in NETWORKS.items()}
    times: dict[str, list[float]] = {name: [] for name in networks}
    for _ in range(rounds):
        for name, network in networks.items():
            times[name].append(network.turn())
    base: list[float] = []
    print(f"{'ns per synaptic add':<44}{'best':>8}{'median':>8}{'ratios':>14}")
    for name, network in networks.items():
        each = [pick(times[name]) / network.adds * 1e9 for pick in (min, statistics.median)]
        base = base or each
        ratios = " ".join(f"{a / b:.2f}x" for a, b in zip(each, base, strict=True))
        print(f"{name:<44}{each[0]:>8.4f}{each[1]:>8.4f}{ratios:>14}")


main()
