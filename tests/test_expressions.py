"""Expressions and code: what is allowed, where it is wrong, what it is worth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evsim import expressions, units
from evsim.expressions import ExpressionError

NAMES = {"k": np.arange(1.0, 4.0), "beta": 0.2, "v": units.parse("5*mV")}


def test_names_have_their_first_column():
    assert expressions.names("  a + exp(b)*a") == {"a": 2, "b": 10}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("k**-0.75", np.arange(1.0, 4.0) ** -0.75),
        ("+beta", 0.2),
        ("-beta", -0.2),
        ("clip(3, 0, inf)", 3.0),
        ("7 // 2 + 7 % 4", 6.0),
        ("int(-1.5)", -1.0),
        ("1 < 2 and not 3 < 2", 1.0),
        ("beta == 0.2 or 1 > 2", 1.0),
        ("exp(log(2))*cos(0)/tanh(inf)", 2.0),
    ],
)
def test_evaluate(text, value):
    np.testing.assert_allclose(expressions.evaluate(text, NAMES), value, rtol=1e-15)


def test_values_carry_their_dimensions():
    found = expressions.evaluate_quantity("sqrt(v*v) + 2*mV", NAMES)
    assert found.value == pytest.approx(0.007)
    assert found.dimensions == units.dimensions("volt")


def test_draws_come_from_the_generator_in_order():
    generator = np.random.default_rng(3)
    twin = np.random.default_rng(3)
    found = expressions.evaluate("uniform(-1, 1)/2 + randn()", {}, None, (2, 3), generator)
    expected = (-1 + 2 * twin.random((2, 3))) / 2 + twin.standard_normal((2, 3))
    np.testing.assert_array_equal(found, expected)


def test_draws_are_refused_without_a_generator():
    with pytest.raises(ExpressionError, match="'rand' draws, and nothing is drawn here"):
        expressions.evaluate("rand()", {})


def test_further_functions():
    assert expressions.evaluate("twice(4)", {}, {"twice": lambda x: 2 * x}) == 8.0


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("1 + a.b", 4, "attribute access is not allowed here"),
        ("a[0]", 0, "indexing is not allowed here"),
        ("(lambda: 1)()", 0, "lambda is not allowed here"),
        ("1 + 'x'", 4, "text in quotes is not allowed here"),
        ("[x for x in y]", 0, "a comprehension is not allowed here"),
        ("1 + __import__(1)", 4, "unknown function '__import__'"),
        ("exp(x=1)", 0, "a keyword argument is not allowed here"),
        ("a if b else c", 0, "`if ... else` is not allowed here"),
        ("(a := 1)", 1, "`:=` is not allowed here"),
        ("2^3", 0, "this operator is not allowed here"),
        ("a in b", 0, "`is` or `in` is not allowed here"),
        ("5*\u00b5A", 2, "the character '\u00b5' is not allowed"),
        ("a b", 2, "'a b' cannot be read (invalid syntax)"),
        ("", 0, "an expression is missing"),
    ],
)
def test_forbidden_constructs_have_their_column(text, column, message):
    with pytest.raises(ExpressionError) as caught:
        expressions.check(text)
    assert (caught.value.message, caught.value.column) == (message, column)


@pytest.mark.parametrize("text", ["(" * 500 + "1" + ")" * 500, "-" * 5000 + "1", "1" * 20_000])
def test_nesting_and_length_are_limited(text):
    with pytest.raises(ExpressionError):
        expressions.check(text)


@pytest.mark.parametrize("text", ["9**9**9**9", "1/0", "(-1)**0.5", "log(0)", "exp(1e6)"])
def test_values_that_are_not_finite_are_refused(text):
    with pytest.raises(expressions.ValueUndefinedError):
        expressions.evaluate(text, {})


def test_units_must_fit():
    with pytest.raises(ExpressionError, match="volt and second do not go together"):
        expressions.evaluate("v + 1*ms", NAMES)
    with pytest.raises(ExpressionError, match="exp\\(\\) takes numbers without unit, not volt"):
        expressions.evaluate("exp(v)", NAMES)


def test_require_names_both_units():
    found = expressions.evaluate_quantity("1*mV", {})
    with pytest.raises(ExpressionError, match="'1\\*mV' is in volt, expected amp"):
        expressions.require(found, units.dimensions("amp"), "1*mV")
    zero = expressions.evaluate_quantity("0", {})
    expressions.require(zero, units.dimensions("amp"), "0")


def test_assignments():
    code = "carry += (u - 1)/lam  # x = 1\n\n  last = u; z**=2"
    found = [
        (s.target, s.operator, s.expression.strip(), s.line, s.column)
        for s in expressions.assignments(code)
    ]
    assert found == [
        ("carry", "+=", "(u - 1)/lam", 0, 0),
        ("last", "=", "u", 2, 2),
        ("z", "**=", "2", 2, 12),
    ]


@pytest.mark.parametrize(
    ("code", "line", "column"),
    [
        ("a = 1\n  b = __import__('os')", 1, 6),
        ("a == 3", 0, 0),
        ("a = 1; import os", 0, 7),
        ("a.b = 3", 0, 0),
        ("x += y.z", 0, 5),
        ("for x in y: pass", 0, 0),
    ],
)
def test_code_faults_have_line_and_column(code, line, column):
    with pytest.raises(ExpressionError) as caught:
        expressions.check_code(code)
    assert (caught.value.line, caught.value.column) == (line, column)


@given(st.text(max_size=60))
def test_any_text_is_evaluated_or_refused(text):
    try:
        expressions.evaluate(text, NAMES, generator=np.random.default_rng(0), shape=(3,))
    except ExpressionError as error:
        assert 0 <= error.column <= len(text)


ARITHMETIC = st.recursive(
    st.floats(0.1, 10).map(repr) | st.just("x"),
    lambda inner: st.tuples(inner, st.sampled_from("+-*/"), inner).map(
        lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"
    ),
    max_leaves=12,
)


@given(ARITHMETIC, st.floats(0.1, 10))
def test_arithmetic_is_that_of_python(text, x):
    try:
        expected = eval(text, {"x": x})
    except ArithmeticError:
        expected = np.inf
    if np.isfinite(expected):
        assert expressions.evaluate(text, {"x": x}) == expected
    else:
        with pytest.raises(expressions.ValueUndefinedError):
            expressions.evaluate(text, {"x": x})


def test_python_has_no_say_in_what_users_read(recwarn):
    for text in ("1 if 0x1for x else 2", "5mV", "1()", "0x1fand 1"):
        with pytest.raises(ExpressionError):
            expressions.check(text)
    assert not recwarn.list
