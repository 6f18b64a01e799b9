"""What an early end of the free phase saves: python tests/perf/settling.py FILE WEIGHTS DATA.

Steps and time of a training trial, on one thread, with the free phase as the file has it and ended
early at some tolerances, and the cosine of what is learned with that of phases four and two times
as long.
"""

import sys
import threading
import time
from pathlib import Path

import numpy as np

import evsim
from evsim.analysis.gradients import Agreement
from evsim.build.build import build
from evsim.engines import load
from evsim.orchestrator.trial import Script, Task, run_trial
from evsim.simulate import open_samples

TRIALS, ROUNDS = 32, 5
SETTLE = "protocol.settle={{variables: [u], after: free, early: [{}], tolerance: {}}}"


class Contestant:
    """A network with the same weights and some fields replaced."""

    def __init__(self, file: Path, weights: Path, data: Path, *overrides: str):
        network = evsim.load(file, ["record={}", *overrides])
        self.plan = build(network)
        self.program = load("fused").compile(self.plan)
        with np.load(weights) as stored:
            self.program.load({name: stored[name] for name in stored.files})
        self.samples = open_samples(network, self.plan, data, file.parent)
        self.simulation, self.script = self.program.simulation(), Script.of(network, self.plan)
        self.times: list[float] = []
        self.steps = 0

    def turn(self, trials: int = TRIALS) -> None:
        """Learn from the first samples."""
        begun, self.steps = time.thread_time(), 0
        for n in range(trials):
            task = Task(
                0, "train", n, n, self.samples.label("train", n), self.samples.inputs("train", n)
            )
            phases = tuple(self.plan.phases)
            done = run_trial(self.simulation, self.script, task, phases, True, threading.Event())
            self.steps += done.steps
        self.times.append(1e3 * (time.thread_time() - begun) / trials)

    def learned(self, trials: int = TRIALS) -> dict[str, np.ndarray]:
        """Return what one turn learns."""
        self.simulation.take_gradients()
        self.turn(trials)
        return self.program.gradients(np.asarray(self.simulation.take_gradients(), np.float64))


def main() -> None:
    places = [Path(word) for word in sys.argv[1:4]]
    phases = evsim.load(places[0]).protocol.phases
    longer = [
        f"protocol.phases.{name}.steps={(phase.steps or 0) * (2 if phase.from_ else 4)}"
        for name, phase in phases.items()
    ]
    found = {"as it is": Contestant(*places)}
    found |= {t: Contestant(*places, SETTLE.format("free", t)) for t in ("0.02", "0.03", "0.05")}
    long = Contestant(*places, *longer).learned()
    learned = {name: contestant.learned() for name, contestant in found.items()}
    for _ in range(ROUNDS):
        for contestant in found.values():
            contestant.turn()
    for name, contestant in found.items():
        cosines = {
            key: round(Agreement.of(values, long[key]).cosine, 3)
            for key, values in learned[name].items()
            if "." not in key
        }
        steps, fastest = contestant.steps / TRIALS, min(contestant.times)
        print(f"{name:<10}{steps:6.1f} steps {fastest:6.2f} ms, cosine {cosines}")


if __name__ == "__main__":
    main()
