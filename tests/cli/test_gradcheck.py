"""`evsim gradcheck` as run in a shell."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from evsim_cli.main import main
from tests.helpers import pooled

QUICK = ("--trials", "2", "--set", "protocol.phases.free.steps=30")
MEMORYLESS = ("--twin", "protocol.constants.lam=1")


def gradcheck(monkeypatch: pytest.MonkeyPatch, *words: str | Path) -> int:
    monkeypatch.setattr("sys.argv", ["evsim", "gradcheck", *map(str, words)])
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def test_figures_and_a_drawing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    picture = tmp_path / "gdu.png"
    file = pooled.write(tmp_path)
    assert gradcheck(monkeypatch, file, *QUICK, *MEMORYLESS, "--figure", picture, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["trials"] == 2
    assert found["spikes"]["first"] == {"variable": "carry", "amount": 1.0}
    assert set(found["parameters"]["in"]) == {"spiking", "real", "differences"}
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    assert gradcheck(monkeypatch, pooled.write(tmp_path), *QUICK) == 0
    printed = capsys.readouterr().out.splitlines()
    assert "spikes    digit: 1 of carry, first: 1 of carry, second: 1 of carry" in printed
    (row,) = (line.split() for line in printed if line.startswith("second.bias"))
    assert len(row) == 6 and float(row[3]) > 0.9


def test_steps_of_a_twin_that_remembers_are_not_compared(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    picture = tmp_path / "gdu.png"
    assert gradcheck(monkeypatch, pooled.write(tmp_path), *QUICK, "--figure", picture) == 2
    printed = capsys.readouterr().err
    assert ".decoded' remembers steps before" in printed and "--twin" in printed
    assert not picture.exists()


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("readout: {predict: argmax(digit.u), after: free, label: kind}\n", "", "no variable is"),
        ("after: free,", "after: plus,", "learning code runs at the end of 'minus', 'plus'"),
        ("{model: contrast,", "{every_step: {plus: g += u_pre*u_post},", "in every step"),
        ("minus: {steps: 50, from: free,", "minus: {steps: 50, from: plus,", "end of 'minus'"),
    ],
)
def test_networks_without_a_gradient_are_refused(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    old: str,
    new: str,
    text: str,
) -> None:
    pytest.importorskip("torch")
    assert old in pooled.NETWORK
    file = pooled.write(tmp_path, pooled.NETWORK.replace(old, new))
    assert gradcheck(monkeypatch, file, *QUICK) == 2
    printed = capsys.readouterr().err
    assert text in printed and "Traceback" not in printed


EARLY = "  settle: {variables: [u], after: free, early: [free]}\n"
MISMATCH = "weights: {mismatch: 0.1}\n"


@pytest.mark.parametrize(
    ("extra", "text", "remedy"),
    [
        (EARLY, "Phase 'free' may end early", "protocol.settle.early=[]"),
        (MISMATCH, "`weights.mismatch` is not 0", "weights.mismatch=0"),
    ],
)
def test_what_a_comparison_would_leave_out_is_refused_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    extra: str,
    text: str,
    remedy: str,
) -> None:
    pytest.importorskip("torch")
    file = pooled.write(tmp_path, pooled.NETWORK.replace("readout:", f"{extra}readout:"))
    assert gradcheck(monkeypatch, file, *QUICK) == 2
    printed = capsys.readouterr().err
    assert text in printed and f"`--set {remedy}`" in printed
    assert gradcheck(monkeypatch, file, *QUICK, "--set", remedy) == 0


def test_a_twin_has_the_weights_of_its_network(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    file = pooled.write(tmp_path)
    assert gradcheck(monkeypatch, file, *QUICK, "--twin", "weights.mismatch=0.3") == 2
    assert "`weights` is the network's, which the twin shares" in capsys.readouterr().err


def test_code_that_reads_the_number_of_a_neuron_has_no_twin(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    file = pooled.write(tmp_path)
    code = ("--set", "neurons.unit.run={before_thresholds: carry += 0.01*i}")
    assert gradcheck(monkeypatch, file, *QUICK, *code) == 2
    assert "no real-valued twin: there is no dense code for `i`" in capsys.readouterr().err


def test_a_drawing_of_an_unknown_kind_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    picture = tmp_path / "gdu.bar"
    file = pooled.write(tmp_path)
    assert gradcheck(monkeypatch, file, *QUICK, *MEMORYLESS, "--figure", picture) == 2
    assert "known: .png, .svg" in capsys.readouterr().err
    assert not picture.exists()


def test_a_twin_of_another_shape_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    file = pooled.write(tmp_path)
    twin = ("--twin", "populations.image.shape=[1, 11, 11]", "--twin", "projections.k.kernel=4")
    assert gradcheck(monkeypatch, file, *QUICK, *twin) == 2
    assert "parameters of its shapes" in capsys.readouterr().err


def test_missing_torch_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [n for n in sys.modules if n.startswith("evsim.testing")]:
        monkeypatch.delitem(sys.modules, name)
    assert gradcheck(monkeypatch, pooled.write(tmp_path)) == 2
    assert "pip install 'evsim[torch]'" in capsys.readouterr().err
