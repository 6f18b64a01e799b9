"""Runs that were stopped, killed or damaged, and go on."""

from __future__ import annotations

import json
import random
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import evsim
from evsim import simulate
from evsim.errors import Interrupted, RecordingError
from evsim.recording.folder import RunFolder
from tests.helpers import tiny
from tests.helpers.process import Process
from tests.helpers.process import evsim as command

LONG = ("--set", "protocol.epochs=20")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write(tmp_path_factory.mktemp("resume"))


@pytest.fixture(scope="module")
def whole(path: Path) -> Path:
    """An uninterrupted run."""
    return tiny.run(path, path.parent / "whole").folder


@pytest.fixture(scope="module")
def long(path: Path) -> Path:
    """An uninterrupted run of more epochs."""
    return tiny.run(path, path.parent / "long", LONG[1]).folder


def stopped(start: Callable[[threading.Event, tiny.Listener], object], at: tuple[int, str, int]):
    """Stop what `start` does once the batch that ends `at` is done."""
    stop = threading.Event()

    def heard(*position: object) -> None:
        if position == at:
            stop.set()

    with pytest.raises(Interrupted, match="Stopped"):
        start(stop, tiny.Listener(heard))


def stopped_run(path: Path, out: Path, at: tuple[int, str, int], *overrides: str) -> Path:
    """A new run that is stopped; its folder."""
    stopped(lambda stop, news: tiny.run(path, out, *overrides, stop=stop, reporter=news), at)
    return (out / "tiny" / "latest").resolve()


@pytest.mark.parametrize(
    "at",
    [
        (0, "train", 5),
        (0, "train", 30),
        (1, "train", 20),
        (1, "train", 32),
        (1, "validation", 5),
        (2, "test", 9),
    ],
)
def test_a_stopped_run_goes_on_to_the_same_result(
    path: Path, whole: Path, tmp_path: Path, at: tuple[int, str, int]
) -> None:
    folder = stopped_run(path, tmp_path, at)
    assert RunFolder(folder).manifest["status"] == "interrupted"
    with evsim.open(folder) as recording:
        last = recording.trials[-1]
        assert (last["epoch"], last["split"], last["index"] + 1) == at
    result = simulate.resume(folder)
    tiny.assert_equal_runs(folder, whole)
    assert tiny.timeless(result.metrics) == tiny.lines(whole)
    assert RunFolder(folder).manifest["status"] == "finished"


def test_a_pass_without_learning_goes_on_in_its_middle(path: Path, tmp_path: Path) -> None:
    """Batches begin small, whatever the number of test images."""
    arrays = tiny.arrays()
    many = {name: np.concatenate([arrays[name]] * 70) for name in ("test_x", "test_kind")}
    np.savez(tmp_path / "data.npz", **(arrays | many))
    shutil.copy(path, tmp_path)
    overrides = ("data.split.test=600", "protocol.epochs=1")
    one = tiny.run(tmp_path / path.name, tmp_path / "whole", *overrides).folder
    at = (0, "test", 16)
    other = stopped_run(tmp_path / path.name, tmp_path / "stopped", at, *overrides)
    simulate.resume(other)
    tiny.assert_equal_runs(one, other)


def test_a_run_may_be_stopped_again_and_again(path: Path, whole: Path, tmp_path: Path) -> None:
    folder = stopped_run(path, tmp_path, (0, "train", 10))
    for at in [(0, "train", 15), (0, "validation", 5), (1, "train", 5), (1, "train", 10)]:
        stopped(lambda stop, news: simulate.resume(folder, stop=stop, reporter=news), at)
    simulate.resume(folder, threads=1)
    tiny.assert_equal_runs(folder, whole)


def test_a_run_stops_inside_a_long_trial(path: Path, tmp_path: Path) -> None:
    """Whoever stops a trial of hours does not wait for its end."""
    stop = threading.Event()
    news = tiny.Listener()
    news.started = lambda *facts: threading.Timer(0.2, stop.set).start()  # type: ignore[method-assign]
    overrides = ("protocol.phases.free.steps=2000000", "record={}")
    with pytest.raises(Interrupted):
        tiny.run(path, tmp_path, *overrides, stop=stop, reporter=news)
    assert tiny.last_checkpoint((tmp_path / "tiny" / "latest").resolve()).position.done == 0


def test_a_run_does_not_go_on_with_other_data(path: Path, tmp_path: Path) -> None:
    shutil.copy(path, tmp_path)
    arrays = tiny.arrays()
    np.savez(tmp_path / "data.npz", **arrays)
    folder = stopped_run(tmp_path / path.name, tmp_path / "out", (0, "train", 5))
    np.savez(tmp_path / "data.npz", **{n: np.flip(values, 0) for n, values in arrays.items()})
    with pytest.raises(RecordingError, match="The data are not those with which run"):
        simulate.resume(folder)
    np.savez(tmp_path / "data.npz", **arrays)
    assert simulate.resume(folder).metrics


KEPT = """\
name: tiny
dt: 1*ms
precision: float64
neurons: {cell: {equations: "x : 1", threshold: rand() < 0.01}}
populations: {a: {shape: [200], neuron: cell}, b: {shape: [20], neuron: cell}}
projections:
  - {name: p, from: a, to: b.x, kind: dense, weights: rand(), normalise: 1.3, learn: rule}
plasticity: {rule: {on_pre: w += 1e-5*rand()}}
protocol: {trials: 3, keep: [p.w], phases: {run: {steps: 20000}}}
record: {weights: {parameters: all}}
"""


def test_weights_that_are_kept_are_normalised_anew_where_a_trial_begins_again(
    tmp_path: Path,
) -> None:
    """Sums of floating-point numbers scaled to 1.3 seldom are, and scaled again are others."""
    (tmp_path / "kept.yaml").write_text(KEPT)
    network, stop = evsim.load(tmp_path / "kept.yaml"), threading.Event()
    whole = evsim.run(network, out=tmp_path / "whole").folder
    news = tiny.Listener(lambda *done: threading.Timer(0.005, stop.set).start())
    with pytest.raises(Interrupted):
        simulate.run(network, out=tmp_path / "stopped", stop=stop, reporter=news)
    folder = (tmp_path / "stopped" / "tiny" / "latest").resolve()
    simulate.resume(folder)
    tiny.assert_equal_runs(folder, whole)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_stop_the_command(
    path: Path, long: Path, tmp_path: Path, number: signal.Signals
) -> None:
    process = Process("run", path, "--out", tmp_path, "--json", *LONG)
    process.wait_for('"epoch"', 9)
    process.signal(number)
    done = process.wait()
    assert done.code == 130
    assert "Traceback" not in done.err
    folder = (tmp_path / "tiny" / "latest").resolve()
    assert len(tiny.lines(folder)) < len(tiny.lines(long))
    with evsim.open(folder) as recording:
        assert len(recording.trials) > 46
    assert command("resume", folder, "--quiet").code == 0
    tiny.assert_equal_runs(folder, long)


def test_two_signals_end_the_command_at_once(path: Path, tmp_path: Path) -> None:
    process = Process("run", path, "--out", tmp_path, "--json", "--set", "protocol.epochs=4000")
    process.wait_for('"epoch"', 6)
    process.signal(signal.SIGINT)
    process.signal(signal.SIGTERM)
    assert process.wait().code == 130
    with evsim.open(tmp_path / "tiny") as recording:
        assert len(recording.trials) > 0


def kill_until_done(path: Path, whole: Path, out: Path, kills: int) -> None:
    """Kill a run and what goes on with it at random moments, then let it end.

    After every kill the recording reads as far as it was committed, and what it says is right.
    Where one comes to its end before it is killed, as on a fast machine, another begins.
    """
    chance = random.Random(kills)
    with evsim.open(whole) as recording:
        expected = recording.trials.tolist()
        spikes = [recording.spikes("digit", row) for row in range(len(expected))]
    epochs = f"protocol.epochs={len(tiny.lines(whole)) // 3}"
    folder: Path | None = None
    ends = 0
    for kill in range(kills):
        place = out / str(ends)
        new = ("run", path, "--out", place, "--set", epochs)
        process = Process(*(("resume", folder) if folder else new), "--json")
        if kill % 4:
            process.wait_for('"started"')
        time.sleep(chance.uniform(0, 0.15 if kill % 4 else 0.5))
        process.signal(signal.SIGKILL)
        ended = process.wait()
        folder = folder or _begun(place / "tiny")
        if ended.code == 0 and folder is not None:
            tiny.assert_equal_runs(folder, whole)
            folder, ends = None, ends + 1
            continue
        assert (ended.code, ended.err) == (-signal.SIGKILL, "")
        if folder is None:
            continue
        with evsim.open(folder) as recording:
            rows = recording.trials.tolist()
            assert rows == expected[: len(rows)]
            for row in {len(rows) // 2, len(rows) - 1} if rows else ():
                trains = recording.spikes("digit", row)
                assert (trains.step == spikes[row].step).all()
                assert (trains.neuron == spikes[row].neuron).all()
    assert ends < kills / 2, "hardly any was killed"
    if folder is not None:
        ended = command("resume", folder, "--quiet")
        assert ended.code == 0, ended.err
        tiny.assert_equal_runs(Path(ended.out.strip()), whole)


def _begun(runs: Path) -> Path | None:
    """The latest run, if it came to its first checkpoint."""
    latest = (runs / "latest").resolve()
    return latest if any(latest.glob("checkpoints/*.npz")) else None


def test_a_run_that_is_killed_again_and_again_comes_to_the_same_result(
    path: Path, long: Path, tmp_path: Path
) -> None:
    kill_until_done(path, long, tmp_path, kills=20)


@pytest.mark.slow
def test_two_hundred_kills(path: Path, tmp_path: Path) -> None:
    whole = tiny.run(path, tmp_path, "protocol.epochs=300").folder
    kill_until_done(path, whole, tmp_path / "killed", kills=200)


def test_a_finished_run_is_left_as_it_is(path: Path, whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(whole, folder)
    news = tiny.Listener()
    result = simulate.resume(folder, reporter=news)
    assert "is finished: 3 of 3 epochs are done" in news.warnings[0]
    assert news.heard_all == []
    assert tiny.timeless(result.metrics) == tiny.lines(whole)
    tiny.assert_equal_runs(folder, whole)
    assert RunFolder(folder).manifest["status"] == "finished"


def test_a_finished_run_goes_on_to_more_epochs(path: Path, whole: Path, tmp_path: Path) -> None:
    """Rates without a cosine do not depend on the number of epochs."""
    folder = tiny.run(path, tmp_path, "protocol.epochs=1").folder
    done = command("resume", folder, "--epochs", "2", "--quiet")
    assert (done.code, done.out.strip()) == (0, str(folder))
    stopped(
        lambda stop, news: simulate.resume(folder, until_epochs=3, stop=stop, reporter=news),
        (2, "train", 10),
    )
    simulate.resume(folder)
    tiny.assert_equal_runs(folder, whole)


@pytest.mark.parametrize(
    "change",
    [
        ("rate: 0.02", "rate: 0.03"),
        ("free: {steps: 20}", "free: {steps: 21}"),
        ("seed: 3", "seed: 4"),
        ("shape: [3]", "shape: [4]"),
        ("beta: 0.2", "beta: 0.21"),
    ],
)
def test_a_changed_network_is_refused(
    path: Path, whole: Path, tmp_path: Path, change: tuple[str, str]
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    file = folder / "network.yaml"
    assert change[0] in file.read_text()
    file.write_text(file.read_text().replace(*change))
    before = (folder / "recording.h5").read_bytes()
    done = command("resume", folder, "--epochs", "4")
    assert done.code == 2
    assert f"The network of '{folder}' was changed after the run began." in done.err
    assert (folder / "recording.h5").read_bytes() == before


def test_a_change_of_what_is_recorded_is_refused(path: Path, whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    file = folder / "network.yaml"
    file.write_text(file.read_text().replace("every: 4", "every: 5"))
    with pytest.raises(RecordingError, match="holds other populations, states or phases"):
        simulate.resume(folder, until_epochs=4)


def test_a_faulty_network_is_reported_with_its_place(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    file = folder / "network.yaml"
    file.write_text(file.read_text().replace("dt: 1*ms", "dt: 1"))
    done = command("resume", folder)
    assert done.code == 2
    assert f"{file}:2:5" in done.err


def damage(file: Path, seed: int) -> None:
    """Change bytes, or cut the end off."""
    chance = np.random.default_rng(seed)
    data = bytearray(file.read_bytes())
    if seed % 3 == 0:
        data = data[: chance.integers(len(data))]
    else:
        for place in chance.integers(0, len(data), 4):
            data[place] ^= 1 << chance.integers(8)
    file.write_bytes(bytes(data))


def test_the_checkpoint_before_stands_in_for_a_damaged_one(
    path: Path, whole: Path, tmp_path: Path
) -> None:
    folder = stopped_run(path, tmp_path, (1, "train", 20))
    last = max((folder / "checkpoints").glob("*.npz"))
    last.write_bytes(last.read_bytes()[:-100])
    news = tiny.Listener()
    simulate.resume(folder, reporter=news)
    assert news.heard_all[0] == (1, "train", 5), "the epoch is begun anew"
    tiny.assert_equal_runs(folder, whole)


def test_damage_to_a_checkpoint_is_noticed(whole: Path, tmp_path: Path) -> None:
    """What is read is what was written, or the checkpoint is passed over."""
    good = tiny.learned(whole)
    last = max((whole / "checkpoints").glob("*.npz"))
    refused = 0
    for seed in range(300):
        (tmp_path / "checkpoints").mkdir(exist_ok=True)
        file = tmp_path / "checkpoints" / last.name
        shutil.copy(last, file)
        damage(file, seed)
        try:
            assert tiny.learned(tmp_path) == good
        except RecordingError:
            refused += 1
    assert refused > 200


@pytest.mark.parametrize("gone", ["missing", "damaged"])
def test_a_run_without_a_checkpoint_is_refused(whole: Path, tmp_path: Path, gone: str) -> None:
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    for file in (folder / "checkpoints").iterdir():
        file.unlink() if gone == "missing" else file.write_bytes(b"nothing")
    done = command("resume", folder)
    assert done.code == 2
    assert f"No usable checkpoint in '{folder / 'checkpoints'}'" in done.err
    assert "Traceback" not in done.err


def test_lines_of_metrics_that_were_cut_or_lost_are_written_anew(
    path: Path, whole: Path, tmp_path: Path
) -> None:
    folder = stopped_run(path, tmp_path, (1, "train", 20))
    file = folder / "metrics.jsonl"
    file.write_text(file.read_text()[:-30])
    simulate.resume(folder)
    tiny.assert_equal_runs(folder, whole)
    file.unlink()
    simulate.resume(folder)
    tiny.assert_equal_runs(folder, whole)


def test_data_beside_the_network_file_are_found_again(
    path: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The path in the file starts at its folder, wherever a run and its resumption start."""
    monkeypatch.chdir(path.parent)
    folder = stopped_run(Path(path.name), tmp_path, (0, "train", 20))
    monkeypatch.chdir(tmp_path)
    simulate.resume(folder)
    tiny.assert_equal_runs(folder, whole)


def test_two_processes_do_not_write_one_run(path: Path, tmp_path: Path) -> None:
    first = Process("run", path, "--out", tmp_path, "--json", "--set", "protocol.epochs=4000")
    first.wait_for('"epoch"')
    folder = (tmp_path / "tiny" / "latest").resolve()
    second = command("resume", folder)
    assert second.code == 2
    assert f"Run '{folder}' is being written by another process" in second.err
    assert command("info", folder).code == 0
    first.signal(signal.SIGTERM)
    assert first.wait().code == 130
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    with evsim.open(folder) as recording:
        assert recording.metrics == rows
