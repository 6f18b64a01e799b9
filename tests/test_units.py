"""Units: the table is Brian2's, and text is read without being run."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evsim import units


def test_table_is_that_of_brian2():
    from brian2.core.namespace import DEFAULT_UNITS
    from brian2.units.fundamentalunits import get_dimensions

    theirs = {
        name: (float(unit), tuple(float(n) for n in get_dimensions(unit)._dims))
        for name, unit in DEFAULT_UNITS.items()
    }
    ours = {name: (float(unit.value), unit.dimensions) for name, unit in units.UNITS.items()}
    assert len(ours) > 1000
    assert ours == theirs


def test_constants_are_those_of_brian2():
    from brian2.core.namespace import DEFAULT_CONSTANTS

    theirs = {name: constant.get_value() for name, constant in DEFAULT_CONSTANTS.items()}
    theirs.pop("-inf")
    assert theirs == units.CONSTANTS


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("10*ms", 0.01, "second"),
        ("-70*mV", -0.07, "volt"),
        ("0.5*nA/cm**2", 0.5 * 1e-9 / 0.01**2, "amp/metre**2"),
        ("20*Hz", 20.0, "hertz"),
        ("(1 + 2)*3", 9.0, "1"),
        ("1e-3", 0.001, "1"),
        (4, 4.0, "1"),
    ],
)
def test_parse(text, value, unit):
    quantity = units.parse(text, unit=unit)
    assert math.isclose(quantity.value, value, rel_tol=1e-15)
    assert quantity.text == str(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("5", "'5' has no unit, expected second, write for example '5*ms'"),
        (5, "'5' has no unit, expected second, write for example '5*ms'"),
        ("5*mV", "'5*mV' is in volt, expected second, write for example '10*ms'"),
        ("5*mVolt", "unknown unit 'mVolt': did you mean 'mvolt'?"),
        ("5*s", "unknown unit 's': did you mean 'second'?"),
        ("5 ms", "'5 ms' is not a quantity, write '5*ms'"),
        ("", "expected a quantity such as '10*ms', not nothing"),
        (None, "expected a quantity such as '10*ms', not nothing"),
        (True, "expected a quantity such as '10*ms', not 'True'"),
        ("1*ms + 1*mV", "second and volt do not go together"),
        ("1/0*ms", "the result is not finite (divide by zero encountered in scalar divide)"),
    ],
)
def test_faults_say_what_is_expected(text, message):
    with pytest.raises(units.UnitError) as caught:
        units.parse(text, unit="second")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "text",
    ["__import__('os')", "ms.real", "ms[0]", "(lambda: 1)()", "'ms'", "exit()", "9**9**9**9**9"],
)
def test_text_is_never_run(text):
    with pytest.raises(units.UnitError):
        units.parse(text)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text):
    try:
        units.parse(text)
    except units.UnitError:
        pass


@given(st.lists(st.integers(-3, 3), min_size=7, max_size=7))
def test_describe_is_read_back(exponents):
    dimensions = tuple(float(n) for n in exponents)
    text = units.describe(dimensions)
    assert units.dimensions(text) == dimensions
