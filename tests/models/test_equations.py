"""Variables that equations declare, with their places."""

import pytest

from evsim.expressions import ExpressionError
from evsim.models.base import declarations

TEXT = """\
# a comment : with a colon
dv/dt = (v_rest - v
         + I)/tau : volt (unless refractory)   # more: 1
I = g*v : amp (constant over dt)

g : siemens (constant, shared)
on : boolean
"""


def test_declarations():
    found = declarations(TEXT)
    assert {name: (d.kind, d.unit_text, set(d.flags)) for name, d in found.items()} == {
        "v": ("differential", "volt", {"unless refractory"}),
        "I": ("subexpression", "amp", {"constant over dt"}),
        "g": ("parameter", "siemens", {"constant", "shared"}),
        "on": ("parameter", "boolean", set()),
    }
    assert [d.line for d in found.values()] == [1, 3, 5, 6]
    assert found["v"].column == 1


def test_variables_are_those_that_brian2_finds():
    from brian2 import Equations

    theirs = Equations(TEXT)
    ours = declarations(TEXT)
    assert set(ours) == set(theirs.names)
    kinds = {
        "differential": theirs.diff_eq_names,
        "subexpression": theirs.subexpr_names,
        "parameter": theirs.parameter_names,
    }
    for kind, names in kinds.items():
        assert {name for name, d in ours.items() if d.kind == kind} == set(names)
    for name, declared in ours.items():
        assert set(theirs[name].flags) == declared.flags


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("v : volt\nw", 1, 0, "this equation has no unit"),
        ("dv/dt = -v\nw : 1", 0, 0, "this equation has no unit"),
        ("v : mV", 0, 4, "'mV' is a scaled unit"),
        ("v : vlt", 0, 4, "unknown unit 'vlt': did you mean 'volt'?"),
        ("v : 1 (shard)", 0, 7, "unknown flag 'shard'"),
        ("v : 1\nv : 1", 1, 0, "'v' is declared a second time"),
        ("dv/dt : 1", 0, 1, "'dv/dt' has no right side"),
        ("3v : 1", 0, 0, "'3v : 1' is not an equation"),
        ("v[0] : 1", 0, 0, "'v[0] : 1' is not an equation"),
    ],
)
def test_faults_have_their_place(text, line, column, message):
    with pytest.raises(ExpressionError) as caught:
        declarations(text)
    error = caught.value
    assert error.message.startswith(message)
    assert (error.line, error.column) == (line, column)
