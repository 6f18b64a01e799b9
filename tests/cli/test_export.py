"""`evsim export-brian2`: scripts that need Brian2 only and spike as the network does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evsim
from evsim.build.build import build
from evsim.engines.base import Simulation
from evsim.engines.reference import engine as reference
from evsim.errors import InputError
from evsim.export import export_brian2, script_of
from evsim.simulate import open_samples
from evsim.spec.parse import parse_text
from evsim.spec.schema import Network
from tests.helpers import tiny
from tests.helpers.process import evsim as command

ROOT = Path(__file__).resolve().parent.parent.parent
SMALL = {"brunel": ("populations.excitatory.shape=[1000]", "populations.inhibitory.shape=[250]")}
FILES = sorted((ROOT / "networks").rglob("*.yaml"))

RUN = """\
import runpy, sys
import numpy as np
from brian2 import SpikeMonitor, StateMonitor, Synapses
made = runpy.run_path(sys.argv[1])
assert not [name for name in sys.modules if name.split(".")[0] == "evsim"]
found = {}
def keep(phase, name, states):
    if "i" in states:
        steps = np.rint(np.array(states["t"] / made["dt"]))
        found[f"{phase}/{name}"] = np.array([steps, states["i"]], int)
for phase, monitors in made.get("recorded", {}).items():
    for name, states in monitors.items():
        keep(phase, name, states)
for thing in made.values():
    if isinstance(thing, SpikeMonitor):
        keep("end", thing.name, thing.get_states())
    if isinstance(thing, StateMonitor):
        for name in thing.record_variables:
            found[f"states/{thing.name}/{name}"] = np.array(getattr(thing, name + "_"))
    if isinstance(thing, Synapses) and "w" in thing.variables:
        found[f"w/{thing.name}"] = np.array(thing.w_[:])
for name, values in made.get("g", {}).items():
    found[f"g/{name}"] = values
np.savez(sys.argv[2], **found)
"""


def run_script(network: Network, folder: Path, trial: int = 0) -> dict[str, Any]:
    """Export a network and run the script as its reader would; return what it leaves."""
    script, found = folder / "exported.py", folder / "found.npz"
    export_brian2(network, script, trial=trial)
    words = [sys.executable, "-c", RUN, str(script), str(found)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return dict(np.load(found))


class Reference:
    """One trial on the reference engine.

    Attributes
    ----------
    spikes : phase -> population -> (2, spike), steps and neurons, of the trial up to its end.
    """

    def __init__(self, network: Network, trial: int = 0, attempts: int = 1):
        plan = build(network)
        samples = open_samples(network, plan, None, Path(network.source.name).parent)
        self.program = reference.compile(plan, "numpy")
        self.simulation: Simulation = self.program.simulation()
        self.simulation.begin(samples.inputs("train", trial))
        self.spikes: dict[str, dict[str, Any]] = {}
        last = None
        for attempt in range(attempts):
            for name in plan.phases:
                phase = plan.phases[name].variant(True, attempt)
                self.simulation.enter(name, attempt)
                self.simulation.advance(phase.steps, record=True)
                self.simulation.learn(name)
                before = self.spikes.get(phase.start or "", {})
                sent = {
                    population: np.array(
                        [np.repeat(phase.first + np.arange(phase.steps), s.count), s.neuron], int
                    )
                    for population, s in self.simulation.take_spikes().items()
                }
                self.spikes[name] = {
                    p: np.concatenate([before.get(p, np.zeros((2, 0), int)), s], axis=1)
                    for p, s in sent.items()
                }
                self.simulation.leave()
                last = name
        self.spikes["end"] = self.spikes[str(last)]

    def gradients(self) -> dict[str, Any]:
        return self.program.gradients(np.asarray(self.simulation.take_gradients(), np.float64))


def assert_same_spikes(found: dict[str, Any], expected: Reference, least: int = 20) -> None:
    """Compare every phase, spike for spike."""
    compared = 0
    for key, spikes in found.items():
        phase, _, monitor = key.partition("/")
        if phase not in expected.spikes:
            continue
        wanted = expected.spikes[phase][monitor.removesuffix("_spikes")]
        np.testing.assert_array_equal(spikes, wanted, err_msg=key)
        compared += spikes.shape[1]
    assert compared >= least


def load(name: str, *overrides: str) -> Network:
    return evsim.load(ROOT / "networks" / f"{name}.yaml", overrides)


def test_lif_current(tmp_path: Path) -> None:
    network = load(
        "lif_current", "protocol.phases.step.duration=100*ms", "record.states.0.every=10"
    )
    expected = Reference(network)
    found = run_script(network, tmp_path)
    assert_same_spikes(found, expected)
    assert not list(tmp_path.glob("exported.npz")), "everything is written down"
    assert found["states/cells_states/v"].shape == (3, 100)
    assert found["states/cells_states/v"][0, 0] == -0.07


def test_cuba(tmp_path: Path) -> None:
    small = ("populations.excitatory.shape=[80]", "populations.inhibitory.shape=[20]")
    dense = [f"projections.{at}.probability=0.3" for at in range(4)]
    network = load(
        "cuba", *small, *dense, "protocol.phases.run.duration=30*ms", "neurons.cell.method=euler"
    )
    assert_same_spikes(run_script(network, tmp_path), Reference(network), 25)


TINY = ("protocol.phases.free.steps=30", "protocol.phases.plus.steps=15") + (
    "protocol.phases.minus.steps=15",
)


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("dense_ep", ("populations.hidden.shape=[20]",)),
        ("conv_ep", ("populations.conv1.shape=[2, 12, 12]", "populations.conv2.shape=[3, 4, 4]")),
    ],
)
def test_equilibrium_propagation(name: str, overrides: tuple[str, ...], tmp_path: Path) -> None:
    network = load(name, *overrides, *TINY)
    expected = Reference(network, trial=3)
    found = run_script(network, tmp_path, trial=3)
    assert_same_spikes(found, expected, 300)
    gradients = expected.gradients()
    assert len(gradients) > 3
    for parameter, values in gradients.items():
        assert np.abs(values).max() > 0
        np.testing.assert_allclose(found[f"g/{parameter}"], values, rtol=1e-9, atol=1e-12)


STDP = """\
name: pair
dt: 0.1*ms
precision: float64
neurons:
  cell:
    equations: |
      dv/dt = (drive - v)/(5*ms) : 1
      drive : 1 (constant)
    threshold: v > 1
    reset: v = 0
populations:
  sources: {shape: [6], neuron: cell, init: {drive: 1.2 + 0.1*i}}
  targets: {shape: [3], neuron: cell, init: {drive: 1.05}}
projections:
  - {name: plastic, from: sources, to: targets.v, kind: all_to_all, weights: 0.4*rand(),
     delay: 3*ms*rand(), delay_post: 0.5*ms, learn: stdp}
  - {name: fixed, from: sources, to: targets.v, kind: sparse, probability: 0.5, weights: 0.05,
     delay: 1.2*ms}
  - {name: back, from: targets, to: sources.v, kind: all_to_all, weights: -0.1}
plasticity:
  stdp:
    parameters: {tau: 20*ms, step: 0.02}
    equations: |
      dx/dt = -x/tau : 1 (event-driven)
      dy/dt = -y/tau : 1 (event-driven)
    on_pre: |
      x += step
      w = clip(w - plastic*y, 0, 1)
    on_post: |
      y += step
      w = clip(w + plastic*x, 0, 1)
protocol: {trials: 1, constants: {plastic: 1}, phases: {show: {duration: 80*ms}}}
"""


def test_synapses_that_learn_at_spikes_with_delays(tmp_path: Path) -> None:
    network = parse_text(STDP)
    expected = Reference(network)
    found = run_script(network, tmp_path)
    assert_same_spikes(found, expected, 100)
    learned = expected.simulation.get("plastic", "w")
    assert np.abs(learned - build(network).parameters["plastic"].ravel()).max() > 0.01
    np.testing.assert_array_equal(found["w/plastic"], learned)


APART = """\
name: apart
dt: 0.1*ms
precision: float64
neurons:
  cell:
    equations: |
      dv/dt = (drive - v)/(5*ms) : 1
      drive : 1 (constant)
      w : 1
    threshold: v > 1
    reset: v = 0
populations:
  sources: {shape: [1, 4, 4], neuron: cell, init: {drive: 1.2 + 0.1*i}}
  targets: {shape: [2, 2, 2], neuron: cell, init: {drive: 1.05}}
  last: {shape: [3], neuron: cell, init: {drive: 0.9}}
projections:
  - {name: conv, from: sources, to: targets.v, kind: conv, kernel: 1, weights: 0.4*rand(),
     stride: 2, symmetric: true, learn: hebb}
  - {name: out, from: targets, to: last.v, kind: dense, weights: 0.2*rand(),
     learn: hebb, delay: 1*ms}
  - {name: none, from: targets, to: last.v, kind: sparse, probability: 0.0, weights: 0}
plasticity:
  hebb:
    equations: |
      dx/dt = -x/(10*ms) : 1 (clock-driven)
    on_pre: "x += 1"
    on_post: "g += x*rate"
    method: exact
    parameters: {rate: 0.1}
    update: {rate: 0.1}
protocol:
  trials: 1
  phases:
    a: {duration: 10*ms}
    b: {duration: 20*ms, from: a, set: {targets.drive: 1.3}}
    c: {steps: 100, from: a}
    d: {steps: 100}
record:
  spikes: {populations: all, phases: [b]}
"""


def test_code_at_spikes_that_adds_to_g(tmp_path: Path) -> None:
    """It stands beside shared, symmetric weights; the trial starts anew; one phase is recorded."""
    network = parse_text(APART)
    expected = Reference(network)
    found = run_script(network, tmp_path)
    for name, (steps, neurons) in expected.spikes["b"].items():
        late = np.array([steps, neurons])[:, steps >= 100]
        assert late.size
        np.testing.assert_array_equal(found[f"b/{name}_spikes"], late)
        assert not found[f"d/{name}_spikes"].size
    for parameter, values in expected.gradients().items():
        assert np.abs(values).max() > 0
        np.testing.assert_allclose(found[f"g/{parameter}"], values, rtol=1e-9, atol=1e-12)


EVERYTHING = """\
name: everything
dt: 0.5*ms
precision: float64
arrays:
  wave: {values: [0, 1, 0.5, 2], dt: 5*ms, unit: nA}
neurons:
  cell:
    equations: |
      dv/dt = (-v + resistance*total)/tau : volt (unless refractory)
      total = wave(t) + received + extra*gain + push : amp
      received : amp
      extra : amp (shared)
      push : amp
      high : boolean
      crossings : 1
    threshold: v > limit
    reset: v = 0*mV
    refractory: 2*ms
    method: euler
    events: {rise: v > 0.5*limit and not high}
    on_event: {rise: "high = True; crossings += 1"}
    run: {end: "push = 0.99*push", resets: "high = v > 0.4*limit"}
    parameters: {resistance: 10*Mohm, tau: 10*ms, limit: 8*mV}
  level:
    equations: "x : 1"
    run: {before_groups: "x = 0.5 + 0.5*sin(50*t/second + i)"}
populations:
  tone: {shape: [3], spikes: {times: [1*ms, 3*ms, 4*ms], neurons: [0, 2, 1], period: 10*ms}}
  first: {shape: [2, 2], neuron: cell, init: {v: 1*mV*i}}
  second_: {shape: [4], neuron: cell, set: {limit: 5*mV}, share: {push: all}, init: {push: 0.1*nA}}
  levels: {shape: [5], neuron: level}
  "class": {shape: [2], values: x}
projections:
  - {name: levels_in, from: levels.x, to: first.received, kind: dense, sends: value,
     weights: 0.1*nA*rand()}
  - {name: tones, from: tone, to: second_.v, kind: sparse, weights: 1*mV,
     pairs: [[0, 1], [0, 2], [2, 3]]}
  - {name: across, from: first, to: second_.v, kind: one_to_one, weights: 2*mV, symmetric: true}
  - {name: again, from: levels.x, to: first.received, kind: dense, sends: value, weights: 0.05*nA}
  - {name: aside, from: second_, to: first.v, kind: all_to_all, weights: 0.3*mV,
     self_connections: false}
protocol:
  constants: {base: 1, gain: base*(1 + 0.5*k**-0.5)}
  phases:
    calm: {duration: 20*ms, set: {first.extra: 0.5*nA}}
    loud:
      steps: 40
      from: calm
      set: {base: 2, first.extra: 1*nA/k, second_.extra: 0.7*nA, first.push: 0.2*nA*base}
    soft: {steps: 40, from: calm, set: {first.extra: 0.8*nA, second_.extra: 0.6*nA}}
    late: {steps: 20, from: loud}
record:
  spikes: {populations: [first, second_]}
  states:
    - {population: first, variables: [v, crossings], neurons: [0, 3], when: end}
"""


def test_everything_at_once(tmp_path: Path) -> None:
    """Events, replay, arrays, sums of values, settings that differ by phase and by step."""
    network = parse_text(EVERYTHING)
    expected = Reference(network)
    found = run_script(network, tmp_path)
    assert_same_spikes(found, expected, 100)
    for name in ("v", "crossings"):
        states = found[f"states/first_states/{name}"]
        np.testing.assert_array_equal(states[:, -1], expected.simulation.get("first", name)[[0, 3]])
        assert states[:, -1].min() > 0


REPEAT = """\
name: again
dt: 1*ms
precision: float64
neurons:
  cell:
    equations: |
      dv/dt = (drive - v)/(10*ms) : 1
      drive : 1 (shared)
    threshold: v > 1
    reset: v = 0
populations: {cells: {shape: [2], neuron: cell}}
protocol:
  trials: 1
  constants: {level: 0.9, half: level/2}
  phases:
    show: {steps: 50, set: {cells.drive: half}}
    rest:
      steps: 5
      from: show
      repeat: {from: show, until: spikes(cells) >= 2, set: {level: level + 0.5}, at_most: 9}
"""


def test_phases_are_repeated_until_their_condition_holds(tmp_path: Path) -> None:
    network = parse_text(REPEAT)
    found = run_script(network, tmp_path)
    expected = Reference(network, attempts=4)
    assert_same_spikes(found, expected, 2)
    assert found["end/cells_spikes"][0].min() > 3 * 55, "only the fourth level is enough"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_network_has_a_script(file: Path, official_folder: Callable[[str], Path]) -> None:
    network = evsim.load(file, SMALL.get(file.stem, ()))
    folder = None
    if network.data is not None and network.data.subset == "full":
        folder = official_folder(network.data.name.replace("_", "-"))
    script = script_of(network, data_dir=folder)
    compile(script.text, file.stem, "exec")
    assert "evsim" not in script.text
    assert max(map(len, script.text.splitlines())) <= 130
    assert script.notes == ()


def test_what_a_script_leaves_out_is_told(tmp_path: Path) -> None:
    more = ("weights.mismatch=0.1", "data.augment={x: {shift: 1}}")
    script = script_of(tiny.load(tiny.write(tmp_path), *more))
    assert [("mismatch" in note, "augment" in note) for note in script.notes] == [
        (True, False),
        (False, True),
    ]


@pytest.mark.parametrize("name", ["poisson_stdp", "stdp_pair", "winner_take_all"])
def test_scripts_of_networks_run(name: str, tmp_path: Path) -> None:
    network = evsim.load(ROOT / "networks" / f"{name}.yaml")
    short = [f"protocol.phases.{phase}.duration=20*ms" for phase in network.protocol.phases]
    run_script(evsim.load(ROOT / "networks" / f"{name}.yaml", short), tmp_path)


def test_files_are_replaced_only_by_force(tmp_path: Path) -> None:
    file, out = ROOT / "networks" / "lif_current.yaml", tmp_path / "lif.py"
    done = command("export-brian2", file, "--out", out)
    assert (done.code, done.out.split()) == (0, [str(out)])
    out.write_text("mine")
    done = command("export-brian2", file, "--out", out)
    assert done.code == 2
    assert f"'{out}' exists" in done.err and "--force" in done.err
    assert out.read_text() == "mine"
    assert command("export-brian2", file, "--out", out, "--force").code == 0
    assert "NeuronGroup" in out.read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "x.txt"], "'.py'"),
        (["--trial", "3"], "no trial 3"),
        (["--out", "no/such/folder/x.py"], "cannot be written"),
    ],
)
def test_wrong_options_are_bad_input(words: list[str], message: str) -> None:
    done = command("export-brian2", ROOT / "networks" / "lif_current.yaml", *words)
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("drive : 1 (constant)", "drive = binomial(3, 0.5) : 1 (constant over dt)", "binomial"),
        ("plastic: 1", "plastic: int(2 > 1)", "'int(2 > 1)' is more than arithmetic"),
    ],
)
def test_what_a_script_cannot_say_is_refused(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    text = STDP.replace(old, new)
    if "binomial" in new:
        text = text.replace("init: {drive: 1.2 + 0.1*i}", "init: {}")
        text = text.replace("init: {drive: 1.05}", "init: {}")
    with pytest.raises(InputError, match="network:[0-9]+|<text>") as caught:
        export_brian2(parse_text(text), tmp_path / "x.py")
    assert message in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    text = (ROOT / "networks" / "dense_ep.yaml").read_text()
    text = text.replace("    model: contrast\n", '    every_step: {plus: "g += u_pre*u_post"}\n', 1)
    file = tmp_path / "dense.yaml"
    file.write_text(text)
    done = command("export-brian2", file, "--out", tmp_path / "x.py")
    assert done.code == 0, done.err
    assert "The learning of input is left out: its code runs in every step." in done.out
    assert "learning of input is left out" in " ".join((tmp_path / "x.py").read_text().split())
