"""Windows of plasticity, measured from recordings of rules that are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evsim.analysis.analyze import analyze
from evsim.analysis.network import Unmeasured
from evsim.analysis.plots import plot
from evsim.analysis.stdp import Window, exponential, windows
from evsim.engines.base import Spikes
from evsim.errors import InputError
from evsim.orchestrator.events import PhaseRecord, TrialRecord
from evsim.recording.folder import RunFolder
from evsim.recording.layout import Layout, Parameter, Phase, Population, States, Variable
from evsim.recording.reader import open_run
from evsim.recording.writer import Writer
from tests.helpers.process import evsim as command

SOURCES, TARGETS, STEPS = 12, 3, 4000
NETWORK = f"""\
name: pairs
dt: 1*ms
neurons: {{input: {{model: poisson}}, cell: {{equations: "received : 1", threshold: received > 1}}}}
populations:
  inputs: {{shape: [{SOURCES}], neuron: input, init: {{rates: 20*Hz}}}}
  cells: {{shape: [{TARGETS}], neuron: cell}}
projections:
  - name: synapses
    from: inputs
    to: cells.received
    kind: all_to_all
    weights: 0.5
    learn: stdp
plasticity: {{stdp: {{model: pair_stdp}}}}
protocol:
  keep: [synapses.w]
  trials: 2
  epochs: 2
  phases: {{first: {{steps: {STEPS // 2}}}, second: {{steps: {STEPS // 2}, from: first}}}}
record: {{spikes: {{populations: all}}, weights: {{}}}}
"""
LAYOUT = Layout(
    dt=1e-3,
    precision="float64",
    populations=(Population("inputs", (SOURCES,)), Population("cells", (TARGETS,))),
    spikes=("inputs", "cells"),
    encoding="compact",
    states=(),
    parameters=(Parameter("synapses", (SOURCES * TARGETS,)),),
    phases=(Phase("first", STEPS // 2), Phase("second", STEPS // 2)),
)
SAMPLED = replace(
    LAYOUT,
    parameters=(),
    states=(States("synapses", (Variable("w", "1", "float64", 4),), (0, 5, 17, 35), 50, "start"),),
)
UP, DOWN, SLOW, FAST = 1e-3, -7e-4, 20.0, 12.0
"""The rule's amplitudes, and its time constants in steps: for targets after and before sources."""
NO_DELAYS = np.zeros(SOURCES, int), np.zeros(TARGETS, int)


def rasters(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Spikes of both sides as chance has them, (step, neuron)."""
    return random.random((STEPS, SOURCES)) < 0.02, random.random((STEPS, TARGETS)) < 0.03


def delayed(raster: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """The same spikes, those of each neuron some steps later."""
    late = np.zeros_like(raster)
    for neuron, delay in enumerate(steps):
        late[delay:, neuron] = raster[: STEPS - delay, neuron]
    return late


def learn(pre: np.ndarray, post: np.ndarray, nearest: bool = False) -> np.ndarray:
    """Changes after every step, (step, synapse): by traces, not by pairs."""
    x, y, change = np.zeros(SOURCES), np.zeros(TARGETS), np.zeros((SOURCES, TARGETS))
    found = np.zeros((STEPS, SOURCES * TARGETS))
    for step in range(STEPS):
        change += DOWN * np.outer(pre[step], y)
        x = np.where(pre[step], 1.0 if nearest else x + 1, x)
        change += UP * np.outer(x, post[step])
        y = np.where(post[step], 1.0 if nearest else y + 1, y)
        found[step] = change.ravel()
        x, y = x * np.exp(-1 / SLOW), y * np.exp(-1 / FAST)
    return found


def phases(pre: np.ndarray, post: np.ndarray, w: np.ndarray, layout: Layout) -> list[PhaseRecord]:
    """Both halves of a trial; `w` is (step + 1, synapse), from before the first step on."""
    found, half = [], STEPS // 2
    for number, phase in enumerate(layout.phases):
        part = slice(number * half, (number + 1) * half)
        spikes = {
            name: Spikes(raster[part].sum(1).astype(np.uint32), np.nonzero(raster[part])[1])
            for name, raster in (("inputs", pre), ("cells", post))
            if name in layout.spikes
        }
        states = {}
        for at, entry in enumerate(layout.states):
            shown = (w[:-1] if entry.when == "start" else w[1:])[part][:: entry.every]
            states[at] = {"w": shown[:, list(entry.neurons or ())]}
        found.append(PhaseRecord(phase.name, half, spikes, states))
    return found


def write(
    root: Path,
    layout: Layout,
    network: str = NETWORK,
    nearest: bool = False,
    kept: Callable[[int], bool] = lambda trial: True,
    delays: tuple[np.ndarray, np.ndarray] = NO_DELAYS,
) -> Path:
    """Two epochs of two trials each of pairs that learn; return the run's folder.

    `kept` says of which trials spikes are kept, `delays` how late those of sources and targets
    are at their synapses.
    """
    random = np.random.default_rng(1)
    folder = RunFolder.create(root, "pairs", network, {"file": str(root / "pairs.yaml")})
    weights = np.full(SOURCES * TARGETS, 0.5)
    with Writer.create(folder.recording, layout, {}) as writer:
        if layout.parameters:
            writer.weights(0, {"synapses": weights})
        for trial in range(4):
            pre, post = rasters(random)
            late = [delayed(r, d) for r, d in zip((pre, post), delays, strict=True)]
            w = weights + np.concatenate([np.zeros((1, len(weights))), learn(*late, nearest)])
            weights = w[-1]
            parts = phases(pre, post, w, layout)
            writer.trial(
                TrialRecord(
                    epoch=trial // 2,
                    split="train",
                    index=trial % 2,
                    sample=0,
                    label=-1,
                    predicted=-1,
                    residual=float("nan"),
                    phases=tuple(parts) if kept(trial) else (),
                )
            )
            if trial % 2 and layout.parameters:
                writer.weights(trial // 2 + 1, {"synapses": weights})
    return folder.path


def measured(folder: Path) -> Window:
    with open_run(folder) as run:
        return windows(run)["synapses"]


def assert_known(window: Window, within: float) -> None:
    """The window is the rule's, to within a share of its largest change."""
    after = window.lag >= 0
    height, slow = np.where(after, UP, DOWN), np.where(after, SLOW, FAST)
    expected = height * np.exp(-np.abs(window.lag) * 1e3 / slow)
    assert np.abs(window.change - expected).max() < within * UP


@pytest.mark.parametrize("when", ["start", "end"])
def test_sampled_weights_give_the_rule(tmp_path: Path, when: str) -> None:
    entry = replace(SAMPLED.states[0], when=when)
    window = measured(write(tmp_path, replace(SAMPLED, states=(entry,))))
    assert not window.nearest and window.explained > 0.98
    assert_known(window, 0.1)
    for after, height, tau in ((True, UP, SLOW), (False, DOWN, FAST)):
        assert exponential(window, after) == (
            pytest.approx(height, rel=0.1),
            pytest.approx(tau * 1e-3, rel=0.1),
        )
    # About 97 of the measured bins lie within two standard errors, if those are right.
    off = np.abs(
        window.change
        - np.where(window.lag >= 0, UP, DOWN)
        * np.exp(-np.abs(window.lag) * 1e3 / np.where(window.lag >= 0, SLOW, FAST))
    )
    assert 0.8 < (off < 2 * window.error).mean() <= 1


@pytest.mark.parametrize("every", [1, 50])
def test_delays_are_known(tmp_path: Path, every: int) -> None:
    """Also where weights are sampled before the spikes that were sent arrive."""
    network = NETWORK.replace("weights: 0.5", "weights: 0.5\n    delay: (1 + i)*ms")
    network = network.replace("delay:", "delay_post: 4*ms\n    delay:")
    layout = replace(SAMPLED, states=(replace(SAMPLED.states[0], every=every),))
    delays = 1 + np.arange(SOURCES), np.full(TARGETS, 4)
    window = measured(write(tmp_path, layout, network, delays=delays))
    assert window.explained > 0.98
    assert_known(window, 0.1)


def test_changes_to_which_no_exponential_fits_have_none() -> None:
    lag = np.array([0.00978528, 0.0102767, 0.0132904, 0.04739089])
    change = np.array([1.61877622, -1.20555814e-3, -6.26955471e-1, -1.32066321e-3])
    window = Window(lag, change, np.ones(4), np.array([786, 3, 473, 541]), 1.0, False)
    assert np.isnan(exponential(window, after=True)).all()


def test_pairs_of_all_phases_and_trials_of_an_epoch_count(tmp_path: Path) -> None:
    """72 changes tell 41 bins apart."""
    folder = write(tmp_path, LAYOUT)
    window = measured(folder)
    assert window.explained > 0.99
    assert_known(window, 0.1)
    with open_run(folder) as run:
        spikes = [[run.counts(name, t).sum() for name in run.layout.spikes] for t in range(4)]
    expected = sum(s * t / STEPS for s, t in spikes) * 201
    assert window.pairs.sum() == pytest.approx(expected, rel=0.1)


def test_nearest_spikes_are_found_out(tmp_path: Path) -> None:
    window = measured(write(tmp_path, SAMPLED, nearest=True))
    assert window.nearest and window.explained > 0.98
    assert_known(window, 0.1)
    assert not measured(write(tmp_path, SAMPLED)).nearest


def test_what_always_comes_together_is_not_told_apart(tmp_path: Path) -> None:
    """One synapse, one change, pairs of two lags."""
    layout = replace(LAYOUT, parameters=(Parameter("synapses", (1,)),), spikes=("inputs", "cells"))
    layout = replace(layout, populations=(Population("inputs", (1,)), Population("cells", (1,))))
    text = NETWORK.replace(f"[{SOURCES}]", "[1]").replace(f"[{TARGETS}]", "[1]")
    folder = RunFolder.create(tmp_path, "pairs", text, {"status": "finished"})
    pre, post = np.zeros((STEPS, 1), np.bool_), np.zeros((STEPS, 1), np.bool_)
    pre[[100, 200]] = post[[105, 220]] = True
    with Writer.create(folder.recording, layout, {}) as writer:
        writer.weights(0, {"synapses": np.array([0.5])})
        parts = tuple(phases(pre, post, np.zeros((STEPS + 1, 1)), layout))
        writer.trial(TrialRecord(0, "train", 0, 0, -1, -1, float("nan"), parts))
        writer.weights(1, {"synapses": np.array([0.7])})
    window = measured(folder.path)
    assert window.lag.tolist() == pytest.approx([-0.095, 0.005, 0.02])
    assert np.isnan(window.change).all() and window.pairs.tolist() == [1, 1, 1]
    assert np.isnan(exponential(window, after=True)).all()


@pytest.mark.parametrize(
    ("layout", "change", "message"),
    [
        (replace(LAYOUT, spikes=("cells",)), {}, "the spikes of 'inputs' are not kept"),
        (replace(LAYOUT, parameters=()), {}, "its weights are not kept over time"),
        (LAYOUT, {", from: first": ""}, "'second' does not go on from phase 'first'"),
        (LAYOUT, {"epochs: 2": "epochs: 2\n  batch: 2\n  reduce: mean"}, "is averaged"),
        (
            LAYOUT,
            {"from: first": "from: first, repeat: {until: spikes(cells) > 0, at_most: 2}"},
            "phases are repeated",
        ),
    ],
)
def test_what_is_missing_is_said(
    tmp_path: Path, layout: Layout, change: dict[str, str], message: str
) -> None:
    text = NETWORK
    for old, new in change.items():
        text = text.replace(old, new)
    with open_run(write(tmp_path, layout, text)) as run:
        with pytest.raises(Unmeasured, match=f"'synapses' cannot be measured: .*{message}"):
            windows(run)


PAIRED = "{model: pair_stdp}"
AT_END = "{at_end: {second: g += 1}, update: {rate: 1}}"


@pytest.mark.parametrize(
    ("change", "instead"),
    [
        ({PAIRED: AT_END}, "write code at spikes .* that changes `w` for plasticity 'stdp'"),
        ({"    learn: stdp\n": "", PAIRED: AT_END}, "give a projection `learn`"),
    ],
)
def test_a_figure_says_what_it_takes_for_weights_to_change_at_spikes(
    tmp_path: Path, change: dict[str, str], instead: str
) -> None:
    text = NETWORK.replace("  keep: [synapses.w]\n", "")
    for old, new in change.items():
        assert old in text
        text = text.replace(old, new)
    with open_run(write(tmp_path, LAYOUT, text)) as run:
        with pytest.raises(InputError, match=f"no weights that change at spikes.*\n *{instead}"):
            plot(run, "stdp_window", tmp_path / "window.png")


def test_epochs_with_unknown_spikes_are_left_out(tmp_path: Path) -> None:
    folder = write(tmp_path, LAYOUT, kept=lambda trial: trial != 1)
    half = measured(folder).pairs.sum()
    assert half == pytest.approx(measured(write(tmp_path, LAYOUT)).pairs.sum() / 2, rel=0.1)
    with open_run(write(tmp_path, LAYOUT, kept=lambda trial: trial in (0, 3))) as run:
        with pytest.raises(Unmeasured, match="no epoch kept the spikes of all its training"):
            windows(run)


def test_tables_that_cannot_be_made_are_told_of_or_asked_for_in_vain(tmp_path: Path) -> None:
    folder = write(tmp_path, replace(LAYOUT, spikes=("cells",)))
    done = command("analyze", folder)
    assert done.code == 0
    assert "Left out: stdp_fit, stdp_window. The window of projection" in done.err
    assert "`record: {spikes: {populations: all}}`" in done.err
    done = command("analyze", folder, "stdp_window")
    assert done.code == 2 and "the spikes of 'inputs' are not kept" in done.err
    with open_run(folder) as run:
        left: dict[str, InputError] = {}
        assert "activity" in analyze(run, left_out=left.__setitem__)
        reasons = {name: str(why) for name, why in left.items() if "window" in str(why)}
        assert set(reasons) == {"stdp_window", "stdp_fit"}


def test_a_network_file_that_was_spoilt_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path, LAYOUT)
    (folder / "network.yaml").write_text("name: [")
    with open_run(folder) as run, pytest.raises(Unmeasured, match="network.yaml' cannot be used"):
        windows(run)
    (folder / "network.yaml").unlink()
    with open_run(folder) as run:
        assert windows(run) == {}


def test_the_window_that_ships_is_that_of_its_rule(tmp_path: Path, root: Path) -> None:
    """`pair_stdp` on the engine: amplitudes 0.005 and -0.00525, 20 ms."""
    file = root / "networks" / "stdp_window.yaml"
    done = command("run", file, "--out", tmp_path, "--quiet", "--threads", "1")
    assert done.code == 0, done.err
    folder = Path(done.out.strip())
    with open_run(folder) as run:
        found = analyze(run, ["stdp_window", "stdp_fit"])
        plot(run, "stdp_window", tmp_path / "window.svg")
    window, fit = found["stdp_window"], found["stdp_fit"]
    after, before = (dict(zip(fit.columns, row, strict=True)) for row in fit.rows)
    assert (after["target"], after["pairs"], before["pairs"]) == ("after", 500, 500)
    assert after["amplitude"] == pytest.approx(0.005, rel=0.01)
    assert before["amplitude"] == pytest.approx(-0.00525, rel=0.01)
    for side in (after, before):
        assert side["time constant"] == pytest.approx(0.02, rel=0.005)
        assert side["explained"] > 0.99
    together = window.rows[window.column("lag").index(0.0)]
    assert together[2:4] == (5, pytest.approx(0.005)), "source first, where both spike in a step"
    drawn = (tmp_path / "window.svg").read_text()
    assert drawn.startswith("<?xml") and drawn.count('<g id="line2d') > 4
