"""Compare with a hand-written script: python tests/perf/prototype.py SCRIPT DATA [WEIGHTS].

SCRIPT defines `Network` with `run(images, labels, learn)`, `p`, the parameters, and `load(folder,
split)`; its layers are those of networks/paper/mnist_conv_ep.yaml. Both train on the same images
with the same weights in turn; the weights do not move.
"""

import importlib.util
import sys
import time
from pathlib import Path

import numpy as np

import evsim
from evsim.build.build import build
from evsim.engines import load
from evsim.orchestrator.train import Pass, Run
from evsim.simulate import cores, open_samples

ROOT = Path(__file__).parents[2]
BATCH = 64


def main() -> None:
    """Time batches of 64 trials with learning code on all cores, in turn."""
    script, data = sys.argv[1:3]
    weights = sys.argv[3] if len(sys.argv) > 3 else None
    spec = importlib.util.spec_from_file_location("rival", script)
    assert spec is not None and spec.loader is not None
    rival = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(rival)
    images, labels = rival.load(data, "train")
    theirs = rival.Network(100, 50, 10, 0.2, 0.5, -0.75, shards=cores())
    network = evsim.load(ROOT / "networks/paper/mnist_conv_ep.yaml")
    plan = build(network)
    parameters = dict(np.load(weights)) if weights else dict(plan.parameters)
    for name, value in (("w1", "k1"), ("w2", "k2")):
        theirs.p[name][:] = parameters[value].transpose(2, 3, 1, 0).reshape(theirs.p[name].shape)
    # Their dense layer counts (row, column, channel), ours (channel, row, column).
    dense = parameters["out"].reshape(64, 4, 4, 10).transpose(1, 2, 0, 3)
    theirs.p["w3"][:] = dense.reshape(theirs.p["w3"].shape)
    for name, value in (("b1", "conv1"), ("b2", "conv2"), ("b3", "digit")):
        theirs.p[name][:] = parameters[f"{value}.bias"]
    program = load("fused").compile(plan)
    program.load(parameters)
    samples = open_samples(network, plan, Path(data).parent, ROOT)
    times: dict[str, list[float]] = {"rival": [], "evsim": []}
    theirs.run(images[:4], labels[:4], learn=True)
    with Trials(network, program, samples) as trials:
        trials.batch(0)
        for number in range(12):
            pick = slice(number * BATCH, (number + 1) * BATCH)
            begun = time.perf_counter()
            theirs.run(images[pick], labels[pick], learn=True)
            times["rival"].append(time.perf_counter() - begun)
            begun = time.perf_counter()
            trials.batch(number * BATCH)
            times["evsim"].append(time.perf_counter() - begun)
    for name, found in times.items():
        print(
            f"{name:6}  best {min(found) / BATCH * 1e3:.3f} ms a trial, "
            f"median {np.median(found) / BATCH * 1e3:.3f}"
        )
    print(f"ratio of medians {np.median(times['rival']) / np.median(times['evsim']):.2f}")


class Trials:
    """Batches of training trials as the orchestrator runs them, without updates."""

    def __init__(self, network, program, samples):  # type: ignore[no-untyped-def]
        import threading
        from concurrent.futures import ThreadPoolExecutor

        from evsim.orchestrator.report import Reporter

        self.run = Run(
            network, program, samples, None, Path(), Reporter(), threading.Event(), cores()
        )
        for _ in range(cores()):
            self.run.idle.put(program.simulation())
        self.pool = ThreadPoolExecutor(cores())
        self.order = np.arange(samples.size("train"))
        self.stage = Pass("train", tuple(program.plan.phases), True, BATCH)

    def __enter__(self) -> "Trials":
        return self

    def __exit__(self, *error: object) -> None:
        self.pool.shutdown()

    def batch(self, first: int) -> None:
        """Run one batch and add up its gradients."""
        self.run._batch(self.pool, self.stage, self.order, range(first, first + BATCH))


main()
