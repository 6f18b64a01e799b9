"""What must not change a run's numbers: threads, and what is recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

import evsim
from evsim.recording.trains import SpikeTrains
from tests.helpers import tiny


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write(tmp_path_factory.mktemp("equality"))


@pytest.fixture(scope="module")
def alone(path: Path) -> Path:
    """A run on one thread."""
    return tiny.run(path, path.parent / "alone", threads=1).folder


@pytest.mark.parametrize("threads", [2, 40])
def test_threads_do_not_matter(path: Path, alone: Path, threads: int) -> None:
    tiny.assert_equal_runs(alone, tiny.run(path, path.parent / "more", threads=threads).folder)


@pytest.mark.parametrize("batch", [1, 23, 100])
def test_threads_do_not_matter_however_shards_are_filled(path: Path, batch: int) -> None:
    """Batches of one trial, one a shard, more than one in some, and larger than the data."""
    overrides = (f"protocol.batch={batch}", "protocol.epochs=1")
    runs = [tiny.run(path, path.parent / "b", *overrides, threads=n).folder for n in (1, 2)]
    tiny.assert_equal_runs(*runs)


def test_batches_matter(path: Path, alone: Path) -> None:
    """Else the comparisons here would say nothing."""
    other = tiny.run(path, path.parent / "other", "protocol.batch=6").folder
    assert tiny.learned(other) != tiny.learned(alone)


def test_recording_does_not_matter(path: Path, alone: Path) -> None:
    silent = tiny.run(path, path.parent / "silent", "record={}").folder
    assert tiny.learned(silent) == tiny.learned(alone)
    assert tiny.lines(silent) == tiny.lines(alone)
    with evsim.open(silent) as quiet, evsim.open(alone) as loud:
        assert len(quiet.recorded) == 0
        for name in ("label", "predicted", "sample"):
            assert (quiet.trials[name] == loud.trials[name]).all()


def same(mine: SpikeTrains, its: SpikeTrains) -> bool:
    return mine.step.tolist() == its.step.tolist() and mine.neuron.tolist() == its.neuron.tolist()


def test_an_encoding_does_not_change_spikes(path: Path, alone: Path) -> None:
    compact = tiny.run(path, path.parent / "c", "record.spikes.encoding=compact").folder
    with evsim.open(compact) as one, evsim.open(alone) as other:
        assert len(one.recorded) == len(other.recorded) == 3 * 46
        for trial in one.recorded:
            for name in ("hidden", "digit"):
                assert same(one.spikes(name, trial), other.spikes(name, trial))


def test_what_is_recorded_of_fewer_trials_is_the_same(path: Path, alone: Path) -> None:
    override = "record={spikes: {populations: [digit], phases: [free], trials: [1, 4]}}"
    few = tiny.run(path, path.parent / "few", override).folder
    with evsim.open(few) as one, evsim.open(alone) as other:
        assert set(one.trials[one.recorded]["index"]) == {1, 4}
        for trial in one.recorded:
            assert same(one.spikes("digit", trial), other.spikes("digit", trial, "free"))


def test_seeds_matter(path: Path, alone: Path) -> None:
    assert tiny.learned(tiny.run(path, path.parent / "s", "seed=4").folder) != tiny.learned(alone)


NOISY = ("neurons.unit.threshold=carry > rand()", "protocol.epochs=1")


def test_random_numbers_depend_on_the_trial_only(path: Path) -> None:
    """Not on threads, on the size of batches, or on which trial ran before."""
    runs = [tiny.run(path, path.parent / f"noisy{n}", *NOISY, threads=n).folder for n in (1, 2, 40)]
    tiny.assert_equal_runs(runs[0], runs[1])
    tiny.assert_equal_runs(runs[0], runs[2])


def test_random_numbers_change_from_epoch_to_epoch(path: Path) -> None:
    """Without learning nothing else does."""
    still = ("plasticity.contrast.update.rate=1e-30", "plasticity.bias_contrast.update.rate=1e-30")
    kept = ("protocol.epochs=2", "protocol.order=sequential")
    folder = tiny.run(path, path.parent / "still", NOISY[0], *still, *kept).folder
    with evsim.open(folder) as run:
        trials = run.trials[run.recorded]
        chosen = run.recorded[(trials["index"] == 0) & (trials["split"] == trials["split"][0])]
        first, second = (run.spikes("hidden", trial).step.tolist() for trial in chosen)
        assert first != second
