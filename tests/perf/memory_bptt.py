"""Peak memory of training against free steps: python tests/perf/memory_bptt.py [--out PNG].

Equilibrium propagation in evsim, and backpropagation through time of the network's real-valued twin
in PyTorch, in single precision. Each figure is a process of its own: the most memory that it holds
while it trains on two batches, less what it held before, with the data loaded and code compiled.
glibc is told to give what is freed back at once, for what it keeps would be counted too.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import evsim
from evsim.analysis.style import COLOURS, save
from evsim.build.build import build
from evsim.orchestrator.report import Reporter
from evsim.simulate import open_samples, run

NETWORK = Path(__file__).parents[2] / "networks/conv_ep.yaml"
STEPS = (25, 50, 100, 200)
BATCHES = (16, 64)
GIVE_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
KINDS = {"ep": "EP, evsim", "bptt": "BPTT, PyTorch"}


class Memory:
    """What the process holds, MiB; see proc(5)."""

    def __init__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")
        self.before = self._read("VmRSS")

    @staticmethod
    def _read(name: str) -> float:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))

    def added(self) -> float:
        """Return the peak since this object was made, less what there was then."""
        return self._read("VmHWM") - self.before


class Start(Reporter):
    """Looks at the memory once the network is compiled."""

    memory: Memory

    def compiled(self, seconds: float) -> None:
        self.memory = Memory()


def network(batch: int, steps: int) -> Any:
    return evsim.load(
        NETWORK,
        [
            "protocol.epochs=1",
            f"protocol.batch={batch}",
            f"protocol.phases.free.steps={steps}",
            f"data.split={{train: {2 * batch}, validation: 0, test: 10}}",
            "protocol.test=null",
            "record.spikes=null",
        ],
    )


def train_ep(batch: int, steps: int) -> float:
    start = Start()
    with tempfile.TemporaryDirectory() as out:
        run(network(batch, steps), out=Path(out), reporter=start)
    return start.memory.added()


def train_bptt(batch: int, steps: int) -> float:
    import torch

    torch.set_num_threads(1)

    from evsim.testing.ep_task import Task
    from evsim.testing.gradients import readout_error
    from evsim.testing.real_twin import RealTwin

    described = network(batch, steps)
    plan = build(described)
    task = Task(described, plan, open_samples(described, plan, None, NETWORK.parent), 2 * batch)
    memory = Memory()
    twin = RealTwin(plan, dtype=torch.float32)
    leaves = {
        name: torch.tensor(values, dtype=torch.float32, requires_grad=True)
        for name, values in plan.parameters.items()
    }
    optimiser = torch.optim.Adam(list(leaves.values()), 1e-3)
    for begin in (0, batch):
        twin.load(leaves)
        twin.begin(task.part(begin, begin + batch), batch)
        for phase in task.free:
            twin.run(phase)
        optimiser.zero_grad()
        readout_error(twin, task, begin, begin + batch).backward()
        optimiser.step()
        twin.load({name: leaf.detach() for name, leaf in leaves.items()})
    return memory.added()


def measure(kind: str, batch: int, steps: int) -> float:
    """Return MiB, from a process of its own."""
    command = [sys.executable, __file__, "--one", kind, str(batch), str(steps)]
    environment = {**os.environ, **GIVE_BACK}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return float(done.stdout.split()[-1])


def draw(figure: Any, found: dict[tuple[str, int], list[float]]) -> None:
    figure.set_size_inches(5.2, 3.4)
    panel = figure.subplots()
    for (kind, batch), values in found.items():
        panel.plot(
            STEPS,
            values,
            color=COLOURS[list(KINDS).index(kind)],
            linestyle="-" if batch == BATCHES[-1] else "--",
            marker="o",
            markersize=4,
            label=f"{KINDS[kind]}, batch {batch}",
        )
    panel.set_xticks(STEPS)
    panel.set_ylim(0)
    panel.set_xlabel("steps of the free phase")
    panel.set_ylabel("memory that training adds (MiB)")
    panel.legend(reverse=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("memory.png"))
    parser.add_argument("--one", nargs=3, metavar=("KIND", "BATCH", "STEPS"))
    options = parser.parse_args()
    if options.one:
        kind, batch, steps = options.one
        train = train_ep if kind == "ep" else train_bptt
        print(train(int(batch), int(steps)))
        return
    found: dict[tuple[str, int], list[float]] = {}
    print(f"| MiB, steps of the free phase | {' | '.join(map(str, STEPS))} |")
    print("|---" * (len(STEPS) + 1) + "|")
    for kind in KINDS:
        measure(kind, BATCHES[0], STEPS[0])  # What is compiled is on disk after that.
        for batch in BATCHES:
            found[kind, batch] = [measure(kind, batch, steps) for steps in STEPS]
            row = " | ".join(f"{value:,.0f}" for value in found[kind, batch])
            print(f"| {KINDS[kind]}, batch {batch} | {row} |", flush=True)
    save(lambda figure: draw(figure, found), options.out)


if __name__ == "__main__":
    main()
