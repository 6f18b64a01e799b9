"""Cost of writing all spikes of all trials: python tests/perf/recording.py [trials] [rounds]."""

import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import evsim

ROOT = Path(__file__).parents[2]
RECORDED = {
    "none": "record.spikes=null",
    "all": "record.spikes={populations: all, trials: all, encoding: compact}",
}


def run(recorded: str, trials: int) -> tuple[float, int, int]:
    """Train for one epoch; return its seconds, the spikes, and the bytes of the recording."""
    short = [f"data.split.train={trials}", "data.split.test=2", "protocol.epochs=1"]
    short += ["record.weights=null", RECORDED[recorded]]
    with tempfile.TemporaryDirectory() as folder:
        network = evsim.load(ROOT / "networks/conv_ep.yaml", short)
        result = evsim.run(network, out=Path(folder))
        count = sum(row["spikes"] for row in result.metrics)
        size = (result.folder / "recording.h5").stat().st_size
        return result.metrics[0]["seconds"], count, size


def peak(recorded: str, trials: int) -> float:
    """Return the peak memory of a process that trains once, MB."""
    command = [sys.executable, __file__, "--peak", recorded, str(trials)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return int(told.splitlines()[-1]) / 1e3


def main() -> None:
    """Run the same training with and without recording, in turn, and print both."""
    if sys.argv[1:2] == ["--peak"]:
        run(sys.argv[2], int(sys.argv[3]))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        return
    trials, rounds = (int(a) for a in (*sys.argv[1:], "640", "5")[:2])
    seconds: dict[str, list[float]] = {"none": [], "all": []}
    for _ in range(rounds):
        for recorded in seconds:
            taken, count, size = run(recorded, trials)
            seconds[recorded].append(taken)
    none, all_ = (statistics.median(taken) for taken in seconds.values())
    without, with_ = (peak(recorded, trials) for recorded in seconds)
    print(f"{trials} trials, {count / 1e6:.1f} million spikes, {rounds} rounds in turn")
    print(f"no spikes kept   {none:8.2f} s             {without:6.0f} MB at most")
    print(f"all spikes kept  {all_:8.2f} s   {all_ / none:.2f}x   {with_:6.0f} MB at most")
    print(f"bytes a spike    {size / count:8.2f}")


if __name__ == "__main__":
    main()
