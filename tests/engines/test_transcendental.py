"""Exponentials and logarithms: accuracy against exact values, and what happens at the edges."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evsim.engines import transcendental

FUNCTIONS = {
    "exp": (transcendental.exp, mpmath.exp),
    "expm1": (transcendental.expm1, mpmath.expm1),
    "log": (transcendental.log, mpmath.log),
    "tanh": (transcendental.tanh, mpmath.tanh),
}


def ulps(name: str, x: float) -> float:
    """Return the error in units of the last place of the exact value."""
    function, exact = FUNCTIONS[name]
    with mpmath.workprec(160):
        value = exact(mpmath.mpf(x))
        return float(abs(mpmath.mpf(function(x)) - value) / float(np.spacing(abs(float(value)))))


@pytest.mark.parametrize("name", ["exp", "expm1", "tanh"])
@settings(max_examples=300, deadline=None)
@given(x=st.floats(-708, 709) | st.floats(-1, 1))
def test_exponential_is_within_two_ulp(name: str, x: float) -> None:
    if x != 0:
        assert ulps(name, x) <= (3 if name == "tanh" else 2)


@pytest.mark.parametrize("name", ["exp", "expm1", "tanh"])
@settings(max_examples=300, deadline=None)
@given(x=st.floats(-87, 88, width=32) | st.floats(-1, 1, width=32))
def test_single_precision_is_within_two_ulp(name: str, x: float) -> None:
    if x != 0:
        function, exact = FUNCTIONS[name]
        found, value = np.float32(function(np.float32(x))), float(exact(mpmath.mpf(x)))
        assert abs(float(found) - value) <= 2 * np.spacing(np.float32(abs(value)))


@settings(max_examples=300, deadline=None)
@given(x=st.floats(1e-320, 1e300) | st.floats(0.5, 2))
def test_logarithm_is_within_two_ulp(x: float) -> None:
    if x != 1:
        assert ulps("log", x) <= 2


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("exp", 0.0, 1.0),
        ("exp", math.inf, math.inf),
        ("exp", -math.inf, 0.0),
        ("exp", 1000.0, math.inf),
        ("exp", -1000.0, 0.0),
        ("exp", -708.5, 0.0),
        ("exp", 709.782712893384, 1.7976931348622732e308),
        ("expm1", 709.782712893384, 1.7976931348622732e308),
        ("expm1", 0.0, 0.0),
        ("expm1", -math.inf, -1.0),
        ("expm1", math.inf, math.inf),
        ("log", 1.0, 0.0),
        ("log", 0.0, -math.inf),
        ("log", math.inf, math.inf),
        ("tanh", math.inf, 1.0),
        ("tanh", -math.inf, -1.0),
        ("tanh", 0.0, 0.0),
    ],
)
def test_edges(name: str, x: float, expected: float) -> None:
    assert FUNCTIONS[name][0](x) == expected


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("exp", 1000, math.inf),
        ("exp", -1000, 0),
        ("exp", -87.5, 0),
        ("expm1", 1000, math.inf),
        ("expm1", -1000, -1),
        ("expm1", -0.0, -0.0),
    ],
)
def test_edges_of_single_precision(name: str, x: float, expected: float) -> None:
    found = FUNCTIONS[name][0](np.float32(x))
    assert found == expected
    assert math.copysign(1, found) == math.copysign(1, expected)
    assert math.isnan(FUNCTIONS[name][0](np.float32(math.nan)))


@pytest.mark.parametrize(("name", "x"), [("log", -1.0), *((n, math.nan) for n in FUNCTIONS)])
def test_undefined_values_are_nan(name: str, x: float) -> None:
    assert math.isnan(FUNCTIONS[name][0](x))
