"""Files of spikes as recordings: evsim's own exports and what other tools write."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import evsim
from evsim.analysis.analyze import analyze
from evsim.errors import DataError, InputError, RecordingError
from evsim.exchange.exporting import export
from evsim.exchange.importing import import_spikes
from evsim.orchestrator.events import TrialRecord
from evsim.recording.reader import Run, open_run
from tests.exchange.recordings import LAYOUT, write
from tests.recording.helpers import trial

FORMATS = {"csv": ("out", ""), "nwb": ("out.nwb", ""), "sonata": ("out", "/spikes.h5")}
PHASES = ("free", "plus", "minus")


@st.composite
def recordings(draw: st.DrawFn) -> list[TrialRecord]:
    """Trials that keep any of their phases, some of these as samples only, silent ones too."""
    random = np.random.default_rng(draw(st.integers(0, 1000)))
    records = []
    for index in range(draw(st.integers(1, 5))):
        kept = draw(st.sets(st.sampled_from(PHASES)))
        names = tuple(name for name in PHASES if name in kept)
        activity = draw(st.sampled_from([0.0, 0.02, 0.4]))
        split = draw(st.sampled_from(["train", "validation", "test"]))
        record = trial(random, index, LAYOUT, names, split, activity=activity)
        spiking = draw(st.sets(st.sampled_from(PHASES)))
        phases = (p if p.name in spiking else replace(p, spikes={}) for p in record.phases)
        records.append(replace(record, phases=tuple(phases), epoch=index % 2))
    return records


@settings(max_examples=15, deadline=None)
@given(records=recordings(), to=st.sampled_from(["csv", "sonata"]))
def test_any_recording_survives_the_way_there_and_back(records: list[TrialRecord], to: str) -> None:
    there_and_back(records, to)


@settings(max_examples=3, deadline=None)
@given(records=recordings())
@example(records=[trial(np.random.default_rng(0), 0, LAYOUT, activity=0)])
def test_any_recording_survives_nwb(records: list[TrialRecord]) -> None:
    there_and_back(records, "nwb")


def there_and_back(records: list[TrialRecord], to: str) -> None:
    name, inside = FORMATS[to]
    with TemporaryDirectory() as parent:
        folder = Path(parent)
        write(folder / "recording.h5", records)
        kept = [record for record in records if record.phases]
        with open_run(folder) as run:
            if not kept:
                with pytest.raises(RecordingError, match="Neither spikes nor states"):
                    export(run, to, folder / name)
                return
            out = export(run, to, folder / name).path
        if not any(phase.spikes for record in kept for phase in record.phases):
            with pytest.raises(DataError, match="read"):
                import_spikes(f"{out}{inside}", folder / "back")
            return
        import_spikes(f"{out}{inside}", folder / "back")
        with open_run(folder / "back") as back:
            assert back.layout.dt == LAYOUT.dt
            assert {p.name: p.shape for p in back.layout.populations} == {
                name: LAYOUT.population(name).shape for name in LAYOUT.spikes
            }
            assert len(back.trials) == len(kept)
            for row, record in enumerate(kept):
                assert_same(back, row, record)


def assert_same(back: Run, row: int, record: TrialRecord) -> None:
    for name in ("epoch", "split", "index", "sample", "label", "predicted", "residual"):
        assert back.trials[name][row] == getattr(record, name)
    spiking = [phase for phase in record.phases if phase.spikes]
    steps = {name: end - first for name, (first, end) in back.phases(row).items()}
    assert steps == {phase.name: phase.steps for phase in spiking}
    for phase in spiking:
        for name, wanted in phase.spikes.items():
            found = back.spikes(name, row, phase.name)
            step = np.repeat(np.arange(phase.steps), wanted.count)
            assert found.step.tolist() == step.tolist()
            assert found.neuron.tolist() == wanted.neuron.tolist()


def test_spikes_of_others_are_analysed(tmp_path: Path) -> None:
    """As BMTK writes them: no trials, times in ms, by no order."""
    random = np.random.default_rng(3)
    time, node = np.sort(random.random(500) * 1000), random.integers(0, 20, 500)
    mixed = random.permutation(500)
    with h5py.File(tmp_path / "bmtk.h5", "w") as file:
        file["spikes/v1/timestamps"], file["spikes/v1/node_ids"] = time[mixed], node[mixed]
        file["spikes/v1/timestamps"].attrs["units"] = "ms"
    with pytest.raises(InputError, match="no time step"):
        import_spikes(tmp_path / "bmtk.h5", tmp_path / "run")
    found = import_spikes(tmp_path / "bmtk.h5", tmp_path / "run", dt=1e-4)
    with open_run(tmp_path / "run") as run:
        trains = run.spikes("v1")
        distinct = np.unique(np.stack([np.floor(time * 10 + 1e-3), node]), axis=1)
        assert np.array_equal(np.stack([trains.step, trains.neuron]), distinct)
        assert found.spikes == distinct.shape[1] and found.trials == 1
        assert run.trials["split"].tolist() == ["test"] and run.trials["label"].tolist() == [-1]
        assert analyze(run)["activity"].rows
        export(run, "csv", tmp_path / "again")
    assert (tmp_path / "again" / "spikes.csv").is_file()


def test_trials_of_an_nwb_file_cut_its_spikes(tmp_path: Path) -> None:
    pynwb = pytest.importorskip("pynwb")
    from datetime import UTC, datetime

    file = pynwb.NWBFile("a session", "id", datetime(2020, 1, 1, tzinfo=UTC))
    for times in ([0.05, 1.0, 1.0102, 1.0105, 2.5], [1.2], []):
        file.add_unit(spike_times=times)
    file.add_trial_column("label", "stimulus")
    file.add_trial(start_time=1.0, stop_time=1.2, label=4)
    file.add_trial(start_time=1.2, stop_time=1.21, label=7)
    with pynwb.NWBHDF5IO(str(tmp_path / "a.nwb"), "w") as io:
        io.write(file)
    found = import_spikes(tmp_path / "a.nwb", tmp_path / "run", dt=1e-3)
    assert len(found.notes) == 2 and "2 spikes lie in no trial" in found.notes[0]
    assert found.notes[1].startswith("1 spikes")
    with open_run(tmp_path / "run") as run:
        trains = run.spikes("units")
        assert trains.steps.tolist() == [200, 10] and trains.population.size == 3
        found = zip(
            trains.trial.tolist(), trains.step.tolist(), trains.neuron.tolist(), strict=True
        )
        assert [*found] == [(0, 0, 0), (0, 10, 0), (1, 0, 1)]
        assert run.trials["label"].tolist() == [4, 7]


def test_lines_with_trials_and_times_before_zero(tmp_path: Path) -> None:
    lines = "trial,population,neuron,time\n7,a,0,-20\n7,b 1,2,30.5\n9,a,1,0\n"
    (tmp_path / "x.csv").write_text(lines)
    found = import_spikes(tmp_path / "x.csv", tmp_path / "run", dt=1e-3, unit="ms")
    assert found.notes == ("time 0 of each trial is -0.02 s in the file",)
    assert found.populations == ("a", "b_1")
    with open_run(tmp_path / "run") as run:
        assert run.spikes("a").trial.tolist() == [0, 1]
        assert run.spikes("a").step.tolist() == [0, 20]
        assert run.spikes("b_1").step.tolist() == [50]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("x.csv", "time,neuron\n1,2\n1;2\n", "line 3 of"),
        ("x.csv", "time,neuron,trial\n1,2\n", "is not `time,neuron,trial`"),
        ("x.csv", "time,neuron\n1,0.5\n", "there is no neuron 0.5"),
        ("x.csv", "time,neuron\nnan,0\n", "not a number"),
        ("x.csv", "time,neuron\n1e9,0\n", "steps of 0.001 s"),
        ("x.csv", "time,neuron\n1.7e18,0\n", "steps of 0.001 s"),
        ("x.csv", "time,neuron\n1,nan\n", "neuron is no number"),
        ("x.csv", "trial,population,neuron,time\n", "holds no trial"),
        ("x.nwb", "no HDF5", "cannot be read"),
        ("x.h5", "no HDF5", "cannot be read or is damaged"),
        ("x.dat", "1 2", "of no format that holds spikes"),
    ],
)
def test_faults_of_files_are_said(tmp_path: Path, name: str, text: str, says: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=says):
        import_spikes(tmp_path / name, tmp_path / "run", dt=1e-3)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_sonata_faults_name_the_dataset(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    for datasets, units, says in (
        ({"timestamps": [1.0]}, "ms", "no `spikes/p/node_ids`"),
        ({"timestamps": [1.0], "node_ids": [[1]]}, "ms", "`spikes/p/node_ids` of .* no list"),
        ({"timestamps": [1.0], "node_ids": [1]}, "h", "`spikes/p/timestamps` of .* is in 'h'"),
        ({"timestamps": [1.0], "node_ids": [1, 2]}, "ms", "1 times, but 2 neurons"),
    ):
        with h5py.File(path, "w") as file:
            for name, values in datasets.items():
                file[f"spikes/p/{name}"] = values
            file["spikes/p/timestamps"].attrs["units"] = units
        with pytest.raises(DataError, match=says):
            import_spikes(path, tmp_path / "run", dt=1e-3)


def test_a_recording_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("time,neuron\n1,2\n")
    import_spikes(tmp_path / "x.csv", tmp_path / "run", dt=1e-3)
    before = (tmp_path / "run" / "recording.h5").read_bytes()
    with pytest.raises(RecordingError, match="not overwritten"):
        import_spikes(tmp_path / "x.csv", tmp_path / "run", dt=1e-3)
    assert (tmp_path / "run" / "recording.h5").read_bytes() == before


def test_there_is_nothing_to_go_on_with(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("time,neuron\n1,2\n")
    import_spikes(tmp_path / "x.csv", tmp_path / "run", dt=1e-3)
    with pytest.raises(RecordingError, match="imported spikes"):
        evsim.resume(tmp_path / "run")
