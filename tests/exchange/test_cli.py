"""`evsim export` and `evsim import` as run in a shell."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from evsim.build.build import build
from evsim.build.plan import Plan
from evsim.errors import BuildError, InputError
from evsim.exchange.exporting import export
from evsim.exchange.importing import import_spikes
from evsim.recording.reader import Run, open_run
from evsim.spec.parse import parse_text
from tests.exchange.recordings import write
from tests.helpers.process import evsim

NETWORK = """\
name: echo
dt: 1*ms
populations:
  eye: {{shape: [2, 3, 4], spikes: {spikes}}}
{data}
protocol: {{epochs: 1, phases: {{run: {{steps: 50}}}}}}
record: {{spikes: {{populations: all}}}}
"""


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_exported_and_what_is_not_is_said(folder: Path, tmp_path: Path) -> None:
    done = evsim("export", folder, "--to", "csv", "--out", tmp_path / "out", "--trials", "0-2,3")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0] == str(tmp_path / "out")
    assert lines[1].split() == ["trials", "3"]
    assert "hidden, digit" in lines[2] and "hidden.v, digit.u" in lines[3]
    assert lines[4].startswith("left out    weights; 2 trials")
    assert listing(tmp_path) == ["out"]
    assert listing(tmp_path / "out") == [
        "digit.u.csv", "hidden.v.csv", "metadata.json", "network.yaml", "phases.csv", "spikes.csv",
        "trials.csv",
    ]  # fmt: skip


def test_files_are_beside_the_recording_by_default(folder: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(folder, tmp_path / "run"))
    for to, name in (("sonata", "sonata"), ("nwb", "recording.nwb"), ("neo", "recording.mat")):
        done = evsim("export", run, "--to", to)
        assert done.code == 0, done.err
        assert done.out.splitlines()[0] == str(run / name) and (run / name).exists()
    for to in ("sonata", "neo"):
        again = evsim("export", run, "--to", to)
        assert again.code == 2 and "exists" in again.err and "--force" in again.err
        assert evsim("export", run, "--to", to, "--force").code == 0
    assert listing(run) == [
        "manifest.json", "network.yaml", "recording.h5", "recording.mat", "recording.nwb", "sonata"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--to", "nbw"], "did you mean 'nwb'"),
        (["--to", "csv", "--trials", "some"], "'some' names no trials"),
        (["--to", "csv", "--trials", "0-9"], "No trial 9"),
        (["--to", "csv", "--trials", "2"], "Neither spikes nor states of trials '2'"),
        (["--to", "csv", "--out", "{there}", "--force"], "was not written by `evsim export`"),
        (["--to", "nwb", "--out", "{there}", "--force"], "is a folder"),
        (["--to", "nwb", "--out", "{run}/recording.h5", "--force"], "is the recording itself"),
        (["--to", "nwb", "--out", "{run}/manifest.json", "--force"], "was not written by"),
    ],
)
def test_mistakes_are_told_and_nothing_is_touched(
    folder: Path, tmp_path: Path, words: list[str], says: str
) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (there / "dear.txt").write_text("mine")
    done = evsim("export", folder, *(word.format(there=there, run=folder) for word in words))
    assert done.code == 2 and says in done.err and not done.out
    assert (there / "dear.txt").read_text() == "mine" and listing(tmp_path) == ["there"]
    assert listing(folder) == ["manifest.json", "network.yaml", "recording.h5"]


def test_a_recording_without_spikes_and_states_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "recording.h5", [])
    done = evsim("export", tmp_path, "--to", "nwb")
    assert done.code == 2 and "holds no trial so far" in done.err
    assert listing(tmp_path) == ["recording.h5"]


def test_a_missing_library_is_named_with_the_extra(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.nwb").write_text("")
    # As where it is not installed: imports of it fail.
    monkeypatch.setitem(sys.modules, "pynwb", None)
    monkeypatch.setitem(sys.modules, "neo", None)
    for to in ("nwb", "neo"):
        with pytest.raises(InputError, match=r"pip install 'evsim\[exchange\]'"):
            export(run, to, tmp_path / "out")
    with pytest.raises(InputError, match=r"pip install 'evsim\[exchange\]'"):
        import_spikes(tmp_path / "x.nwb", tmp_path / "out")
    network = parse_text(NETWORK.format(spikes=f"{{file: '{tmp_path}/x.nwb'}}", data=""), "n.yaml")
    with pytest.raises(BuildError, match=r"n.yaml:4:.*needs pynwb\.[^$]*evsim\[exchange\]"):
        build(network)
    assert listing(tmp_path) == ["x.nwb"]


@pytest.mark.parametrize("to", ["csv", "sonata", "nwb"])
def test_a_damaged_recording_leaves_no_part_and_the_export_before(
    folder: Path, tmp_path: Path, to: str
) -> None:
    out = tmp_path / ("out.nwb" if to == "nwb" else "out")
    with open_run(folder) as run:
        export(run, to, out)
    spikes = out / {"nwb": "", "csv": "spikes.csv", "sonata": "spikes.h5"}[to]
    before = spikes.read_bytes()
    shutil.copytree(folder, tmp_path / "run")
    with h5py.File(tmp_path / "run" / "recording.h5", "r+") as file:
        count = file["spikes/digit/count"]
        count[len(count) - 1] = count[len(count) - 1] + 1
    done = evsim("export", tmp_path / "run", "--to", to, "--out", out, "--force")
    assert done.code == 2 and "is damaged" in done.err
    assert listing(tmp_path) == sorted([out.name, "run"])
    assert spikes.read_bytes() == before


def test_a_full_disk_leaves_no_part(folder: Path, tmp_path: Path) -> None:
    for to in ("csv", "sonata", "nwb"):
        words = ("export", folder, "--to", to, "--out", tmp_path / "out")
        done = evsim(*words, largest_file=2000)
        assert done.code == 1 and "Cannot write" in done.err, done
        assert listing(tmp_path) == []


def test_what_was_imported_is_shown_and_drawn(folder: Path, run: Run, tmp_path: Path) -> None:
    export(run, "sonata", tmp_path / "out")
    done = evsim("import", tmp_path / "out", "--out", tmp_path / "back")
    assert done.code == 0, done.err
    assert done.out.splitlines()[:2] == [str(tmp_path / "back"), "trials      4"]
    assert "2 x 3 x 4" in evsim("info", tmp_path / "back").out
    assert evsim("watch", tmp_path / "back").out == f"imported: {tmp_path / 'back'}\n"
    assert evsim("plot", tmp_path / "back", "raster").code == 0
    assert evsim("analyze", tmp_path / "back", "activity").code == 0
    assert evsim("import", folder, "--out", tmp_path / "x").code == 2
    done = evsim("import", tmp_path / "out" / "spikes.h5", "--out", tmp_path / "x", "--dt", "3")
    assert done.code == 2 and "no unit" in done.err


@pytest.mark.parametrize("to", ["csv", "sonata", "nwb"])
def test_a_network_replays_exported_trials(run: Run, tmp_path: Path, to: str) -> None:
    """Each trial's spikes of the recording are those of a population that replays the file."""
    out = export(run, to, tmp_path / ("x.nwb" if to == "nwb" else "x"), trials="0-1").path
    data = f"data: {{name: spikes, path: {out}, fields: {{eye.spikes: hidden}}}}"
    (tmp_path / "net.yaml").write_text(NETWORK.format(spikes="{}", data=data))
    done = evsim("run", tmp_path / "net.yaml", "--out", tmp_path / "runs", "--quiet")
    assert done.code == 0, done.err
    with open_run(tmp_path / "runs" / "echo") as again:
        order = again.trials["sample"]
        assert sorted(order) == [0, 1]
        for row, sample in enumerate(order.tolist()):
            found, wanted = again.spikes("eye", row), run.spikes("hidden", sample)
            assert found.step.tolist() == wanted.step.tolist()
            assert found.neuron.tolist() == wanted.neuron.tolist()


def built(folder: Path, file: str, unit: str = "") -> Plan:
    text = NETWORK.format(spikes=f"{{file: '{file}'{unit}}}", data="")
    return build(parse_text(text, str(folder / "net.yaml")))


@pytest.mark.parametrize("to", ["csv", "sonata", "nwb"])
def test_a_network_names_a_population_of_a_file(run: Run, tmp_path: Path, to: str) -> None:
    export(run, to, tmp_path / ("x.nwb" if to == "nwb" else "x"), trials="0")
    file = {"sonata": "x/spikes.h5", "csv": "x/spikes.csv", "nwb": "x.nwb"}[to]
    replay = built(tmp_path, f"{file}:hidden").populations["eye"].replay
    assert replay is not None and replay.spikes is not None
    wanted = run.spikes("hidden", 0)
    assert np.array_equal(replay.spikes, [wanted.step, wanted.neuron])
    for wrong, unit, says in (
        (f"{file}:hiden", "", "did you mean 'hidden'"),
        (file, "", "'hidden'.*: name one, such as"),
        (f"{file}:hidden", ", unit: ms", "itself says in which"),
    ):
        if unit and to == "csv":
            continue
        with pytest.raises(BuildError, match=says) as caught:
            built(tmp_path, wrong, unit)
        (fault,) = caught.value.faults
        assert fault.mark is not None and fault.mark.line == 4
        assert fault.excerpt[fault.mark.column - 1 :].startswith("ms" if unit else f"'{wrong}'")


def test_several_trials_are_not_replayed_as_one(run: Run, tmp_path: Path) -> None:
    export(run, "csv", tmp_path / "x")
    with pytest.raises(BuildError, match="4 trials; `data: {name: spikes}`"):
        built(tmp_path, "x/spikes.csv:digit")


NAMED = """\
name: named
dt: 1*ms
neurons: {cell: {equations: "x : 1"}}
populations: {a: {shape: [3], neuron: cell, init: {x: 2}}, b: {shape: [2], neuron: cell}}
projections:
  - {name: file, from: a.x, to: b.x, kind: dense, sends: value, weights: 1, learn: rule}
plasticity: {rule: {at_end: {run: g += x_pre}, update: {rate: 0.5}}}
protocol: {epochs: 3, phases: {run: {steps: 6}}}
record: {weights: {every: {epoch: 2}}}
"""


NONE = """\
name: none
dt: 1*ms
neurons: {cell: {equations: "x : 1"}}
populations: {a: {shape: [3], neuron: cell}}
protocol: {phases: {run: {steps: 6}}}
"""


def test_weights_are_written_as_learned_last_or_as_recorded(tmp_path: Path) -> None:
    (tmp_path / "named.yaml").write_text(NAMED)
    assert evsim("run", tmp_path / "named.yaml", "--out", tmp_path / "runs").code == 0
    run = tmp_path / "runs" / "named"
    done = evsim("export-weights", run)
    assert done.code == 0, done.err
    path, shape = done.out.splitlines()
    assert Path(path) == (run / "latest" / "weights.npz").resolve()
    assert shape.split() == ["file", "3", "x", "2"]
    assert (np.load(path)["file"] == 4).all()
    for epoch in (0, 2):
        words = ("--out", tmp_path / "x.npz", "--epoch", str(epoch), "--force")
        assert evsim("export-weights", run, *words).code == 0
        assert (np.load(tmp_path / "x.npz")["file"] == 1 + epoch).all()


def test_a_run_without_weights_has_none_to_write(tmp_path: Path) -> None:
    (tmp_path / "none.yaml").write_text(NONE)
    assert evsim("run", tmp_path / "none.yaml", "--out", tmp_path).code == 0
    done = evsim("export-weights", tmp_path / "none")
    assert done.code == 2 and "holds no weights" in done.err and not done.out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--out", "{out}.npy"], "weights.npz'"),
        (["--out", "{out}.npz"], "`--force` replaces it"),
        (["--epoch", "7"], "no weights after epoch 7; kept: "),
    ],
)
def test_weights_that_cannot_be_written_are_told(
    folder: Path, tmp_path: Path, words: list[str], says: str
) -> None:
    out = tmp_path / "weights"
    out.with_suffix(".npz").write_text("mine")
    done = evsim("export-weights", folder, *(word.format(out=out) for word in words))
    assert done.code == 2 and says in done.err and not done.out
    assert listing(tmp_path) == ["weights.npz"] and out.with_suffix(".npz").read_text() == "mine"
