"""The command line as its users meet it: output, exit codes, errors without tracebacks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from evsim.errors import EvsimError, Interrupted, RunError
from evsim.spec import schema
from evsim_cli.main import main

HEAVY = ("brian2", "numba", "scipy", "matplotlib", "torch", "h5py", "pooch")
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
populations: {cells: {shape: [4], neuron: lif, init: {drive: 2*i/N}}}
protocol: {trials: 1, phases: {current: {duration: 10*ms}}}
"""


def evsim(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from evsim_cli.main import main; main()", *map(str, words)],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "100", **environment},
        timeout=120,
    )


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["schema"], ["--version"]])
def test_light_commands_import_nothing_heavy(words: list[str]) -> None:
    script = (
        "import sys, atexit\n"
        f"atexit.register(lambda: print('LOADED', *[m for m in {HEAVY!r} if m in sys.modules]))\n"
        "from evsim_cli.main import main\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "LOADED"


def test_help_names_every_command() -> None:
    text = evsim("--help").stdout
    for name in (
        "run",
        "resume",
        "check",
        "explain",
        "schema",
        "export-brian2",
        "info",
        "plot",
        "data",
    ):
        assert f" {name} " in text


def test_schema_describes_network_files() -> None:
    printed = json.loads(evsim("schema").stdout)
    assert {"name", "dt", "populations", "protocol"} <= set(printed["properties"])


def test_data_list_shows_the_embedded_digits() -> None:
    lines = evsim("data", "list").stdout.splitlines()
    assert any(line.split()[:4] == ["mnist", "embedded", "5000", "1000"] for line in lines)


@pytest.mark.parametrize("command", ["run", "check", "explain"])
def test_missing_file_is_bad_input(command: str) -> None:
    done = evsim(command, "nowhere.yaml")
    assert done.returncode == 2
    assert "nowhere.yaml" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["run", "check", "explain"])
def test_every_fault_of_a_file_is_reported_at_its_place(tmp_path: Path, command: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(NETWORK.replace("threshold", "treshold").replace("trials: 1", "trials: -1"))
    done = evsim(command, path)
    assert done.returncode == 2
    assert f"{path}:8:5" in done.stderr
    assert "threshold" in done.stderr
    assert f"{path}:11:" in done.stderr
    assert "Traceback" not in done.stderr


def test_faults_of_overrides_are_bad_input(tmp_path: Path) -> None:
    path = tmp_path / "good.yaml"
    path.write_text(NETWORK)
    done = evsim("check", path, "--set", "protocol.trails=3")
    assert done.returncode == 2
    assert "trails" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [["run"], ["run", "x.yaml", "--engine", "warp"], ["fly"], ["run", "x.yaml", "--threads", "0"]],
)
def test_wrong_usage_is_bad_input(words: list[str]) -> None:
    done = evsim(*words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [["info"], ["resume"], ["plot"]])
def test_what_is_no_run_is_bad_input(tmp_path: Path, command: list[str]) -> None:
    words = [*command, tmp_path, *(["raster"] if command == ["plot"] else [])]
    done = evsim(*words)
    assert done.returncode == 2, done.stderr
    assert str(tmp_path) in done.stderr
    assert "Traceback" not in done.stderr


def test_unreachable_data_says_where_to_put_files(tmp_path: Path) -> None:
    done = evsim("data", "get", "npz")
    assert done.returncode == 2
    assert "nothing to get" in done.stderr


@pytest.fixture
def failing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[BaseException], tuple[int, str]]:
    """Run a command that meets the given exception; return its exit code and message."""

    def run(error: BaseException) -> tuple[int, str]:
        def fail() -> None:
            raise error

        monkeypatch.setattr(schema, "json_schema", fail)
        monkeypatch.setattr(sys, "argv", ["evsim", "schema"])
        with pytest.raises(SystemExit) as caught:
            main()
        return int(caught.value.code or 0), capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RunError("The disk is full."), 1),
        (EvsimError("No."), 1),
        (Interrupted("Saved."), 130),
        (KeyboardInterrupt(), 130),
    ],
)
def test_errors_end_with_their_exit_code(
    failing: Callable[[BaseException], tuple[int, str]], error: BaseException, code: int
) -> None:
    found, message = failing(error)
    assert found == code
    assert str(error) in message
    assert "Traceback" not in message


def test_unexpected_errors_ask_for_a_report(
    failing: Callable[[BaseException], tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EVSIM_DEBUG", raising=False)
    code, message = failing(ZeroDivisionError("odd"))
    assert code == 1
    assert "ZeroDivisionError: odd" in message
    assert "report" in message
    assert "Traceback" not in message
    monkeypatch.setenv("EVSIM_DEBUG", "1")
    assert "Traceback" in failing(ZeroDivisionError("odd"))[1]
