"""Time to the first result: python tests/perf/startup.py."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
FIRST_BATCH = """
import sys, time
from pathlib import Path
import evsim
from evsim.orchestrator.report import Reporter
class First(Reporter):
    def progress(self, epoch, split, done, total, error, spikes):
        print(time.time(), flush=True)
        sys.stdout.flush()
        import os
        os._exit(0)
evsim.run(evsim.load(sys.argv[1]), out=Path(sys.argv[2]), reporter=First())
"""


def first_batch(cache: str) -> float:
    """Return seconds from the command to the end of the first batch."""
    with tempfile.TemporaryDirectory() as out:
        begun = time.time()
        done = subprocess.run(
            [sys.executable, "-c", FIRST_BATCH, str(ROOT / "networks/conv_ep.yaml"), out],
            env={**os.environ, "EVSIM_CACHE": cache},
            capture_output=True,
            text=True,
            check=True,
        )
        return float(done.stdout) - begun


def main() -> None:
    """Print the times, each the best of three but for the one without cached programs."""
    evsim = Path(sys.executable).with_name("evsim")
    times = []
    for _ in range(3):
        begun = time.time()
        subprocess.run([evsim, "--help"], capture_output=True, check=True)
        times.append(time.time() - begun)
    print(f"evsim --help                         {min(times):6.2f} s")
    with tempfile.TemporaryDirectory() as cache:
        print(f"first batch, nothing compiled yet    {first_batch(cache):6.2f} s")
        best = min(first_batch(cache) for _ in range(3))
        print(f"first batch, programs cached         {best:6.2f} s")


main()
