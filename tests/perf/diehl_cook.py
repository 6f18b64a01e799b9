"""A training image of Diehl and Cook's network in evsim and in BindsNET, in turn, on one thread.

    python tests/perf/diehl_cook.py [rounds]

Both simulate 350 ms in steps of 0.5 ms with 784 inputs and 400 neurons that learn; BindsNET (to be
installed beside evsim) runs its DiehlAndCook2015, whose inhibition and neurons are simpler.
"""

import statistics
import sys
import time
from pathlib import Path

import evsim
from evsim.build.build import build
from evsim.engines.fused import engine as fused
from evsim.simulate import open_samples

ROOT = Path(__file__).parents[2]
IMAGES = 8


def main() -> None:
    """Print the median time of an image in both."""
    import torch
    from bindsnet.encoding import poisson
    from bindsnet.models import DiehlAndCook2015

    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    network = evsim.load(ROOT / "networks/diehl_cook.yaml")
    plan = build(network)
    samples = open_samples(network, plan, None, ROOT / "networks")
    images = [samples.inputs("train", index) for index in range(IMAGES)]
    simulation = fused.compile(plan).simulation()
    torch.set_num_threads(1)
    model = DiehlAndCook2015(n_inpt=784, n_neurons=400, dt=0.5, inpt_shape=(1, 28, 28))
    times: dict[str, list[float]] = {"evsim": [], "BindsNET": []}
    for number in range(rounds * IMAGES):
        inputs = images[number % IMAGES]
        simulation.begin(inputs, number)
        begun = time.perf_counter()
        simulation.enter("show")
        simulation.advance(plan.phases["show"].steps)
        times["evsim"].append(time.perf_counter() - begun)
        rates = torch.tensor(inputs["image", "level"].reshape(1, 28, 28) * 63.75)
        spikes = poisson(datum=rates, time=350, dt=0.5)
        begun = time.perf_counter()
        model.run(inputs={"X": spikes}, time=350)
        times["BindsNET"].append(time.perf_counter() - begun)
        model.reset_state_variables()
    for name, found in times.items():
        ratio = statistics.median(found) / statistics.median(times["evsim"])
        print(f"{name:10} {1e3 * statistics.median(found):8.1f} ms an image   {ratio:6.1f}x")


main()
