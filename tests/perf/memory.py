"""Peak memory of training on all of MNIST: python tests/perf/memory.py [folder of data sets]."""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
RUN = """
import resource, sys
from pathlib import Path
import evsim
network = evsim.load(sys.argv[1], sys.argv[4:])
evsim.run(network, out=Path(sys.argv[2]), data_dir=Path(sys.argv[3]) if sys.argv[3] else None)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def peak(data: str, *overrides: str) -> float:
    """Return MiB."""
    with tempfile.TemporaryDirectory() as out:
        path = str(ROOT / "networks/paper/mnist_conv_ep.yaml")
        command = [sys.executable, "-c", RUN, path, out, data, *overrides]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return float(done.stdout.split()[-1])


def main() -> None:
    """Print peaks for more steps and trials, the data set being loaded whole each time."""
    data = sys.argv[1] if len(sys.argv) > 1 else ""
    base = ["protocol.epochs=1", "data.split.test=1000"]
    print("training trials   steps of the free phase   peak MiB")
    for trials, steps in ((500, 100), (2000, 100), (500, 400)):
        overrides = [f"data.split.train={trials}", f"protocol.phases.free.steps={steps}"]
        print(f"{trials:15}   {steps:23}   {peak(data, *base, *overrides):8.0f}")


main()
