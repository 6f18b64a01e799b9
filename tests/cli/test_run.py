"""A small network from the command line: run, look at, interrupt, resume."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

EVSIM = [sys.executable, "-c", "from evsim_cli.main import main; main()"]
NETWORK = """\
name: current
dt: 0.1*ms
neurons:
  lif:
    equations: |
      dv/dt = (drive - v)/(10*ms) : 1
      drive : 1 (constant)
    threshold: v > 1
    reset: v = 0
populations: {cells: {shape: [4], neuron: lif, init: {drive: 2*i}}}
protocol: {trials: 2, phases: {current: {duration: 20*ms}}}
record: {spikes: {populations: all}}
"""


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("network") / "current.yaml"
    path.write_text(NETWORK)
    return path


def evsim(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*EVSIM, *map(str, words)], capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def run(network: Path) -> Path:
    """The folder of a finished run."""
    done = evsim("run", network, "--out", network.parent / "recordings", "--quiet")
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


def test_run_prints_the_folder_of_its_recording(run: Path, network: Path) -> None:
    assert run.parent == network.parent / "recordings" / "current"
    assert (run / "recording.h5").is_file()
    assert (run / "network.yaml").read_text() == NETWORK


def test_run_tells_its_story_in_json(network: Path) -> None:
    done = evsim("run", network, "--out", network.parent / "recordings", "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["event"] for event in events][-1] == "finished"
    assert {"started", "epoch"} <= {event["event"] for event in events}


def test_runs_never_share_a_folder(run: Path, network: Path) -> None:
    done = evsim("run", network, "--out", network.parent / "recordings", "--quiet")
    assert Path(done.stdout.strip()) != run


def test_info_summarises_the_run(run: Path) -> None:
    done = evsim("info", run)
    assert done.returncode == 0, done.stderr
    assert "cells" in done.stdout


def test_plot_draws_the_raster(run: Path) -> None:
    done = evsim("plot", run, "raster")
    assert done.returncode == 0, done.stderr
    picture = Path(done.stdout.strip())
    assert picture.parent == run
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_trials_to_plot_are_counted_from_0(run: Path) -> None:
    done = evsim("plot", run, "raster", "--trial", "-1")
    assert done.returncode == 2
    assert "--trial" in done.stderr and "Traceback" not in done.stderr


def test_check_prints_sizes(network: Path) -> None:
    done = evsim("check", network)
    assert done.returncode == 0, done.stderr
    assert ["cells", "4", "4"] in [line.split() for line in done.stdout.splitlines()]


def test_overrides_reach_the_network(network: Path) -> None:
    done = evsim("check", network, "--set", "populations.cells.shape=[2, 3]")
    assert ["cells", "2", "x", "3", "6"] in [line.split() for line in done.stdout.splitlines()]


@pytest.mark.parametrize("engine", ["fused", "reference"])
def test_explain_prints_the_captured_code_and_the_engine(network: Path, engine: str) -> None:
    done = evsim("explain", network, "--engine", engine)
    assert done.returncode == 0, done.stderr
    assert "drive" in done.stdout
    assert f"engine: {engine}" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_run_resumes(network: Path, number: signal.Signals) -> None:
    words = ["run", str(network), "--out", str(network.parent / "recordings"), "--json"]
    words += ["--set", "protocol.epochs=100"]
    with subprocess.Popen([*EVSIM, *words], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        folder, epochs = "", []
        for event in map(json.loads, process.stdout):
            folder = event.get("folder", folder)
            if event["event"] == "epoch":
                epochs.append(event["epoch"])
                if len(epochs) == 1:
                    process.send_signal(number)
        assert process.wait(timeout=60) == 130
    resumed = evsim("resume", folder, "--json")
    assert resumed.returncode == 0, resumed.stderr
    events = map(json.loads, resumed.stdout.splitlines())
    epochs += [event["epoch"] for event in events if event["event"] == "epoch"]
    assert epochs == list(range(100))
