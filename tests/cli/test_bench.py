"""`evsim bench` as run in a shell."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from evsim.errors import InputError
from evsim.recording.parameters import read_parameters
from evsim_cli.main import main

LIF = str(Path(__file__).parents[2] / "networks/lif_current.yaml")
SHORT = ["--set", "protocol.phases.step.duration=50*ms", "--rounds", "2", "--threads", "1"]


def bench(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["evsim", "bench", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_figures_of_every_round(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(monkeypatch, LIF, *SHORT, "--against", "none", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["microseconds"]["evsim, 1 thread"]["all"]) == 2
    assert 0 < found["activity"]["cells"] < 0.01


def test_unknown_contestant_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(monkeypatch, LIF, "--against", "brain2") == 2
    assert "did you mean 'brian2'" in capsys.readouterr().err


def test_weights_of_another_network_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    np.savez(tmp_path / "w.npz", other=np.zeros(3))
    assert bench(monkeypatch, LIF, "--weights", str(tmp_path / "w.npz")) == 2
    assert "holds no parameter of this network" in capsys.readouterr().err


def damaged(path: Path) -> None:
    np.savez(path, **{"in": np.zeros((2, 3))})
    path.write_bytes(path.read_bytes()[:-30])


def bare(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def texts(path: Path) -> None:
    np.savez(path, **{"in": np.array(["a", "b"])})


@pytest.mark.parametrize(
    ("write", "text"),
    [
        (damaged, "cannot be read as weights: "),
        (bare, "cannot be read as weights: it is one array"),
        (texts, "holds no real numbers at 'in'"),
    ],
)
def test_files_that_hold_no_weights_are_refused(
    tmp_path: Path, write: Callable[[Path], None], text: str
) -> None:
    path = tmp_path / "w.npz"
    write(path)
    with pytest.raises(InputError) as caught:
        read_parameters(path, {"in": np.zeros((2, 3))})
    assert f"'{path}' {text}" in str(caught.value)


def test_code_that_reads_the_number_of_a_neuron_is_timed_without_a_twin(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    code = ["--set", "neurons.cell.run={end: v += 1e-6*i*mV}", "--against", "torch"]
    assert bench(monkeypatch, LIF, *SHORT, *code) == 0
    assert "Leaving out torch: there is no dense code for `i`." in capsys.readouterr().out


@pytest.mark.parametrize("name", ["cuba", "izhikevich_cortex"])
def test_networks_without_a_dense_twin_are_timed_without_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], root: Path, name: str
) -> None:
    pytest.importorskip("torch")
    file = str(root / "networks" / f"{name}.yaml")
    assert bench(monkeypatch, file, "--rounds", "1", "--trials", "1", "--against", "torch") == 0
    printed = capsys.readouterr().out
    assert "Leaving out torch: there " in printed and "evsim, 1 thread" in printed
