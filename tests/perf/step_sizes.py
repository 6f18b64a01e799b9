"""What a trial learns, by how it steps: python tests/perf/step_sizes.py FILE WEIGHTS DATA.

Cosine, and ratio of lengths, of what is learned from some trials with what the same weights learn
in phases so long that they settle, and the time of a trial on one thread.
"""

import sys
from pathlib import Path

import numpy as np
from settling import Contestant

from evsim.analysis.gradients import Agreement

TRIALS, ROUNDS = 256, 2
FIXED = "neurons.unit={model: sigma_delta}"
OWN = "neurons.unit={{model: sigma_delta_kesten, parameters: {{gain: {}, delay: {}}}}}"
LENGTHS = ("free", "plus", "minus")


def phases(free: int, nudged: int, last: int = 10) -> list[str]:
    """Return overrides that set the steps of the phases, and how many are averaged."""
    steps = zip(LENGTHS, (free, nudged, nudged), strict=True)
    found = [f"protocol.phases.{name}.steps={count}" for name, count in steps]
    return found + [f"protocol.phases.{name}.average.last={last}" for name in LENGTHS[1:]]


def fixed(eps: float) -> list[str]:
    """Return overrides for steps that are the same for all neurons."""
    return [FIXED, f"protocol.constants.eps={eps}"]


def own(gain: float, delay: float) -> list[str]:
    """Return overrides for steps of each neuron's own."""
    return [OWN.format(gain, delay)]


def main() -> None:
    places = [Path(word) for word in sys.argv[1:4]]
    rows = {
        "eps 0.5, 100 + 50 steps": [*fixed(0.5), *phases(100, 50)],
        "eps 0.5, 60 + 30 steps": [*fixed(0.5), *phases(60, 30)],
        "eps 1, 60 + 30 steps": [*fixed(1), *phases(60, 30)],
        "own, 4.02 and 5.28, 60 + 30 steps": [*own(4.02, 5.28), *phases(60, 30)],
        "own, 10 and 5, 100 + 50 steps": [*own(10, 5), *phases(100, 50)],
        "own, 10 and 5, 60 + 30 steps": [*own(10, 5), *phases(60, 30)],
        "own, 10 and 5, 40 + 20 steps": [*own(10, 5), *phases(40, 20)],
    }
    settled = Contestant(*places, *fixed(0.5), *phases(1500, 600, 100)).learned(TRIALS)
    for name, overrides in rows.items():
        contestant = Contestant(*places, *overrides)
        learned = contestant.learned(TRIALS)
        for _ in range(ROUNDS):
            contestant.turn(TRIALS)
        found = {key: Agreement.of(learned[key], settled[key]) for key in settled if "." not in key}
        texts = (f"{key} {a.cosine:.3f} x{a.ratio:.2f}" for key, a in found.items())
        print(f"{name:<36}{np.min(contestant.times):6.2f} ms  {'  '.join(texts)}", flush=True)


if __name__ == "__main__":
    main()
