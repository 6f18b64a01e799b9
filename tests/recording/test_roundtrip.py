"""What is written is what is read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from evsim.engines.base import Spikes
from evsim.errors import RecordingError
from evsim.orchestrator.events import PhaseRecord, TrialRecord
from evsim.recording.columns import SPLITS
from evsim.recording.encoding import decode
from evsim.recording.gaps import encode_gaps, room
from evsim.recording.layout import Encoding, Layout, Phase, Population
from evsim.recording.reader import open_run
from evsim.recording.writer import Writer
from tests.recording.helpers import LAYOUT, PLAIN, parameters, phase, spikes, trial

ENCODINGS = st.sampled_from(["plain", "compact"])


def raster(
    size: int, steps: int, seed: int, activity: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    made = spikes(np.random.default_rng(seed), size, steps, activity)
    return np.repeat(np.arange(steps), made.count), made.neuron, made.count


def gaps(neuron: NDArray[Any], count: NDArray[Any], size: int) -> NDArray[np.uint8]:
    out = np.empty(room(len(neuron), len(count), size), np.uint8)
    return out[: encode_gaps(neuron, count, size, out)]


@settings(deadline=None)  # The first call compiles.
@given(
    size=st.integers(1, 3000),
    steps=st.integers(1, 40),
    seed=st.integers(0, 2**32),
    activity=st.sampled_from([0.0, 0.0005, 0.01, 0.1, 0.9, 1.0]),
)
def test_gaps_keep_every_neuron(size: int, steps: int, seed: int, activity: float) -> None:
    _, neuron, count = raster(size, steps, seed, activity)
    code = gaps(neuron, count, size)
    assert (decode(code, count.astype(np.int64), size, "compact") == neuron).all()


@pytest.mark.parametrize(
    ("neuron", "code"),
    [(0, [0]), (254, [254]), (255, [255, 0]), (600, [255, 255, 90]), (509, [255, 254])],
)
def test_gaps_are_bytes_as_documented(neuron: int, code: list[int]) -> None:
    made = gaps(np.array([neuron], np.uint32), np.array([1]), 1000)
    assert made.tolist() == code


@pytest.mark.parametrize("neuron", [[3, 3], [5, 2]])
def test_spikes_that_break_the_contract_are_not_written(neuron: list[int]) -> None:
    with pytest.raises(ValueError, match="ascend"):
        gaps(np.array(neuron, np.uint32), np.array([2]), 10)


@pytest.mark.parametrize("before", [0, 20])
def test_a_neuron_far_outside_is_refused_before_its_gap_is_written(before: int) -> None:
    neuron = np.array([*range(before), 2_000_000_000], np.uint32)
    with pytest.raises(ValueError, match="none of index 2000000000"):
        gaps(neuron, np.array([len(neuron)]), 30)


@pytest.mark.parametrize(
    ("count", "neuron", "says"),
    [(1, [400], "none of index 400"), (2, [5], "1 spikes, not 2"), (1, [1, 2], "2 spikes, not 1")],
)
@pytest.mark.parametrize("layout", [LAYOUT, PLAIN], ids=["compact", "plain"])
def test_a_trial_that_contradicts_itself_leaves_the_last_commit(
    tmp_path: Path, layout: Layout, count: int, neuron: list[int], says: str
) -> None:
    random = np.random.default_rng(0)
    sent = Spikes(np.array([count] + [0] * 19, np.uint32), np.array(neuron, np.uint32))
    wrong = replace(
        trial(random, 1, layout, ()), phases=(PhaseRecord("free", 20, {"hidden": sent}),)
    )
    with pytest.raises(ValueError, match=says):
        with Writer.create(tmp_path / "recording.h5", layout, {}) as writer:
            writer.trial(trial(random, 0, layout))
            writer.commit()
            writer.trial(wrong)
    with open_run(tmp_path) as run:
        assert len(run.trials) == 1


@settings(max_examples=30, deadline=None)
@given(
    encoding=ENCODINGS,
    sizes=st.lists(st.sampled_from([1, 7, 255, 256, 65536, 70000]), min_size=1, max_size=3),
    steps=st.lists(st.integers(1, 12), min_size=1, max_size=3),
    kept=st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), max_size=5),
    seed=st.integers(0, 2**32),
    commits=st.booleans(),
)
def test_any_spikes_come_back(
    encoding: Encoding,
    sizes: list[int],
    steps: list[int],
    kept: list[tuple[bool, bool, bool]],
    seed: int,
    commits: bool,
) -> None:
    random = np.random.default_rng(seed)
    populations = tuple(Population(f"p{i}", (size,)) for i, size in enumerate(sizes))
    phases = tuple(Phase(f"phase{i}", n) for i, n in enumerate(steps))
    names = tuple(p.name for p in populations)
    layout = Layout(1e-3, "float32", populations, names, encoding, (), (), phases)
    records = [
        TrialRecord(
            epoch=0,
            split="test",
            index=i,
            sample=i,
            label=-1,
            predicted=-1,
            residual=float("nan"),
            phases=tuple(
                phase(random, layout, p.name, float(random.choice([0.0, 0.001, 0.2])))
                for p, keep in zip(phases, flags, strict=False)
                if keep
            ),
        )
        for i, flags in enumerate(kept)
    ]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "recording.h5"
        with Writer.create(path, layout, {}) as writer:
            for record in records:
                writer.trial(record)
                if commits:
                    writer.commit()
        with open_run(path) as run:
            assert len(run.trials) == len(records)
            for i, record in enumerate(records):
                assert list(run.phases(i)) == [p.name for p in record.phases]
                for part in record.phases:
                    for name, sent in part.spikes.items():
                        trains = run.spikes(name, i, part.name)
                        step, neuron = trains.step, trains.neuron
                        assert (run.counts(name, i, part.name) == sent.count).all()
                        assert (step == np.repeat(np.arange(part.steps), sent.count)).all()
                        assert (neuron == sent.neuron).all()


@pytest.mark.parametrize("layout", [LAYOUT, PLAIN], ids=["compact", "plain"])
def test_a_whole_run_comes_back(tmp_path: Path, layout: Layout) -> None:
    random = np.random.default_rng(1)
    path = tmp_path / "recording.h5"
    records = [trial(random, i, layout, epoch=i // 3) for i in range(6)]
    records += [trial(random, 0, layout, ("free",), "test"), trial(random, 1, layout, (), "test")]
    weights = [parameters(random) for _ in range(3)]
    with Writer.create(path, layout, {"seed": np.int64(3), "command": ("evsim", "run")}) as writer:
        for epoch, values in enumerate(weights):
            writer.weights(epoch, values)
        for record in records:
            writer.trial(record)
        writer.metrics({"epoch": 0, "split": "train", "error": np.float32(0.5)})
        writer.metrics({"epoch": 0, "split": "test", "loss": float("nan")})
    with open_run(path) as run:
        assert run.closed
        assert run.provenance == {"seed": 3, "command": ["evsim", "run"]}
        assert run.metrics[0] == {"epoch": 0, "split": "train", "error": 0.5}
        assert run.metrics[1]["loss"] is None
        for name in ("epoch", "split", "index", "sample", "label", "predicted", "residual"):
            assert run.trials[name].tolist() == [getattr(record, name) for record in records]
        assert run.recorded.tolist() == list(range(7))
        for name in weights[0]:
            assert (run.weights(name, 1) == weights[1][name]).all()
            assert (run.weights(name) == weights[2][name]).all()
        for i, record in enumerate(records):
            for part in record.phases:
                step, values = run.states("hidden", "v", i, part.name)
                assert (values == part.states[0]["v"]).all()
                assert step.tolist() == list(range(0, part.steps, 5))
                assert (run.states("digit", "u", i, part.name)[1] == part.states[1]["u"]).all()


def test_a_trial_reads_as_its_phases_one_after_the_other(tmp_path: Path) -> None:
    record = trial(np.random.default_rng(2), 0, phases=("free", "minus"))
    with Writer.create(tmp_path / "recording.h5", LAYOUT, {}) as writer:
        writer.trial(record)
    with open_run(tmp_path) as run:
        assert run.phases(0) == {"free": (0, 20), "minus": (20, 30)}
        trains = run.spikes("hidden", 0)
        step, neuron = trains.step, trains.neuron
        assert len(neuron) == sum(len(p.spikes["hidden"].neuron) for p in record.phases)
        later = run.spikes("hidden", 0, "minus").step
        assert (step[-len(later) :] == later + 20).all()
        assert trains.counts()[0].tolist() == np.bincount(neuron, minlength=400).tolist()
        assert run.states("hidden", "v", 0)[0].tolist() == [0, 5, 10, 15, 20, 25]


def test_what_waits_to_be_written_does_not_change_with_its_source(tmp_path: Path) -> None:
    values = parameters(np.random.default_rng(3))
    first = values["digit.bias"].copy()
    with Writer.create(tmp_path / "recording.h5", LAYOUT, {}) as writer:
        writer.weights(0, values)
        values["digit.bias"] += 1
    with open_run(tmp_path) as run:
        assert (run.weights("digit.bias", 0) == first).all()


def test_a_population_of_many_neurons_keeps_its_last_one(tmp_path: Path) -> None:
    for size in (65536, 65537):
        for encoding in ("plain", "compact"):
            layout = replace(
                PLAIN,
                populations=(Population("p", (size,)),),
                spikes=("p",),
                states=(),
                encoding=encoding,
            )
            sent = Spikes(np.array([1] + [0] * 19, np.uint32), np.array([size - 1], np.uint32))
            record = replace(
                trial(np.random.default_rng(0), 0, layout, ()),
                phases=(PhaseRecord("free", 20, {"p": sent}),),
            )
            path = tmp_path / f"{encoding}{size}.h5"
            with Writer.create(path, layout, {}) as writer:
                writer.trial(record)
            with open_run(path) as run:
                assert run.spikes("p", 0).neuron.tolist() == [size - 1]


def test_the_file_reads_with_plain_h5py_as_documented(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    records = [trial(random, i, PLAIN) for i in range(3)]
    path = tmp_path / "recording.h5"
    with Writer.create(path, PLAIN, {}) as writer:
        writer.weights(0, parameters(random))
        for record in records:
            writer.trial(record)
    with h5py.File(path) as file:
        begin, *_, end = file["trials/spike_offset/hidden"][1]
        expected = np.concatenate([p.spikes["hidden"].neuron for p in records[1].phases])
        assert (file["spikes/hidden/neuron"][begin:end] == expected).all()
        begin, *_, end = file["trials/step_offset"][1]
        assert file["spikes/hidden/count"][begin:end].sum() == len(expected)
        assert file["spikes/hidden"].attrs["shape"].tolist() == [4, 10, 10]
        assert file["spikes/hidden"].attrs["encoding"] == "plain"
        assert file["states/hidden/0"].attrs["neurons"].tolist() == [0, 5, 399]
        assert file["states/hidden/0/v"].attrs["unit"] == "V"
        assert file["weights/digit.bias"].shape == (1, 10)
        code = h5py.check_enum_dtype(file["trials/split"].dtype)
        assert code == {name: i for i, name in enumerate(SPLITS)}


def test_asking_for_what_is_not_there_says_what_is(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    with Writer.create(tmp_path / "recording.h5", LAYOUT, {}) as writer:
        writer.trial(trial(random, 0, phases=("free",)))
        writer.trial(trial(random, 1, phases=()))
        writer.weights(2, parameters(random))
    with open_run(tmp_path) as run:
        for ask, says in (
            (lambda: run.spikes("hiden", 0), "did you mean 'hidden'"),
            (lambda: run.rates("hiden"), "did you mean 'hidden'"),
            (lambda: run.spikes("hidden", 2), "No trial 2; .* has 2"),
            (lambda: run.spikes("hidden", 1), "Nothing of trial 1 is kept"),
            (lambda: run.spikes("hidden", 0, "plus"), "Nothing of phase 'plus' of trial 0"),
            (lambda: run.spikes("hidden", 0, "fre"), "did you mean 'free'"),
            (lambda: run.states("hidden", "w", 0), "hidden.v"),
            (lambda: run.weights("ou"), "did you mean 'out'"),
            (lambda: run.weights("out", 1), "kept: 2"),
        ):
            with pytest.raises(RecordingError, match=says):
                ask()


def test_nothing_asked_for_is_a_recording_too(tmp_path: Path) -> None:
    layout = replace(LAYOUT, spikes=(), states=(), parameters=())
    with Writer.create(tmp_path / "recording.h5", layout, {}) as writer:
        writer.trial(trial(np.random.default_rng(6), 0, layout))
        writer.weights(0, {})
    with open_run(tmp_path) as run:
        assert len(run.trials) == 1 and not len(run.recorded) and not len(run.weight_epochs)
        with pytest.raises(RecordingError, match="asks for none"):
            run.spikes("hidden", 0)
        assert "train 1" in str(run.info())
