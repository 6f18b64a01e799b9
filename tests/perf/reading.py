"""Reading a large recording: python tests/perf/reading.py [million spikes] [rounds].

Writes spikes of 9,216 neurons over trials of 200 steps, a tenth of all neurons in every step, then
reads the raster of one trial and the mean rate of every neuron over the whole file, each in a
process of its own that opens the file first. The pages of the file are in the system's cache.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import evsim
from evsim.engines.base import Spikes
from evsim.orchestrator.events import PhaseRecord, TrialRecord
from evsim.recording.layout import Encoding, Layout, Phase, Population
from evsim.recording.writer import Writer

SHAPE, STEPS, ACTIVITY, DIFFERENT = (64, 12, 12), 200, 0.1, 8


def layout(encoding: Encoding) -> Layout:
    """Return one population whose spikes are kept."""
    return Layout(
        dt=1e-3,
        precision="float32",
        populations=(Population("conv1", SHAPE),),
        spikes=("conv1",),
        encoding=encoding,
        states=(),
        parameters=(),
        phases=(Phase("free", STEPS),),
    )


def trials() -> list[Spikes]:
    """Return the spikes of a few trials, which the file repeats."""
    random, size, found = np.random.default_rng(0), int(np.prod(SHAPE)), []
    for _ in range(DIFFERENT):
        raster = random.random((STEPS, size)) < ACTIVITY
        found.append(Spikes(raster.sum(1).astype(np.uint32), np.nonzero(raster)[1].astype("u4")))
    return found


def write(path: Path, encoding: Encoding, spikes: int) -> tuple[int, int]:
    """Write at least so many spikes; return how many, and the trials."""
    different, done, number = trials(), 0, 0
    with Writer.create(path, layout(encoding), {}) as writer:
        while done < spikes:
            sent = different[number % DIFFERENT]
            phases = (PhaseRecord("free", STEPS, {"conv1": sent}),)
            writer.trial(TrialRecord(0, "train", number, number, -1, -1, float("nan"), phases))
            done, number = done + len(sent.neuron), number + 1
    return done, number


def read(path: Path, what: str) -> dict[str, float]:
    """Open a recording and read part of it."""
    begun = time.perf_counter()
    with evsim.open(path) as run:
        if what == "raster":
            assert run.spikes("conv1", len(run.trials) // 2).raster().nnz
        else:
            assert np.histogram(run.rates("conv1"), 100)[0].sum() == np.prod(SHAPE)
    seconds = time.perf_counter() - begun
    return {"seconds": seconds, "MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3}


def main() -> None:
    """Write once an encoding, read in turn."""
    if sys.argv[1:2] == ["read"]:
        import scipy.sparse  # noqa: F401

        import evsim.recording.reader  # noqa: F401  What follows is about files, not imports.

        print(json.dumps(read(Path(sys.argv[2]), sys.argv[3])))
        return
    millions, rounds = (int(a) for a in (*sys.argv[1:], "50", "5")[:2])
    for encoding in ("compact", "plain"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "recording.h5"
            begun = time.perf_counter()
            spikes, number = write(path, encoding, millions * 1_000_000)
            wrote = time.perf_counter() - begun
            size = path.stat().st_size / spikes
            print(f"{encoding}: {spikes / 1e6:.1f} million spikes of {number} trials")
            print(f"  written in {wrote:.1f} s, {size:.2f} bytes a spike")
            for what, title in (("raster", "raster of a trial"), ("rates", "rates of all")):
                command = [sys.executable, __file__, "read", str(path), what]
                found = [json.loads(subprocess.check_output(command)) for _ in range(rounds)]
                seconds = statistics.median(one["seconds"] for one in found)
                memory = statistics.median(one["MB"] for one in found)
                print(f"  {title:<18} {seconds * 1e3:8.0f} ms, peak memory {memory:.0f} MB")


if __name__ == "__main__":
    main()
