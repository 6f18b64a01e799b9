"""What other tools read of an exported recording is what was recorded."""

from __future__ import annotations

import json
import re
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evsim import registry
from evsim.exchange.exporting import FORMATS, export
from evsim.exchange.formats import nwb
from evsim.recording.reader import Run, open_run
from tests.exchange.recordings import LAYOUT, NETWORK, Expected, expected, mixed, write

DT = 1e-3
COLUMNS = ("epoch", "split", "index", "sample", "label", "predicted", "residual")


@pytest.fixture(scope="module")
def written(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    out = tmp_path_factory.mktemp("written")
    with open_run(folder) as run:
        return {
            name: export(run, name, out / file).path
            for name, file in (
                ("nwb", "a.nwb"), ("neo", "a.mat"), ("sonata", "sonata"), ("csv", "csv")
            )
        }  # fmt: skip


def trains(truth: Expected, name: str, size: int) -> list[list[float]]:
    """Times of each neuron's spikes, s."""
    step, neuron = truth.spikes[name].T
    return [(step[neuron == n] * DT).tolist() for n in range(size)]


def assert_trials(table: Any, truth: Expected) -> None:
    """A table, a mapping of columns, shows the trials as they were recorded."""
    records = [mixed()[row] for row in truth.rows]
    assert list(table["trial"]) == truth.rows
    assert list(table["start_time"]) == pytest.approx([step * DT for step in truth.begin])
    ends = [first + steps for first, steps in zip(truth.begin, truth.steps, strict=True)]
    assert list(table["stop_time"]) == pytest.approx([step * DT for step in ends])
    for name in COLUMNS:
        assert list(table[name]) == [getattr(record, name) for record in records]


def assert_phases(table: Any, truth: Expected) -> None:
    found = zip(table["phase"], table["start_time"], table["stop_time"], strict=True)
    for (name, start, stop), (phase, first, end, _) in zip(found, truth.phases, strict=True):
        assert name == phase and (start, stop) == pytest.approx((first * DT, end * DT))
    assert [bool(kept) for kept in table["spikes"]] == [kept for *_, kept in truth.phases]


def assert_facts(text: str) -> None:
    facts = json.loads(text)
    assert (facts["name"], facts["seed"], facts["dt"]) == ("mixed", 3, DT)
    assert facts["populations"]["hidden"]["shape"] == [2, 3, 4]
    assert "weights" in facts["left_out"] and facts["versions"]


def test_pynwb_reads_everything(written: dict[str, Path], truth: Expected) -> None:
    import pynwb

    with pynwb.NWBHDF5IO(str(written["nwb"]), "r") as io:
        file = io.read()
        units = file.units.to_dataframe()
        assert file.units.resolution == DT
        for name, size in (("hidden", 24), ("digit", 4)):
            rows = units[units.population == name]
            assert rows.node_id.tolist() == list(range(size))
            assert [times.tolist() for times in rows.spike_times] == trains(truth, name, size)
        # The samples of a phase whose spikes were not kept lie between what was observed.
        unkept = next((first, end) for _, first, end, kept in truth.phases if not kept)
        observed = [[0, unkept[0] * DT], [unkept[1] * DT, truth.phases[-1][2] * DT]]
        np.testing.assert_allclose(units.obs_intervals.iloc[3], observed)
        assert_trials(file.trials.to_dataframe(), truth)
        assert_phases(file.intervals["phases"].to_dataframe(), truth)
        for name, unit in (("hidden.v", "V"), ("digit.u", "n.a.")):
            series = file.acquisition[name]
            step, values = truth.samples[name]
            np.testing.assert_array_equal(series.data[:], values)
            assert series.data.dtype == values.dtype and series.unit == unit
            np.testing.assert_allclose(series.get_timestamps(), step * DT)
        assert "neurons 0, 5, 23" in file.acquisition["hidden.v"].description
        assert_facts(file.notes)
        assert file.source_script == NETWORK
        assert file.session_start_time.isoformat() == "2026-02-03T04:05:06+00:00"


def test_nwbinspector_misses_a_subject_only(written: dict[str, Path]) -> None:
    inspector = pytest.importorskip("nwbinspector")
    found = list(inspector.inspect_nwbfile(nwbfile_path=str(written["nwb"])))
    severe = ("CRITICAL", "BEST_PRACTICE_VIOLATION", "ERROR", "PYNWB_VALIDATION")
    grave = {m.check_function_name for m in found if m.importance.name in severe}
    assert grave <= {"check_subject_exists"}


def test_units_are_written_in_blocks_as_at_once(
    run: Run, tmp_path: Path, truth: Expected, monkeypatch: pytest.MonkeyPatch
) -> None:
    import h5py

    monkeypatch.setattr(nwb, "BLOCK", 100)
    monkeypatch.setattr("evsim.recording.spikes.PART", 1)
    path = export(run, "nwb", tmp_path / "a.nwb").path
    with h5py.File(path) as file:
        times = np.concatenate(
            [np.concatenate(trains(truth, name, n)) for name, n in (("hidden", 24), ("digit", 4))]
        )
        np.testing.assert_array_equal(file["units/spike_times"][()], times)


def test_pynapple_cuts_spikes_into_the_trials(written: dict[str, Path], truth: Expected) -> None:
    nap = pytest.importorskip("pynapple")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        session = nap.load_file(str(written["nwb"]))
        units, trials = session["units"], session["trials"]
        assert len(units) == 28
        for at, (first, steps) in enumerate(zip(truth.begin, truth.steps, strict=True)):
            inside = units.restrict(trials[at])
            number = sum(len(inside[unit]) for unit in inside)
            step = np.concatenate([part[:, 0] for part in truth.spikes.values()])
            assert number == ((step >= first) & (step < first + steps)).sum()
        assert session["digit.u"].shape == truth.samples["digit.u"][1].shape


def test_neo_reads_nwb(run: Run, tmp_path: Path) -> None:
    neo = pytest.importorskip("neo")
    # Neo refuses units that were not observed all the time, as in a phase of the last trial.
    path = export(run, "nwb", tmp_path / "a.nwb", trials="0-3").path
    truth = expected(mixed()[:4])
    (segment,) = neo.get_io(str(path)).read_block().segments
    found = [train.rescale("s").magnitude.tolist() for train in segment.spiketrains]
    assert found == [*trains(truth, "hidden", 24), *trains(truth, "digit", 4)]
    step, values = truth.samples["digit.u"]
    (signal,) = (s for s in segment.analogsignals if s.shape == values.shape)
    np.testing.assert_array_equal(signal.magnitude, values)
    np.testing.assert_allclose(signal.times.rescale("s").magnitude, step * DT)


def test_neo_reads_a_segment_for_each_trial(written: dict[str, Path], truth: Expected) -> None:
    neo = pytest.importorskip("neo")
    block = neo.get_io(str(written["neo"])).read_block()
    assert_facts(block.annotations["evsim"])
    assert block.annotations["network"] == NETWORK
    assert len(block.segments) == len(truth.rows)
    rows = [{"index": segment.index, **segment.annotations} for segment in block.segments]
    assert_trials({name: [row[name] for row in rows] for name in rows[0]}, truth)
    for segment, first, steps in zip(block.segments, truth.begin, truth.steps, strict=True):
        for name, size in (("hidden", 24), ("digit", 4)):
            step, neuron = truth.spikes[name].T
            here = [t for t in segment.spiketrains if t.annotations["population"] == name]
            assert [t.annotations["neuron"] for t in here] == list(range(size))
            assert all(float(t.t_stop) == pytest.approx(steps * DT) for t in here)
            for n, train in enumerate(here):
                inside = (neuron == n) & (step >= first) & (step < first + steps)
                assert train.magnitude.tolist() == ((step[inside] - first) * DT).tolist()
        found = {s.name: s for s in (*segment.analogsignals, *segment.irregularlysampledsignals)}
        for name, unit in (("hidden.v", "V"), ("digit.u", "dimensionless")):
            step, values = truth.samples[name]
            inside = (step >= first) & (step < first + steps)
            np.testing.assert_array_equal(found[name].magnitude, values[inside])
            np.testing.assert_allclose(found[name].times.magnitude, (step[inside] - first) * DT)
            assert str(found[name].dimensionality) == unit
        names = [name for name, begin, *_ in truth.phases if first <= begin < first + steps]
        assert [list(epoch.labels) for epoch in segment.epochs] == ([names] if names[1:] else [])


def test_libsonata_reads_spikes_and_reports(written: dict[str, Path], truth: Expected) -> None:
    libsonata = pytest.importorskip("libsonata")
    spikes = libsonata.SpikeReader(str(written["sonata"] / "spikes.h5"))
    assert set(spikes.get_population_names()) == {"hidden", "digit"}
    for name, wanted in truth.spikes.items():
        assert spikes[name].sorting == "by_time"
        found = spikes[name].get_dict()
        np.testing.assert_array_equal(found["timestamps"], wanted[:, 0] * DT * 1e3)
        np.testing.assert_array_equal(found["node_ids"], wanted[:, 1])
    for name, neurons, every, unit in (
        ("hidden.v", [0, 5, 23], 5, "V"),
        ("digit.u", range(4), 1, "1"),
    ):
        reader = libsonata.ElementReportReader(str(written["sonata"] / f"{name}.h5"))
        report = reader[name.partition(".")[0]]
        assert report.get_node_ids() == list(neurons) and report.data_units == unit
        step, values = truth.samples[name]
        start, stop, apart = report.times
        assert (start, apart) == pytest.approx((step[0], every)) and stop > step[-1]
        frame = report.get()
        np.testing.assert_array_equal(frame.data[(step - step[0]) // every], values)
        assert np.isnan(frame.data).sum() == frame.data.size - values.size


def test_bmtk_reads_spikes_and_reports(written: dict[str, Path], truth: Expected) -> None:
    reports = pytest.importorskip(
        "bmtk.utils.reports", reason="bmtk is not installed: it brings an image library and more"
    )
    spikes = reports.SpikeTrains.load(str(written["sonata"] / "spikes.h5"))
    assert set(spikes.populations) == {"hidden", "digit"}
    for neuron, times in enumerate(trains(truth, "digit", 4)):
        found = spikes.get_times(neuron, population="digit")
        np.testing.assert_allclose(found, np.multiply(times, 1e3))
    report = reports.CompartmentReport.load(str(written["sonata"] / "digit.u.h5"))
    step, values = truth.samples["digit.u"]
    np.testing.assert_array_equal(report.data(population="digit")[step - step[0]], values)
    assert report.dt(population="digit") == 1


def test_pandas_reads_csv(written: dict[str, Path], truth: Expected) -> None:
    pandas = pytest.importorskip("pandas")
    tables = {p.stem: pandas.read_csv(p) for p in written["csv"].glob("*.csv")}
    assert_trials(tables["trials"], truth)
    assert_phases(tables["phases"], truth)
    first = dict(zip(truth.rows, truth.begin, strict=True))
    for name, wanted in truth.spikes.items():
        found = tables["spikes"][tables["spikes"].population == name]
        begin = found.trial.map(first)
        np.testing.assert_array_equal(np.stack([begin + found.step, found.neuron], 1), wanted)
        np.testing.assert_array_equal(found.time, found.step * DT)
    for name, columns in (("hidden.v", ["0", "5", "23"]), ("digit.u", list("0123"))):
        found = tables[name]
        step, values = truth.samples[name]
        np.testing.assert_array_equal(found.trial.map(first) + found.step, step)
        np.testing.assert_array_equal(found[columns].to_numpy(np.float32), values)
    assert_facts((written["csv"] / "metadata.json").read_text())
    assert (written["csv"] / "network.yaml").read_text() == NETWORK


def test_documented_python_reads_exports(
    run: Run, tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, truth: Expected
) -> None:
    for module in ("libsonata", "neo", "pandas", "pynapple", "pynwb"):
        pytest.importorskip(module)
    text = (root / "docs" / "recordings.md").read_text()
    (block,) = re.findall(r"```py\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    for to, name in (("nwb", "recording.nwb"), ("neo", "recording.mat"), ("csv", "csv")):
        export(run, to, name)
    export(run, "sonata", "sonata")
    known: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(block, known)
    assert [times.tolist() for times in known["digit"]] == trains(truth, "digit", 4)
    assert len(known["first"]) == 28 and known["trials"].index.tolist() == truth.rows
    assert len(known["u"]) > 0 and len(known["trains"]) == 4
    assert len(known["spikes"]) == sum(map(len, truth.spikes.values()))


@pytest.mark.parametrize("format", registry.names(FORMATS))
def test_states_of_synapses_are_exported(tmp_path: Path, format: str) -> None:
    """Entries of `record.states` may name a projection, which is no population."""
    layout = replace(LAYOUT, states=(replace(LAYOUT.states[1], population="out"),))
    write(tmp_path / "recording.h5", mixed(layout), layout)
    with open_run(tmp_path) as run:
        assert export(run, format).signals == ("out.u",)
