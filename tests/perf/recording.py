"""Cost of writing all spikes of all trials: python tests/perf/recording.py [trials] [rounds]."""

import statistics
import sys
import tempfile
from pathlib import Path

import evsim

ROOT = Path(__file__).parents[2]


def main() -> None:
    """Run the same training with and without recording, in turn, and print both."""
    trials, rounds = (int(a) for a in (*sys.argv[1:], "640", "5")[:2])
    short = [f"data.split.train={trials}", "data.split.test=2", "protocol.epochs=1"]
    short += ["record.weights=null"]
    everything = "record.spikes={populations: all, trials: all, encoding: compact}"
    seconds: dict[str, list[float]] = {"none": [], "all": []}
    for _ in range(rounds):
        for name, spikes in (("none", "record.spikes=null"), ("all", everything)):
            with tempfile.TemporaryDirectory() as folder:
                network = evsim.load(ROOT / "networks/conv_ep.yaml", [*short, spikes])
                result = evsim.run(network, out=Path(folder))
                seconds[name].append(result.metrics[0]["seconds"])
                count = sum(row["spikes"] for row in result.metrics)
                size = (result.folder / "recording.h5").stat().st_size
    none, all_ = (statistics.median(seconds[name]) for name in ("none", "all"))
    print(f"{trials} trials, {count / 1e6:.1f} million spikes, {rounds} rounds in turn")
    print(f"no spikes kept   {none:8.2f} s")
    print(f"all spikes kept  {all_:8.2f} s   {all_ / none:.2f}x")
    print(f"bytes a spike    {size / count:8.2f}")


main()
