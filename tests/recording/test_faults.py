"""Recordings that were cut short, damaged or are something else."""

from __future__ import annotations

import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest

from evsim.errors import RecordingError, RunError
from evsim.recording.layout import Layout
from evsim.recording.reader import Run, open_run
from evsim.recording.writer import Writer
from tests.recording.helpers import LAYOUT, PLAIN, contents, parameters, trial, with_encoding

ENDLESS = Path(__file__).with_name("endless.py")


def random_for(number: int) -> np.random.Generator:
    return np.random.default_rng(number)


def assert_complete(run: Run, trials: int) -> None:
    """All of `trials` as endless.py made them, and nothing after."""
    assert len(run.trials) == trials
    layout = with_encoding(run.layout.encoding)
    for number in (*range(min(trials, 3)), *range(max(0, trials - 3), trials)):
        made = trial(random_for(number), number, layout)
        assert run.trials["sample"][number] == made.sample
        for part in made.phases:
            neuron = run.spikes("hidden", number, part.name).neuron
            assert (neuron == part.spikes["hidden"].neuron).all()
            assert (run.states("hidden", "v", number, part.name)[1] == part.states[0]["v"]).all()
    assert [row["epoch"] for row in run.metrics] == list(range(3, trials + 1, 3))
    for epoch in run.weight_epochs[-3:].tolist():
        assert (run.weights("out", epoch) == parameters(random_for(epoch))["out"]).all()


def assert_ends_a_commit_earlier(path: Path, source: Path) -> None:
    """A recording of endless.py is `source` without its last commit."""
    with open_run(source) as run:
        trials = len(run.trials)
    with open_run(path) as run:
        assert_complete(run, trials - 3)


def kill_once(path: Path, encoding: str, after: float) -> int:
    """Run endless.py, kill it `after` seconds past its first commit; return committed trials."""
    process = subprocess.Popen(
        [sys.executable, str(ENDLESS), str(path), encoding], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    first = int(process.stdout.readline())
    time.sleep(after)
    process.kill()
    later = process.stdout.read().split("\n")[:-1]
    process.wait()
    return int(later[-1]) if later else first


def kill_and_read(folder: Path, times: int) -> None:
    for attempt in range(times):
        encoding = ("plain", "compact")[attempt % 2]
        path = folder / f"{attempt}.h5"
        said = kill_once(path, encoding, float(random_for(attempt).uniform(0, 0.3)))
        with open_run(path) as run:
            assert not run.closed
            # Killed after a commit, before it was printed: one more is there.
            assert len(run.trials) in (said, said + 3)
            assert_complete(run, len(run.trials))
        path.unlink()


def test_a_killed_recording_reads_up_to_its_last_commit(tmp_path: Path) -> None:
    kill_and_read(tmp_path, 20)


@pytest.mark.slow
def test_two_hundred_killed_recordings_read_up_to_their_last_commit(tmp_path: Path) -> None:
    kill_and_read(tmp_path, 200)


@pytest.mark.parametrize("encoding", ["plain", "compact"])
def test_a_killed_recording_is_mended_when_it_goes_on(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "recording.h5"
    kill_once(path, encoding, 0.1)
    with open_run(path) as run:
        number, layout = len(run.trials), run.layout
    whole = tmp_path / "whole.h5"
    with Writer.create(whole, layout, {"kept": True}) as writer:
        for last in range(3, number + 1, 3):
            for i in range(last - 3, last):
                writer.trial(trial(random_for(i), i, layout))
            writer.weights(last, parameters(random_for(last)))
            writer.metrics({"epoch": last})
            position = writer.commit()
    Writer.reopen(path, layout, position).close()
    assert contents(path) == contents(whole)


@pytest.mark.parametrize("layout", [LAYOUT, PLAIN], ids=["compact", "plain"])
@pytest.mark.parametrize("closed_at", [5, 9])
def test_a_reopened_recording_equals_an_uninterrupted_one(
    tmp_path: Path, layout: object, closed_at: int
) -> None:
    def write(writer: Writer, begin: int, end: int) -> None:
        for i in range(begin, end):
            writer.trial(trial(random_for(i), i, writer.layout))
            writer.metrics({"epoch": i})
            writer.weights(i, parameters(random_for(i)))

    with Writer.create(tmp_path / "whole.h5", layout, {}) as writer:  # type: ignore[arg-type]
        write(writer, 0, 12)
    path = tmp_path / "recording.h5"
    with Writer.create(path, layout, {}) as writer:  # type: ignore[arg-type]
        write(writer, 0, 5)
        position = writer.commit()
        write(writer, 5, closed_at)
    with Writer.reopen(path, layout, position) as writer:  # type: ignore[arg-type]
        write(writer, 5, 12)
    assert contents(path) == contents(tmp_path / "whole.h5")
    assert not list(tmp_path.glob(".*"))


def test_blocks_of_the_file_leave_no_trace(tmp_path: Path) -> None:
    """More spikes than a block and than what waits; commits at odd places."""
    path, activity, number = tmp_path / "recording.h5", 0.9, 90
    with Writer.create(path, LAYOUT, {}) as writer:
        for i in range(number):
            writer.trial(trial(random_for(i), i, activity=activity))
            if i % 13 == 0:
                writer.commit()
    with open_run(path) as run:
        assert run.info().spikes["hidden"] > 1 << 20
        for i in range(number):
            made = trial(random_for(i), i, activity=activity)
            expected = np.concatenate([p.spikes["hidden"].neuron for p in made.phases])
            assert (run.spikes("hidden", i).neuron == expected).all()


def test_a_live_recording_shows_its_commits(tmp_path: Path) -> None:
    path = tmp_path / "recording.h5"
    with Writer.create(path, LAYOUT, {}) as writer:
        writer.trial(trial(random_for(0), 0))
        writer.commit()
        with open_run(path) as run:
            writer.trial(trial(random_for(1), 1))
            run.refresh()
            assert not run.closed and len(run.trials) == 1
            writer.commit()
            assert len(run.trials) == 1
            run.refresh()
            assert len(run.trials) == 2
            made = trial(random_for(1), 1)
            neuron = run.spikes("digit", 1, "minus").neuron
            assert (neuron == made.phases[2].spikes["digit"].neuron).all()


def test_another_process_reads_a_live_recording(tmp_path: Path) -> None:
    path = tmp_path / "recording.h5"
    process = subprocess.Popen(
        [sys.executable, str(ENDLESS), str(path), "compact"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        seen = int(process.stdout.readline())
        for _ in range(8):
            with open_run(path) as run:
                assert len(run.trials) >= seen
                seen = len(run.trials)
                assert_complete(run, seen)
                run.refresh()
                assert_complete(run, len(run.trials))
        assert seen > 3
    finally:
        process.kill()
        process.communicate()


def test_reopening_refuses_another_network_and_a_later_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "recording.h5"
    with Writer.create(path, LAYOUT, {}) as writer:
        position = writer.commit()
    with pytest.raises(RecordingError, match="other populations, states or phases"):
        Writer.reopen(path, PLAIN, position)
    with pytest.raises(RecordingError, match="ends before the checkpoint"):
        Writer.reopen(path, LAYOUT, position | {"metrics": 10})
    with pytest.raises(RecordingError, match="not overwritten"):
        Writer.create(path, LAYOUT, {})


@pytest.mark.parametrize("encoding", ["plain", "compact"])
@pytest.mark.parametrize("limit", [2_000, 40_000, 330_000, 700_000, 1_500_000])
def test_a_full_disk_is_an_error_and_leaves_the_last_commit(
    tmp_path: Path, encoding: str, limit: int
) -> None:
    path = tmp_path / "recording.h5"
    done = subprocess.run(
        [sys.executable, str(ENDLESS), str(path), encoding, str(limit)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    message = f"Cannot write to '{path}': File too large; the recording reads up to its last commit"
    assert done.stderr.strip() == message
    committed = [int(line) for line in done.stdout.split()]
    if path.exists():
        with open_run(path) as run:
            assert_complete(run, committed[-1] if committed else 0)


def test_mending_on_a_full_disk_keeps_the_recording(tmp_path: Path) -> None:
    path = tmp_path / "recording.h5"
    said = kill_once(path, "compact", 0.1)
    before = path.read_bytes()
    script = (
        "import resource, signal, sys; from pathlib import Path\n"
        f"sys.path.insert(0, {str(ENDLESS.parents[2])!r})\n"
        "from evsim.errors import RunError\n"
        "from evsim.recording.repair import repair\n"
        f"path = Path({str(path)!r})\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: repair(path)\n"
        "except RunError: sys.exit(3)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (3, "")
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["recording.h5"]
    with open_run(path) as run:
        assert len(run.trials) >= said


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="No such file or directory"):
        Writer.create(tmp_path / "missing" / "recording.h5", LAYOUT, {})


def write_few(path: Path, layout: Layout) -> Path:
    with Writer.create(path, layout, {"name": "good"}) as writer:
        writer.weights(0, parameters(random_for(0)))
        for i in range(4):
            writer.trial(trial(random_for(i), i, layout))
        writer.metrics({"epoch": 0})
    return path


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_few(tmp_path_factory.mktemp("plain") / "recording.h5", PLAIN)


@pytest.fixture(scope="module")
def compact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_few(tmp_path_factory.mktemp("compact") / "recording.h5", LAYOUT)


def read_all(path: Path) -> list[object]:
    """Everything in a recording, as values that can be compared."""
    found: list[object] = []
    with open_run(path) as run:
        found += [run.trials.tobytes(), run.metrics, run.provenance, run.info().spikes]
        for i in run.recorded.tolist():
            for name in run.layout.spikes:
                trains = run.spikes(name, i)
                step, neuron = trains.step, trains.neuron
                found += [step.tobytes(), neuron.tobytes()]
            for entry in run.layout.states:
                for variable in entry.variables:
                    values = run.states(entry.population, variable.name, i)[1]
                    found.append(values.tobytes())
        found += [run.weights(p.name).tobytes() for p in run.layout.parameters]
    return found


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("killed") / "recording.h5"
    kill_once(path, "plain", 0.05)
    return path


@pytest.mark.parametrize("which", ["plain", "compact", "killed"])
def test_damage_is_reported_or_harmless(
    which: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    source: Path = request.getfixturevalue(which)
    whole, data = read_all(source), source.read_bytes()
    path, reported = tmp_path / "recording.h5", 0
    for place in [*range(12), *random_for(0).integers(0, len(data), 60).tolist()]:
        damaged = bytearray(data)
        damaged[place] ^= 1 << (place % 8)
        path.write_bytes(damaged)
        try:
            harmless = read_all(path) == whole
        except RecordingError as error:
            assert str(path) in str(error)
            reported += 1
        else:
            # A damaged mark of the last commit looks as one that was being written: what the commit
            # before left is shown.
            assert harmless or which == "killed"
            if not harmless:
                assert_ends_a_commit_earlier(path, source)
    assert reported > 12


def test_a_truncated_recording_is_reported(plain: Path, tmp_path: Path) -> None:
    data = plain.read_bytes()
    path = tmp_path / "recording.h5"
    for length in [0, 7, 100, *random_for(1).integers(0, len(data) - 1, 20).tolist()]:
        path.write_bytes(data[:length])
        with pytest.raises(RecordingError, match=r"recording\.h5"):
            read_all(path)


def test_files_of_others_are_refused_by_what_they_are_not(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("spikes")
    with pytest.raises(RecordingError, match=r"notes\.txt' is not a recording: .* not an HDF5"):
        open_run(text)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["spikes"] = np.arange(3)
    with pytest.raises(RecordingError, match="evsim did not write this HDF5 file"):
        open_run(tmp_path / "other.h5")
    with h5py.File(tmp_path / "later.h5", "w") as file:
        file.attrs.update({"format": "evsim recording", "version": 99})
    with pytest.raises(RecordingError, match="format 99, newer than"):
        open_run(tmp_path / "later.h5")
    with h5py.File(tmp_path / "hollow.h5", "w") as file:
        file.attrs.update({"format": "evsim recording", "version": 1})
    with pytest.raises(RecordingError, match="is damaged"):
        open_run(tmp_path / "hollow.h5")
    with pytest.raises(RecordingError, match="No run at"):
        open_run(tmp_path / "missing.h5")
    with pytest.raises(RecordingError, match="is not a run"):
        open_run(tmp_path)


def test_memory_does_not_grow_with_trials(tmp_path: Path) -> None:
    records = [trial(random_for(i), i) for i in range(5)]

    def peak(path: Path, number: int) -> int:
        with Writer.create(path, LAYOUT, {}) as writer:
            tracemalloc.start()
            for i in range(number):
                writer.trial(records[i % 5])
            used = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        return used

    few, many = peak(tmp_path / "few.h5", 500), peak(tmp_path / "many.h5", 2500)
    assert many < 1.3 * few + 1_000_000
