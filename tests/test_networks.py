"""Every network file runs from the command line, shortened, and leaves a readable recording."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from brian2.codegen.generators.numpy_generator import NumpyCodeGenerator
from brian2.core.functions import DEFAULT_FUNCTIONS, FunctionImplementation

import evsim
from evsim import engines
from evsim.build.build import build
from evsim.engines.base import Simulation
from tests.helpers.process import evsim as command

ROOT = Path(__file__).resolve().parent.parent
FILES = [
    *sorted((ROOT / "networks").rglob("*.yaml")),
    *(ROOT / "tests" / "networks").glob("*.yaml"),
]
SHORT = (
    "protocol.epochs=1",
    "data.split.train=20",
    "data.split.test=10",
    "record.spikes.trials=3",
)
SMALL = {"brunel": ("populations.excitatory.shape=[1000]", "populations.inhibitory.shape=[250]")}
"""What makes a network small enough for a test."""


def run(file: Path, out: Path, *overrides: str) -> Path:
    """Run a network; return its folder."""
    words = [word for override in overrides for word in ("--set", override)]
    done = command("run", file, "--out", out, "--quiet", "--threads", "2", *words)
    assert done.code == 0, done.err
    return Path(done.out.strip())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_network_runs(file: Path, tmp_path: Path, official_folder: Callable[[str], Path]) -> None:
    network = evsim.load(file)
    data = network.data
    if data is not None and data.subset == "full":
        folder = official_folder(data.name.replace("_", "-"))
        words = ("--data-dir", str(folder))
    else:
        words = ()
    long = [name for name, phase in network.protocol.phases.items() if phase.duration]
    short = SHORT if data else [f"protocol.phases.{name}.duration=100*ms" for name in long]
    short = (*short, *SMALL.get(file.stem, ()))
    overrides = [word for entry in short for word in ("--set", entry)]
    done = command("run", file, "--out", tmp_path, "--quiet", "--threads", "2", *words, *overrides)
    assert done.code == 0, done.err
    folder = Path(done.out.strip())
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert rows[0]["spikes"] > 0
    with evsim.open(folder) as recording:
        assert recording.closed
        assert recording.metrics == rows
        assert sum(row["trials"] for row in rows) == len(recording.trials)
        assert len(recording.recorded) > 0
        for name in recording.layout.spikes:
            trains = recording.spikes(name, 0)
            step, neuron = trains.step, trains.neuron
            assert (np.diff(step) >= 0).all()
            assert neuron.max(initial=0) < recording.layout.population(name).size
        if data is not None:
            assert [row["split"] for row in rows] == ["train", "test"]
            assert 0 <= rows[-1]["error"] <= 1
            assert 0 <= rows[0].get("error", 0) <= 1, "votes begin after a block of trials"
            parameters = [parameter.name for parameter in recording.layout.parameters]
            for name in parameters:
                before, after = recording.weights(name, 0), recording.weights(name, 1)
                assert np.isfinite(after).all()
                assert (before != after).any(), f"{name} learns"
    with h5py.File(folder / "recording.h5", "r") as plain:
        assert len(plain["trials/split"]) == sum(row["trials"] for row in rows)


def test_lif_current_gives_the_rates_of_its_header(root: Path, tmp_path: Path) -> None:
    folder = run(root / "networks" / "lif_current.yaml", tmp_path)
    with evsim.open(folder) as recording:
        neuron = recording.spikes("cells", 0).neuron
        count = np.bincount(neuron, minlength=5)
        assert count[:2].tolist() == [0, 0]
        drive = np.array([25, 30, 35])
        rate = 1 / (0.002 + 0.010 * np.log(drive / (drive - 20)))
        np.testing.assert_allclose(count[2:], rate, atol=1)
        step, v = recording.states("cells", "v", 0)
        assert v.shape == (len(step), 3)
        assert v[-1, 0] == pytest.approx(-0.05, abs=1e-4), "0.2 nA lead up to the threshold only"


def test_conv_ep_learns(root: Path, tmp_path: Path) -> None:
    """400 images suffice to be right far more often than by chance, 10 %."""
    overrides = ("data.split.train=400", "data.split.test=100", "protocol.epochs=2", SHORT[-1])
    folder = run(root / "networks" / "conv_ep.yaml", tmp_path, *overrides)
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["split"] == "test"
    assert rows[-1]["error"] < 0.4
    train = [row["loss"] for row in rows if row["split"] == "train"]
    assert train[1] < 0.8 * train[0]


def start(file: Path, engine: str, how: str) -> Simulation:
    """Enter the phase of a network that needs no data, on an engine."""
    simulation = engines.load(engine).compile(build(evsim.load(file)), how).simulation()
    simulation.begin({})
    simulation.enter("run")
    return simulation


@pytest.mark.parametrize(("name", "functions"), [("cuba", "libm"), ("izhikevich_cortex", "own")])
def test_networks_from_the_literature_are_brian2s_bit_by_bit(
    root: Path, name: str, functions: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if functions == "libm":
        # With AVX-512 NumPy has exponentials of its own: Brian2 gets the C library's, too.
        exp = DEFAULT_FUNCTIONS["exp"].implementations
        library = FunctionImplementation(name="exp", code=np.vectorize(math.exp, otypes=[float]))
        monkeypatch.setitem(exp._implementations, NumpyCodeGenerator, library)
    found, voltages = [], []
    for engine, how in (("fused", functions), ("reference", "numpy")):
        simulation = start(root / "networks" / f"{name}.yaml", engine, how)
        simulation.advance(150, record=True)
        found.append(simulation.take_spikes())
        voltages.append(simulation.get("excitatory", "v"))
    for population, spikes in found[0].items():
        assert spikes.neuron.size > 20
        np.testing.assert_array_equal(spikes.count, found[1][population].count)
        np.testing.assert_array_equal(spikes.neuron, found[1][population].neuron)
    np.testing.assert_array_equal(*voltages)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("cuba", 5, 7), ("cobahh", 30, 45), ("izhikevich_cortex", 6, 9)],
)
def test_networks_from_the_literature_are_active_as_their_headers_say(
    root: Path, name: str, low: float, high: float
) -> None:
    """Spikes a second and neuron, until the end of the second."""
    file = root / "networks" / f"{name}.yaml"
    simulation = start(file, "fused", "own")
    steps = build(evsim.load(file)).phases["run"].steps
    simulation.advance(steps, record=True)
    spikes = simulation.take_spikes()["excitatory"]
    assert low < spikes.neuron.size / simulation.get("excitatory", "v").size < high
    late = spikes.count[steps // 2 :]
    assert late.sum() > 0.2 * spikes.count.sum(), "the activity goes on"


def test_stdp_pair_strengthens_what_comes_before_and_weakens_what_comes_after(
    root: Path, tmp_path: Path
) -> None:
    with evsim.open(run(root / "networks" / "stdp_pair.yaml", tmp_path)) as recording:
        _, w = recording.states("synapse", "w", 0)
        assert w[999, 0] == pytest.approx(0.5 + 0.2 * np.exp(-0.5), rel=0.01)
        assert w[-1, 0] == pytest.approx(w[999, 0] - 0.21 * np.exp(-0.5), rel=0.02)


def test_stdp_window_is_the_published_one(root: Path, tmp_path: Path) -> None:
    with evsim.open(run(root / "networks" / "stdp_window.yaml", tmp_path)) as recording:
        change = recording.weights("synapse", 1).ravel() - 0.5
    lag = (np.arange(201) - 100) * 0.5
    window = np.where(lag >= 0, 0.025 * np.exp(-lag / 20), -0.02625 * np.exp(lag / 20))
    np.testing.assert_allclose(change, window, atol=1e-9)


def test_poisson_stdp_makes_weights_compete(root: Path, tmp_path: Path) -> None:
    short = "protocol.phases.run.duration=60*second"
    with evsim.open(run(root / "networks" / "poisson_stdp.yaml", tmp_path, short)) as recording:
        share = np.histogram(recording.weights("synapses", 1) / 0.01, [0, 0.2, 0.8, 1.001])[0] / 1e3
        rate = recording.spikes("cell", 0).neuron
    assert share[0] > 0.3, "many weights end near 0"
    assert share[2] > 0.2, "many near the largest"
    assert 10 < len(rate) / 60 < 60


@pytest.mark.slow
def test_brunel_fires_asynchronously_at_the_published_rate(root: Path) -> None:
    file = root / "networks" / "brunel.yaml"
    tenth = ["protocol.phases.run.duration=400*ms"]
    simulation = engines.load("fused").compile(build(evsim.load(file, tenth))).simulation()
    simulation.begin({})
    simulation.enter("run")
    simulation.advance(4000, record=True)
    count = simulation.take_spikes()["excitatory"].count[1000:]
    assert count.sum() / 10_000 / 0.3 == pytest.approx(37.7, rel=0.1)
    assert count.reshape(-1, 10).sum(1).max() < 2000, "never many neurons in one millisecond"


def test_winner_take_all_has_one_winner(root: Path, tmp_path: Path) -> None:
    with evsim.open(run(root / "networks" / "winner_take_all.yaml", tmp_path)) as recording:
        sent = recording.spikes("cells").counts().sum(axis=0)
    assert sent[6] > 0.9 * sent.sum()
