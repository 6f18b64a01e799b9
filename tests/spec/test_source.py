"""The strict reader: YAML 1.2 values, marks, refusals, overrides."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evsim.errors import SpecError
from evsim.spec.source import Source


def read(text, *overrides):
    return Source.from_text(text, "f.yaml", overrides)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001), ("1.e3", 1000.0), (".5", 0.5), ("-3", -3), ("010", 10), ("0o10", 8),
        ("0x1F", 31), ("1_000", "1_000"), ("12:30:45", "12:30:45"), ("no", "no"), ("on", "on"),
        ("yes", "yes"), ("true", True), ("False", False), ("null", None), ("~", None),
        ("2024-01-01", "2024-01-01"), ("10*ms", "10*ms"), ("+beta", "+beta"), ("'5'", "5"),
        ("=", "="), ("<<", "<<"),
    ],
)  # fmt: skip
def test_plain_values_follow_yaml_1_2(text, value):
    found = read(f"key: {text}").data["key"]
    assert found == value
    assert type(found) is type(value)


def test_infinity_and_nan():
    assert read("a: [.inf, -.INF]").data == {"a": [float("inf"), float("-inf")]}
    assert read("a: .nan").data["a"] != read("a: .nan").data["a"]


TEXT = """\
name: x
list: [1, {y: 'quoted text'}]
code: |

    first = 1
      second = two
plain: a + b
"""


def test_marks_of_keys_and_values():
    source = read(TEXT)
    assert str(source.mark(("name",))) == "f.yaml:1:7"
    assert str(source.mark(("name",), key=True)) == "f.yaml:1:1"
    assert str(source.mark(("list", 1, "y"))) == "f.yaml:2:15"
    assert source.excerpt(source.mark(("list", 0))) == "list: [1, {y: 'quoted text'}]"


def test_mark_of_what_is_missing_is_that_of_the_section():
    assert str(read(TEXT).mark(("list", 1, "z", "q"))) == "f.yaml:2:11"


def test_marks_inside_texts():
    source = read(TEXT)
    assert str(source.mark_in(("code",), 2, 11)) == "f.yaml:6:16"
    assert str(source.mark_in(("list", 1, "y"), 0, 7)) == "f.yaml:2:23"
    assert str(source.mark_in(("plain",), 0, 4)) == "f.yaml:7:12"
    assert str(source.find(("code",), "two")) == "f.yaml:6:16"
    assert source.find(("code",), "two").length == 3


@given(st.integers(1, 6), st.lists(st.sampled_from(["a = 1", "  b = 2", ""]), min_size=1))
def test_marks_inside_blocks_point_at_their_text(indent, lines):
    body = [*lines, "target = 3"]
    block = "\n".join(" " * indent + line if line else "" for line in ["x = 0", *body])
    source = read(f"key: |\n{block}\n")
    mark = source.mark_in(("key",), len(body), 0)
    assert source.excerpt(mark)[mark.column - 1 :] == "target = 3"


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a: 1\nb: 2\na: 3", "3:1", "The key 'a' stands here a second time"),
        ("a: {b: 1, 'b': 2}", "1:11", "The key 'b' stands here a second time"),
        ("a: !!python/object/apply:os.system [x]", "1:4", "The tag"),
        ("a: !local x", "1:4", "The tag '!local' is not allowed"),
        ("a: !!str 5", "1:4", "The tag"),
        ("1: a", "1:1", "A key must be text, not '1'"),
        ("? [a]\n: b", "1:3", "A key must be text, not a list or section"),
        ("a: &x [*x]", "1:4", "A section contains itself"),
        ("a: *nothing", "1:4", "Found undefined alias"),
        ("a: 1\n---\nb: 1", "2:1", "A second document begins here"),
        ("a: " + "[" * 50, "1:35", "Nested more than 32 levels deep"),
        ("a: " + "9" * 101, "1:4", "A number of 101 characters is too long"),
        ("a: \0", "1:4", "The character U+0000 is not allowed"),
        ("", "1:1", "The file is empty"),
    ],
)
def test_refusals(text, place, message):
    with pytest.raises(SpecError) as caught:
        read(text)
    fault = caught.value.faults[0]
    assert str(fault.mark) == f"f.yaml:{place}"
    assert fault.message.startswith(message)


def test_aliases_are_copied_but_may_not_multiply():
    assert read("a: &x {v: 1}\nb: *x", "b.v=2").data == {"a": {"v": 1}, "b": {"v": 2}}
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
    )
    with pytest.raises(SpecError, match="aliases may not multiply"):
        read(bomb)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(SpecError, match="There is no file"):
        Source.from_file(tmp_path / "none.yaml")
    with pytest.raises(SpecError, match="cannot be read"):
        Source.from_file(tmp_path)
    (tmp_path / "large.yaml").write_text("a: " + "x" * (1 << 20))
    with pytest.raises(SpecError, match="larger than 1 MiB"):
        Source.from_file(tmp_path / "large.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"a: 1\nb: \xe4\n")
    with pytest.raises(SpecError, match="latin.yaml:2:1: The text is not UTF-8"):
        Source.from_file(tmp_path / "latin.yaml")


def test_byte_order_mark_is_ignored(tmp_path):
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert Source.from_file(tmp_path / "bom.yaml").data == {"a": 1}


FRAGMENTS = st.sampled_from(
    ["a", "b", ": ", "\n", "  ", "- ", "[", "]", "{", "}", ", ", "&x ", "*x", "!!int ", "|\n", "'",
     '"', "#", "---\n", "1", "1e5", "\t", "? ", "<<", "%YAML 1.1\n", "\u2028", "\x85", "\\", "\0"]
)  # fmt: skip


@settings(max_examples=300)
@given(st.lists(FRAGMENTS, max_size=25).map("".join) | st.text(max_size=50))
def test_any_text_is_read_or_refused_with_a_place(text):
    try:
        read(text)
    except SpecError as error:
        for fault in error.faults:
            assert fault.mark is None or fault.mark.line >= 1


TEXTS = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | TEXTS | st.floats(-1e300, 1e300),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=10,
)


@given(JSON)
def test_json_is_read_as_json(value):
    assert read(json.dumps({"key": value})).data == {"key": value}


BASE = """\
dt: 1*ms
protocol:
  epochs: 6
  phases: {plus: {set: {digit.nudge: +beta}}}
projections:
  - {name: k1, kernel: 5}
  - {name: k2, kernel: 3}
data: {fields: {image.u: images}}
record:
"""


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("protocol.epochs=2", ("protocol", "epochs"), 2),
        ("dt=0.1*ms", ("dt",), "0.1*ms"),
        ("projections.k2.kernel=[3, 4]", ("projections", 1, "kernel"), [3, 4]),
        ("projections.0.kernel=7", ("projections", 0, "kernel"), 7),
        (
            "protocol.phases.plus.set.digit.nudge=1e-3",
            ("protocol", "phases", "plus", "set", "digit.nudge"),
            0.001,
        ),
        (
            "protocol.phases.plus.set.other.nudge=1",
            ("protocol", "phases", "plus", "set", "other.nudge"),
            1,
        ),
        ("data.fields.a.b=labels", ("data", "fields", "a.b"), "labels"),
        ("record.spikes.trials=3", ("record", "spikes", "trials"), 3),
        ("record=null", ("record",), None),
        ("data={name: x}", ("data",), {"name": "x"}),
        ("dt=", ("dt",), None),
    ],
)
def test_overrides_replace_and_add(override, path, value):
    source = read(BASE, override)
    assert source.get(path) == value
    assert str(source.mark(path)) == f"--set {override}"


def test_overrides_leave_other_marks_alone():
    source = read(BASE, "projections.k1.kernel=7")
    assert str(source.mark(("projections", 0, "name"))) == "f.yaml:6:12"
    assert str(source.mark(("projections", 1, "kernel"))) == "f.yaml:7:24"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("epochs", "--set epochs: Expected a field and a value."),
        ("=3", "--set =3: Expected a field and a value."),
        ("dt.x=3", "--set dt.x=3: 'dt' is a value without fields."),
        ("projections.k3.kernel=3", "There is no item 'k3' in the list."),
        ("projections.2.kernel=3", "There is no item '2' in the list."),
        ("dt=*ms", "--set dt=*ms: Found undefined alias"),
        ("dt=!!python/name:os.system", "--set dt=!!python/name:os.system: The tag"),
    ],
)
def test_wrong_overrides(override, message):
    with pytest.raises(SpecError) as caught:
        read(BASE, override)
    assert message in str(caught.value)
