"""Time of a step against activity and against size: python tests/perf/scaling.py [--out FILE.png].

Neurons integrate a constant, each from a start of its own, so that a given share of them spikes in
every step; every neuron receives from 20 others. Slopes are those of straight lines: of time
against spikes, and of the logarithms of time and size.
"""

import argparse
import time

import numpy as np

from evsim.build.build import build
from evsim.engines.fused import engine as fused
from evsim.spec.parse import parse_text

NETWORK = """\
name: scaling
dt: 1*ms
precision: float32
neurons:
  cell:
    equations: |
      x : 1
      received : 1
    run: {start: x += ACTIVITY, end: received *= 0.5}
    threshold: x > 1
    reset: x -= 1
populations:
  cells: {shape: [SIZE], neuron: cell, init: {x: rand()}}
projections:
  - {name: net, from: cells, to: cells.received, kind: sparse, in_degree: 20, weights: 0.01}
protocol: {phases: {run: {steps: 100000}}}
"""

ACTIVITIES = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3]
SIZES = [10**3, 10**4, 10**5, 10**6]


def measure(size: int, activity: float) -> tuple[float, float]:
    """Return seconds and spikes of a step, the best of five."""
    text = NETWORK.replace("SIZE", str(size)).replace("ACTIVITY", str(activity))
    simulation = fused.compile(build(parse_text(text))).simulation()
    steps = max(10, 10**7 // size // 10)
    simulation.begin({})
    simulation.enter("run")
    simulation.advance(steps)
    simulation.take_counts()
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        simulation.advance(steps)
        times.append(time.perf_counter() - begun)
    return min(times) / steps, simulation.take_counts()["cells"] / (5 * steps)


def main() -> None:
    """Print both tables with their slopes; draw them where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out")
    out = parser.parse_args().out
    active = np.array([measure(10**4, activity) for activity in ACTIVITIES])
    sized = np.array([measure(size, 0.01) for size in SIZES])
    slope, base = np.polyfit(active[:, 1], active[:, 0], 1)
    power = np.polyfit(np.log(SIZES), np.log(sized[:, 0]), 1)[0]
    print("10,000 neurons, 20 synapses each")
    for activity, (seconds, spikes) in zip(ACTIVITIES, active, strict=True):
        print(f"  activity {activity:7.1%}   {spikes:9.1f} spikes   {1e6 * seconds:9.2f} us a step")
    print(
        f"  {1e6 * base:.2f} us + {1e9 * slope:.1f} ns a spike ({1e9 * slope / 20:.2f} a synapse)"
    )
    print("activity 1 %")
    for size, (seconds, _) in zip(SIZES, sized, strict=True):
        print(
            f"  {size:9,} neurons   {1e6 * seconds:10.2f} us a step"
            f"   {1e9 * seconds / size:.2f} ns each"
        )
    print(f"  time grows with size to the power {power:.2f}")
    if out:
        draw(out, active, sized, (base, slope), power)


def draw(out: str, active: np.ndarray, sized: np.ndarray, line: tuple, power: float) -> None:
    """Write both curves to a PNG."""
    from matplotlib.figure import Figure

    figure = Figure((9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.loglog(active[:, 1], 1e6 * active[:, 0], "o", label="measured")
    spikes = np.geomspace(active[0, 1], active[-1, 1], 50)
    label = f"{1e6 * line[0]:.1f} µs + {1e9 * line[1]:.0f} ns a spike"
    left.loglog(spikes, 1e6 * (line[0] + line[1] * spikes), label=label)
    left.set(xlabel="spikes in a step", ylabel="µs a step", title="10,000 neurons")
    right.loglog(SIZES, 1e6 * sized[:, 0], "o-", label=f"size to the power {power:.2f}")
    right.set(xlabel="neurons", ylabel="µs a step", title="1 % spike in a step")
    for panel in (left, right):
        panel.legend(frameon=False)
        panel.spines[["top", "right"]].set_visible(False)
    figure.savefig(out, dpi=150)


if __name__ == "__main__":
    main()
