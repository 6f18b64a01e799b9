"""Integrations that are kept on disk are those of the equations at hand."""

import brian2 as b2
import pytest

from evsim.build.capture import capture


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EVSIM_CACHE", str(tmp_path))
    return tmp_path / "integration"


def code(equations, method="exact", **namespace):
    group = b2.NeuronGroup(2, equations, method=method, namespace=namespace, name="kept*")
    (block,) = capture([group])
    return [str(s) for s in (*block.scalar, *block.vector)], block.symbols


def test_the_same_equations_are_derived_once(empty_cache):
    first, _ = code("dv/dt = (x - v)/tau : 1\nx : 1", tau=5 * b2.ms)
    again, _ = code("dv/dt = (x - v)/tau : 1\nx : 1", tau=5 * b2.ms)
    assert first == again
    assert len(list(empty_cache.iterdir())) == 1


def test_values_are_those_of_the_present_network(empty_cache):
    for tau in (5 * b2.ms, 7 * b2.ms):
        _, symbols = code("dv/dt = -v/tau : 1", tau=tau)
        assert symbols["tau"].value == float(tau)


def test_what_a_name_stands_for_counts(empty_cache):
    """Values that stay the same during a step can be integrated exactly, others cannot."""
    slow = b2.TimedArray([1, 2], dt=10 * b2.ms)
    code("dv/dt = (drive(t) - v)/(5*ms) : 1", drive=slow)
    with pytest.raises(Exception, match="constant over a time step"):
        code("dv/dt = (drive(t) - v)/(5*ms) : 1", drive=b2.TimedArray([1, 2], dt=0.05 * b2.ms))


def test_methods_and_equations_are_told_apart(empty_cache):
    seen = {
        str(code(f"dv/dt = {sign}v/(5*ms) : 1", method)[0])
        for sign in ("", "-")
        for method in ("exact", "euler", "rk2", "rk4")
    }
    assert len(seen) == 8
