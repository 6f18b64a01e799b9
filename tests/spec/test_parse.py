"""Network files as a whole: what is read, all faults at once, nothing is run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from evsim import models
from evsim.errors import SpecError
from evsim.spec.parse import parse, parse_text
from evsim.spec.schema import json_schema

ROOT = Path(__file__).resolve().parents[2]
SMALL = (Path(__file__).parent / "small.yaml").read_text(encoding="utf-8")
NETWORKS = [
    *sorted((ROOT / "networks").rglob("*.yaml")),
    *sorted((ROOT / "tests/networks").glob("*.yaml")),
]


@pytest.mark.parametrize("path", NETWORKS, ids=lambda path: path.stem)
def test_shipped_networks_are_good(path):
    network = parse(path)
    assert network.name == path.stem
    assert network.source.text.startswith("# ")


@pytest.mark.parametrize("path", NETWORKS, ids=lambda path: path.stem)
def test_json_schema_accepts_the_shipped_networks(path):
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(json_schema())
    assert [error.message for error in validator.iter_errors(parse(path).source.data)] == []


def test_json_schema_refuses_what_the_parser_refuses():
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(json.dumps(json_schema()))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for wrong in ({"tme": 1}, {"dt": 1}, {"seed": "x"}, {"populations": {}}):
        data = {**parse_text(SMALL).source.data, **wrong}
        assert list(validator.iter_errors(data))


def test_values_are_in_si_units():
    network = parse_text(SMALL, overrides=["dt=0.1*ms", "protocol.phases.run={duration: 20*ms}"])
    assert network.dt == pytest.approx(1e-4)
    assert network.protocol.phases["run"].duration == pytest.approx(0.02)


def test_numbers_for_both_axes():
    network = parse(ROOT / "networks/conv_ep.yaml")
    assert network.projections[0].kernel == (5, 5)
    assert network.projections[0].pool.average == (2, 2)


def test_all_faults_come_at_once_in_file_order():
    text = SMALL.replace("v > 1", "v > w").replace("to: b.drive", "to: b.drve")
    text = text.replace("[4]", "[4, 4, 4, 4]").replace("steps: 10", "steps: -1")
    with pytest.raises(SpecError) as caught:
        parse_text(text)
    lines = [fault.mark.line for fault in caught.value.faults]
    assert len(lines) == 2 and lines == sorted(lines)
    text = SMALL.replace("v > 1", "v > w").replace("to: b.drive", "to: b.drve")
    text = text.replace("kind: dense", "kind: dnse").replace("v = 0", "v = x")
    with pytest.raises(SpecError) as caught:
        parse_text(text)
    messages = [fault.message for fault in caught.value.faults]
    assert messages == [
        "Undefined name 'w'.",
        "Undefined name 'x'.",
        "Population 'b' has no variable 'drve'.",
        "Unknown projection kind 'dnse'.",
    ]


def test_faults_of_overrides_name_them():
    with pytest.raises(SpecError) as caught:
        parse_text(SMALL, overrides=["projections.p.to=b.drve", "protocol.phases.run.steps=10"])
    assert str(caught.value).startswith(
        "--set projections.p.to=b.drve: Population 'b' has no variable 'drve'."
    )


def test_faults_of_the_schema_in_overrides_name_them():
    with pytest.raises(SpecError, match=r"^--set seed=x: `seed` expects a whole number, not 'x'"):
        parse_text(SMALL, overrides=["seed=x"])


def test_every_projection_fault_names_both_ends():
    with pytest.raises(SpecError) as caught:
        parse(ROOT / "networks/conv_ep.yaml", overrides=["populations.conv2.shape=[64, 5, 5]"])
    text = str(caught.value)
    assert "leads from [32, 12, 12] to [64, 4, 4], but the target has shape [64, 5, 5]" in text
    assert "see 'conv1' [32, 12, 12] in line" in text


def test_library_models_are_extended_field_by_field():
    text = SMALL.replace("cell:\n", "other: {model: lif, parameters: {tau: 5*ms}}\n  cell:\n", 1)
    text = text.replace("a: {shape: [4], neuron: cell}", "a: {shape: [4], neuron: other}")
    neuron = models.neuron(parse_text(text), "a")
    assert neuron.parameters["tau"] == "5*ms"
    assert neuron.parameters["v_rest"] == models.neuron_model("lif").parameters["v_rest"]
    assert neuron.threshold == "v > v_threshold"


def test_library_models_are_used_by_name():
    network = parse_text(
        SMALL.replace("a: {shape: [4], neuron: cell}", "a: {shape: [4], neuron: lif}")
    )
    assert models.neuron(network, "a") == models.neuron_model("lif")


def test_library_rules_are_filled_in():
    network = parse(ROOT / "networks/dense_ep.yaml")
    assert network.plasticity["contrast"].at_end == models.plasticity_model("contrast").at_end


def test_constants_may_not_hide_parameters_of_library_models():
    text = SMALL.replace("a: {shape: [4], neuron: cell}", "a: {shape: [4], neuron: lif}")
    text = text.replace("  phases:", "  constants: {v_rest: 1}\n  phases:")
    with pytest.raises(SpecError, match="would hide the parameter 'v_rest' of population 'a'"):
        parse_text(text)


EVIL = "__import__('pathlib').Path('{0}').touch()"
PLACES = [
    ("dt: 1*ms", 'dt: "{}"'),
    ("(drive - v)/tau", "{}"),
    ("v > 1", "{}"),
    ("v = 0", "v = {}"),
    ("tau: 10*ms", 'tau: "{}"'),
    ("neuron: cell}", 'neuron: cell, init: {{v: "{}"}}}}'),
    ("kind: dense", 'kind: dense, weights: "{}"'),
    ("steps: 10", 'steps: 10, set: {{a.drive: "{}"}}'),
    ("  phases", '  constants: {{c: "{}"}}\n  phases'),
    ("name: small", 'name: small\nweights: {{grid: "{}"}}'),
    ("kind: dense", 'kind: "{}"'),
    ("neuron: cell}", 'neuron: "{}"}}'),
]


@pytest.mark.parametrize(
    ("old", "new"), PLACES, ids=[new.split("{}")[0].strip() for _, new in PLACES]
)
def test_nothing_in_a_file_is_run(tmp_path, old, new):
    target = tmp_path / "touched"
    text = SMALL.replace(old, new.format(EVIL.format(target)))
    assert text != SMALL
    with pytest.raises(SpecError):
        parse_text(text)
    assert not target.exists()


KEYS = st.sampled_from(
    ["name", "dt", "neurons", "populations", "projections", "protocol", "record", "data", "shape"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 10**20) | st.text(max_size=6) | st.floats(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=2),
    max_leaves=6,
)
PATHS = st.sampled_from(
    ["neurons", "neurons.cell", "neurons.cell.equations", "neurons.cell.run", "populations",
     "populations.a", "populations.a.shape", "populations.b.init", "projections",
     "projections.p.to", "projections.p.kernel", "protocol", "protocol.phases",
     "protocol.phases.run.set", "record",
     "record.states", "data", "plasticity", "readout", "protocol.settle", "weights", "dt", "name"]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(PATHS, VALUES)
def test_any_value_anywhere_is_taken_or_refused_with_its_place(path, value):
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6).split("\n...")[0].strip()
    try:
        parse_text(SMALL, overrides=[f"{path}={text}"])
    except SpecError as error:
        assert all(fault.message for fault in error.faults)


def test_reading_imports_neither_brian2_nor_other_heavy_packages():
    code = (
        "import sys; from evsim.spec.parse import parse; parse('networks/conv_ep.yaml');"
        "print({'brian2', 'numba', 'scipy', 'matplotlib', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "set()"
