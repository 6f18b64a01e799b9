"""Arrays over time that neuron code reads, as Brian2's TimedArray, on both engines."""

import h5py
import numpy as np
import pytest

import evsim
from evsim import simulate
from evsim.build.build import build
from evsim.engines.fused import engine as fused
from evsim.engines.reference import engine as reference
from evsim.errors import BuildError, RecordingError
from evsim.spec.parse import parse_text
from evsim.testing.engine import assert_same, run_trial

TEXT = """\
name: arrays
dt: 0.1*ms
precision: float64
arrays:
  steps: {values: [0.5, -1, 2, 0.25], dt: 0.4*ms, unit: nA}
  fine: {values: [1, 2, 4, 8, 16, 32], dt: 0.03*ms}
  rows: {values: [[1, 2, 3], [4, 5, 6]], dt: 0.7*ms, unit: mV}
  unused: {values: [1], dt: 1*ms}
neurons:
  cell:
    equations: |
      dv/dt = (drive - v)/(1*ms) : volt
      drive = steps(t)*resistance : volt
      late : amp
      early : amp
      thin : 1
      wide : volt
      every : volt
    threshold: rows(t, 1) > 3*mV and v > -1*mV
    reset: v -= rows(t, i % 3)
    run:
      end: |
        late = steps(t - 0.5*ms - i*0.1*ms)
        early = steps(t + 1*second)
        thin = fine(t)
        wide = rows(t, i)
        every += rows(t*2, 2 - i)
    method: euler
    parameters: {resistance: 10*Mohm}
populations:
  a: {shape: [3], neuron: cell}
protocol: {phases: {first: {steps: 9}, run: {steps: 40, from: first}}}
"""


def test_values_are_those_of_strict_code(compile_strict):
    plan = build(parse_text(TEXT))
    found, expected = (
        run_trial(program.simulation(), plan, {})
        for program in (fused.compile(plan, "libm"), compile_strict(plan))
    )
    assert_same(found, expected)
    assert found["first", "a", "late"].tolist() == [0.5e-9, 0.5e-9, 0.5e-9]
    assert found["first", "a", "early"].tolist() == [0.25e-9] * 3
    assert found["first", "a", "wide"] == pytest.approx([4e-3, 5e-3, 6e-3])
    assert found["run", "a", "thin"].tolist() == [32, 32, 32]
    assert found["run", "a", "spikes"].size > 5


def test_time_steps_pick_the_value_that_holds_then():
    text = (
        TEXT[: TEXT.index("neurons:")]
        + """\
neurons:
  cell:
    equations: "seen : 1"
    run: {end: seen = steps(t)/nA}
populations: {a: {shape: [1], neuron: cell}}
protocol: {phases: {run: {steps: 20}}}
"""
    )
    plan = build(parse_text(text))
    for program in (fused.compile(plan), reference.compile(plan, "numpy")):
        simulation = program.simulation()
        simulation.begin({})
        simulation.enter("run")
        seen = []
        for _ in range(20):
            simulation.advance(1)
            seen.append(simulation.get("a", "seen")[0])
        np.testing.assert_allclose(seen, np.repeat([0.5, -1, 2, 0.25, 0.25], 4))


SIMPLE = """\
name: files
dt: 1*ms
arrays:
  stimulus: {FIELDS, dt: 1*ms, unit: mV}
neurons:
  cell: {equations: "v : volt", run: {end: "v = stimulus(CALL)"}}
populations: {a: {shape: [3], neuron: cell}}
protocol: {phases: {run: {steps: 3}}}
"""
LINE = np.array([1.0, 2, 4, 8])
TABLE = np.arange(12).reshape(4, 3)


@pytest.fixture
def folder(tmp_path):
    np.save(tmp_path / "line.npy", LINE)
    np.save(tmp_path / "table.npy", np.asfortranarray(TABLE))
    np.save(tmp_path / "scalar.npy", np.float64(1))
    np.save(tmp_path / "deep.npy", np.zeros((2, 2, 2)))
    np.save(tmp_path / "gap.npy", np.array([[1, 2], [3, np.nan]]))
    np.save(tmp_path / "objects.npy", np.array([1, {}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "texts.npy", np.array(["a"]))
    np.savez_compressed(tmp_path / "both.npz", line=LINE, table=TABLE)
    with h5py.File(tmp_path / "both.h5", "w") as file:
        file["group/line"], file["table"] = LINE.astype(np.float32), TABLE
        file.create_dataset("huge", (10**6, 10**6), np.float64, chunks=(1, 1000))
    (tmp_path / "line.csv").write_text("# in mV\n1\n2\n4\n8\n")
    (tmp_path / "table.csv").write_text("\n".join(",".join(map(str, row)) for row in TABLE))
    (tmp_path / "words.csv").write_text("time,value\n1,2\n")
    (tmp_path / "ragged.csv").write_text("1,2\n1\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "damaged.npy").write_bytes((tmp_path / "line.npy").read_bytes()[:-3])
    (tmp_path / "noise.npz").write_bytes(b"noise")
    with (tmp_path / "huge.npy").open("wb") as file:
        header = {"descr": "<f8", "fortran_order": False, "shape": (2**40,)}
        np.lib.format.write_array_header_1_0(file, header)
    return tmp_path


def plan_with(folder, fields, call="t"):
    text = SIMPLE.replace("FIELDS", fields).replace("CALL", call)
    return build(parse_text(text, str(folder / "net.yaml")))


@pytest.mark.parametrize(
    "file", ["line.npy", "both.npz:line", "both.h5:group/line", "both.h5:/group/line", "line.csv"]
)
def test_files_of_every_kind_are_read(folder, file):
    plan = plan_with(folder, f'file: "{file}"')
    np.testing.assert_allclose(plan.arrays["stimulus"].values, LINE * 1e-3)
    table = file.replace("group/", "").replace("line", "table")
    plan = plan_with(folder, f'file: "{table}"', "t, i")
    np.testing.assert_allclose(plan.arrays["stimulus"].values, TABLE * 1e-3)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("file: nowhere.npy", "There is no file '"),
        ("file: line.txt", "'line.txt' is no kind of file that can be read."),
        ("file: both.npz", "Which array is not said."),
        ("file: 'both.npz:lines'", "'both.npz' has no array 'lines'."),
        ("file: 'both.h5:group'", "'both.h5' has no array 'group'."),
        ("file: 'both.h5:huge'", "'huge' of 'both.h5' holds 1,000,000,000,000 numbers, more than"),
        ("file: huge.npy", "'huge.npy' holds 1,099,511,627,776 numbers, more than"),
        ("file: objects.npy", "'objects.npy' holds object, not numbers."),
        ("file: texts.npy", "'texts.npy' holds <U1, not numbers."),
        ("file: scalar.npy", "Shape [] is not (time) or (time, column)."),
        ("file: deep.npy", "Shape [2, 2, 2] is not (time) or (time, column)."),
        ("file: gap.npy", "The value at time 1, column 1 (from 0) is nan."),
        ("file: words.csv", "'words.csv' cannot be read (could not convert string 'time'"),
        ("file: ragged.csv", "'ragged.csv' cannot be read ("),
        ("file: empty.csv", "Shape [0] is not"),
        ("file: damaged.npy", "'damaged.npy' cannot be read ("),
        ("file: noise.npz:x", "'noise.npz' cannot be read (File is not a zip file)."),
    ],
)
def test_a_file_that_holds_no_table_is_refused_at_its_place(folder, fields, message):
    with pytest.raises(BuildError) as caught:
        plan_with(folder, fields)
    (fault,) = caught.value.faults
    assert fault.message.startswith(message)
    assert (fault.mark.line, fault.mark.column) == (4, 20)


@pytest.mark.parametrize(
    ("values", "call", "line", "message"),
    [
        ("[1, 2]", "t, i", 6, "stimulus"),
        ("[[1, 2, 3]]", "t", 6, "stimulus"),
        ("[1, 2]", "3", 6, "stimulus"),
        ("[[1, 2]]", "t, i", 4, "Array 'stimulus' has 2 columns, population 'a' reads one for"),
    ],
)
def test_calls_that_do_not_fit_the_array_are_refused(folder, values, call, line, message):
    with pytest.raises(BuildError) as caught:
        plan_with(folder, f"values: {values}", call)
    (fault,) = caught.value.faults
    assert message in fault.message
    assert fault.mark.line == line


def test_content_decides_the_fingerprint_and_not_the_program(folder):
    first = plan_with(folder, "file: line.npy")
    programs = [fused.compile(first)]
    np.save(folder / "line.npy", LINE + 1)
    second = plan_with(folder, "file: line.npy")
    programs.append(fused.compile(second))
    assert first.fingerprint != second.fingerprint
    assert programs[0].compiled.source == programs[1].compiled.source
    found = [run_trial(p.simulation(), p.plan, {})["run", "a", "v"] for p in programs]
    np.testing.assert_allclose(found, [[4e-3] * 3, [5e-3] * 3], rtol=1e-6)


def test_a_run_goes_on_with_the_same_array_only(folder):
    (folder / "net.yaml").write_text(
        SIMPLE.replace("FIELDS", "file: line.csv").replace("CALL", "t")
    )
    done = simulate.run(simulate.load(folder / "net.yaml"), out=folder / "out")
    simulate.resume(done.folder, until_epochs=2)
    with evsim.open(done.folder) as recording:
        assert len(recording.trials) == 2
    (folder / "line.csv").write_text("1\n2\n4\n9\n")
    with pytest.raises(RecordingError, match="was changed after the run began"):
        simulate.resume(done.folder, until_epochs=3)
