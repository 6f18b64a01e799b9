"""Time per synaptic add of an unlike network: python tests/perf/twin_ratio.py [rounds]."""

import statistics
import sys
import time
from pathlib import Path

import evsim
from evsim.build.build import build
from evsim.engines import load
from evsim.simulate import open_samples

ROOT = Path(__file__).parents[2]
FILES = ("networks/conv_ep.yaml", "tests/networks/perturbed_conv_ep.yaml")


class Network:
    """A compiled network with one sample, timed over its first phase."""

    def __init__(self, path: Path):
        network = evsim.load(path)
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
    """Time both networks in turn and print the ratio."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    networks = [Network(ROOT / name) for name in FILES]
    times: list[list[float]] = [[], []]
    for _ in range(rounds):
        for network, found in zip(networks, times, strict=True):
            found.append(network.turn())
    for pick, what in ((min, "best"), (statistics.median, "median")):
        each = [pick(t) / n.adds * 1e9 for t, n in zip(times, networks, strict=True)]
        print(
            f"{what:>7}  ns per synaptic add: {each[0]:.4f} and {each[1]:.4f}, "
            f"ratio {each[1] / each[0]:.2f}"
        )


main()
