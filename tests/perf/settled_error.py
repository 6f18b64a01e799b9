"""Errors of trained weights by how tests step: settled_error.py FILE WEIGHTS DATA [SAMPLES].

Tests the first samples of the test split, and as many of the training split, in free phases that
step otherwise than those of the training; prints errors, the mean residual (how far `u` moves in
the last ten steps) and the share of trials above the tolerance.
"""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from settling import Contestant
from step_sizes import fixed

from evsim.orchestrator.trial import Outcome, Task, run_trial

THREADS = 2


def outcomes(contestant: Contestant, split: str, samples: int) -> list[Outcome]:
    """Return what becomes of the first samples of a split."""

    def share(first: int) -> list[Outcome]:
        simulation, found = contestant.program.simulation(), []
        for n in range(first, samples, THREADS):
            label, inputs = contestant.samples.label(split, n), contestant.samples.inputs(split, n)
            task = Task(0, split, n, n, label, inputs)
            script = contestant.script
            found.append(run_trial(simulation, script, task, ("free",), False, threading.Event()))
        return found

    with ThreadPoolExecutor(THREADS) as pool:
        return [one for part in pool.map(share, range(THREADS)) for one in part]


def main() -> None:
    places = [Path(word) for word in sys.argv[1:4]]
    samples = int((*sys.argv[4:], "10000")[0])
    for eps, steps in ((1, 60), (1, 200), (0.7, 60), (0.5, 60), (0.5, 100), (0.5, 200)):
        overrides = [*fixed(eps), f"protocol.phases.free.steps={steps}"]
        contestant = Contestant(*places, *overrides)
        settle = contestant.script.settle
        texts = []
        for split in ("train", "test"):
            found = [one.record for one in outcomes(contestant, split, samples)]
            error = np.mean([one.predicted != one.label for one in found])
            residual = np.array([one.residual for one in found])
            texts.append(f"{split} {error:.2%}, residual {residual.mean():.3f}")
            if settle is not None:
                texts[-1] += f", {np.mean(residual > settle.tolerance):.1%} unsettled"
        print(f"eps {eps:<4} {steps:>4} steps: " + "; ".join(texts), flush=True)


if __name__ == "__main__":
    main()
