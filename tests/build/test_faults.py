"""What Brian2 refuses is told in the network file's terms: place, excerpt, and nothing raw."""

import h5py
import numpy as np
import pytest

from evsim.build.build import build
from evsim.errors import BuildError
from evsim.spec.parse import parse_text

TEXT = """\
name: faults
dt: 0.1*ms
neurons:
  cell:
    equations: |
      {equation}
      x : 1
    run:
      end: {end}
    threshold: {threshold}
    reset: {reset}
    refractory: {refractory}
    method: {method}
    events: {{rise: {event}}}
    on_event: {{rise: {code}}}
    parameters: {{tau: 10*ms, E: 5*mV}}
populations:
  a: {{shape: [2], neuron: cell, init: {{v: {start}}}}}
  b: {{shape: [3], neuron: cell}}
projections:
  - {{name: p, from: a, to: b.x, kind: dense, weights: {weights}, learn: rule}}
plasticity:
  rule: {{at_end: {{run: {learn}}}, update: {{rate: 0.1}}}}
protocol:
  constants: {{beta: 2*mV}}
  phases: {{run: {{steps: 3}}}}
"""
GOOD = {
    "equation": "dv/dt = (E - v)/tau : volt",
    "end": "x = x/2",
    "threshold": "v > 3*mV",
    "reset": "v = 0*mV",
    "refractory": "2*ms",
    "method": "exact",
    "event": "v > 2*mV",
    "code": "x = 1",
    "start": "1*mV",
    "weights": "0.5",
    "learn": "g += x_pre*x_post",
}


def network(**changes):
    return parse_text(TEXT.format(**{**GOOD, **changes}), "net.yaml")


def test_integers_have_a_largest_value():
    text = TEXT.format(**GOOD).replace("      x : 1\n", "      x : 1\n      n : integer\n")
    large, larger = (text.replace("v: 1*mV", f"n: {start}") for start in ("2e9", "3e9"))
    assert build(parse_text(large, "net.yaml")).populations["a"].variables["n"].initial[0] == 2e9
    with pytest.raises(BuildError, match=r"is too large: 2\.1e\+09 at most"):
        build(parse_text(larger, "net.yaml"))
    with pytest.raises(BuildError, match="'i/2' is no whole number"):
        build(parse_text(text.replace("v: 1*mV", "n: i/2"), "net.yaml"))


def test_the_base_is_good():
    assert build(network()).populations["a"].spikes


@pytest.mark.parametrize(
    ("changes", "line", "excerpt", "message"),
    [
        ({"equation": "dv/dt = E - v : volt"}, 6, "equations", "does not have the expected unit"),
        ({"equation": "dv/dt = (E - v + x)/tau : volt"}, 6, "equations", "inconsistent units"),
        ({"equation": "dv/dt = (E-v)**2/tau/mV : volt"}, 6, "equations", "not be separated"),
        (
            {"equation": "dv/dt = (v - v*v/E)/tau : volt", "method": "exponential_euler"},
            6,
            "equations",
            "The equation of 'v' is not linear in 'v'",
        ),
        ({"equation": "dv/dt = xi*mV*tau**-0.5 : volt"}, 5, "equations", "Cannot solve stochastic"),
        ({"end": "x = x + beta"}, 9, "end", "inconsistent units"),
        ({"end": "x = rand() - rand()"}, 9, "end", "more than one call of rand"),
        ({"end": "x = poisson(2*mV)"}, 9, "end", "poisson"),
        ({"end": "x = binomial(2)"}, 9, "end", "binomial"),
        ({"threshold": "v > 3"}, 10, "threshold", "different units"),
        ({"threshold": "v + 3*mV"}, 10, "threshold", "is not a boolean expression"),
        ({"reset": "v = 3"}, 11, "reset", "does not have the expected unit"),
        ({"refractory": "2*mV"}, 12, "refractory", "evaluate to a timespan"),
        ({"refractory": "x"}, 12, "refractory", "dimensionless but not a boolean"),
        ({"event": "v > 3"}, 14, "event", "different units"),
        ({"code": "x = v"}, 15, "code", "does not have the expected unit"),
        ({"weights": "0.5*mV"}, 21, "weights", "'0.5*mV' is in volt, expected a number"),
        ({"weights": "0.5, normalise: 0"}, 21, "weights", "'0' is not greater than 0."),
        ({"weights": "0.5, delay: 1e9*second"}, 21, "weights", "too many spikes could wait."),
        ({"weights": "1e400"}, 21, "weights", "not finite."),
        ({"weights": "1e39"}, 21, "weights", "is too large: 3.4e+38 at most."),
        ({"start": "1e42*mV"}, 18, "init", "'1e42*mV' is too large: 3.4e+38 at most."),
        ({"learn": "g += x_pre*beta"}, 23, "learn", "inconsistent units"),
        ({"learn": "g += rand()"}, 23, "learn", "Random 'rand'"),
    ],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else "",
)
def test_a_mistake_is_reported_once_at_its_place(changes, line, excerpt, message):
    with pytest.raises(BuildError) as caught:
        build(network(**changes))
    (fault,) = caught.value.faults
    assert (fault.mark.file, fault.mark.line) == ("net.yaml", line)
    assert fault.excerpt == TEXT.format(**{**GOOD, **changes}).split("\n")[line - 1]
    assert message in fault.message
    assert "Error" not in fault.message and "\n" not in fault.message


def test_a_start_value_that_all_share_cannot_differ():
    text = TEXT.format(**GOOD).replace("x : 1", "x : 1 (shared)")
    text = text.replace("[3], neuron: cell", "[3], neuron: cell, init: {x: i}").replace(
        "  - {name: p, from: a, to: b.x", "  - {name: p, from: a, to: b.v"
    )
    with pytest.raises(BuildError, match="'i' has many values where all have one in common"):
        build(parse_text(text.replace("weights: 0.5", "weights: 0.5*mV"), "net.yaml"))


def test_all_mistakes_are_reported_together():
    with pytest.raises(BuildError) as caught:
        build(network(end="x = beta", threshold="v > 3", reset="v = 3"))
    assert [fault.mark.line for fault in caught.value.faults] == [9, 10, 11]


@pytest.mark.parametrize(
    ("settings", "constants", "place", "message"),
    [
        ("", "late: 1/(k - 5001)", "1/(k", "'1/(k - 5001)' in step 5000 of phase 'run' (k = 5001)"),
        ("late: exp(k - 4300)", "late: 1", "exp", "'exp(k - 4300)' in step 5009 of phase 'run'"),
        ("b.w: late**2", "late: 10**(k*0.05)", "late**", "'late**2' in step 3082 of phase 'run'"),
    ],
)
def test_a_value_that_is_not_finite_in_one_step_is_found_before_the_run(
    settings, constants, place, message
):
    text = TEXT.format(**GOOD).replace("{steps: 3}", f"{{steps: 6000, set: {{{settings}}}}}")
    text = text.replace("beta: 2*mV", f"beta: 2*mV, {constants}")
    text = text.replace("x : 1\n", "x : 1\n      w : 1 (shared)\n")
    with pytest.raises(BuildError) as caught:
        build(parse_text(text, "net.yaml"))
    (fault,) = caught.value.faults
    assert fault.message.startswith(message) and "not finite" in fault.message
    assert fault.excerpt.index(place) == fault.mark.column - 1


def test_a_value_that_its_variable_cannot_hold_is_found_before_the_run():
    text = TEXT.format(**GOOD).replace("{steps: 3}", "{steps: 3, set: {b.x: 1e39}}")
    with pytest.raises(BuildError, match=r"1e\+39 is too large for 'b.x': 3.4e\+38 at most"):
        build(parse_text(text, "net.yaml"))
    count = text.replace("      x : 1\n", "      x : 1\n      n : integer\n")
    with pytest.raises(BuildError, match="0.5 is no whole number, as 'b.n' is"):
        build(parse_text(count.replace("b.x: 1e39", "b.n: 0.5"), "net.yaml"))
    wide = text.replace("dt: 0.1*ms", "dt: 0.1*ms\nprecision: float64")
    assert build(parse_text(wide, "net.yaml")).phases["run"].sets["b", "x"] == 1e39


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("beta - 1.5*mV", None),
        ("beta + 0.1*(3*mV - beta)*rate", None),
        ("log(beta/mV)*mV", "For attempt 4: the result is not finite"),
        ("beta + (1*mV - beta)*exp(-k)", "longer than 10000 characters"),
    ],
)
def test_constants_change_for_as_many_attempts_as_there_may_be(setting, message):
    text = TEXT.format(**GOOD).replace("beta: 2*mV", "rate: 0.3, beta: 2*mV")
    repeat = (
        f'repeat: {{until: "spikes(a) > 5", set: {{rate: rate, beta: {setting}}}, at_most: 300}}'
    )
    text = text.replace("{steps: 3}", f"{{steps: 3, {repeat}}}")
    if message is None:
        assert len(build(parse_text(text, "net.yaml")).phases["run"].variants) == 2 * 299
        return
    with pytest.raises(BuildError) as caught:
        build(parse_text(text, "net.yaml"))
    (fault,) = caught.value.faults
    assert message in fault.message and len(fault.message) < 200
    assert fault.excerpt[fault.mark.column - 1 :].startswith(setting)


SPIKES = """\
name: spikes
dt: 0.1*ms
populations:
  a: {{shape: [2, 2], spikes: {spikes}}}
protocol: {{phases: {{run: {{steps: 3}}}}}}
"""


@pytest.mark.parametrize(
    ("spikes", "at", "message", "hint"),
    [
        ("{times: [1*ms, -1*ms], neurons: [0, 1]}", "-1", "time, -0.001 s, lies before 0.", ""),
        (
            "{times: [2*ms, 1*ms], neurons: [0, 1], period: 2*ms}",
            "2*ms",
            "not below the period",
            "",
        ),
        (
            "{times: [0.1*ms, 0.2*ms, 0.15*ms], neurons: [3, 3, 3]}",
            "0.15",
            "neuron 3 has another spike in the same step of 0.0001 s.",
            "take a smaller `dt`",
        ),
        ("{file: none.csv}", "none", "The spikes cannot be read: there is no file", ""),
        ("{file: text.csv}", "text", "line 3 of", ""),
        (
            "{file: far.csv}",
            "far",
            "Spike 2 of 'far.csv' cannot be replayed: there is no neuron",
            "",
        ),
        (
            "{file: half.csv}",
            "half",
            "Spike 1 of 'half.csv' cannot be replayed: there is no neuron",
            "",
        ),
        ("{file: nan.csv}", "nan.", "its time, nan s, is not a number of seconds.", ""),
        ("{file: cut.npz}", "cut", "cut.npz' cannot be read or is damaged.", ""),
        ("{file: other.npz}", "other", "other.npz' has no `neuron`", ""),
        ("{file: unequal.npz}", "unequal", "unequal.npz' has 2 times, but 1 neurons.", ""),
        ("{file: 'tables.h5:late'}", "'tables", "has no group 'late'.", ""),
        ("{file: 'tables.h5:early'}", "'tables", "`time` of ", ""),
    ],
)
def test_spikes_that_cannot_be_replayed_are_told_with_their_place(
    tmp_path, spikes, at, message, hint
):
    (tmp_path / "text.csv").write_text("time,neuron\n0.1,1\n0.2;2\n")
    (tmp_path / "far.csv").write_text("0.1,3\n0.2,4\n")
    (tmp_path / "half.csv").write_text("0.1,0.5\n")
    (tmp_path / "nan.csv").write_text("nan,1\n")
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04 cut")
    np.savez(tmp_path / "other.npz", time=[0.1])
    np.savez(tmp_path / "unequal.npz", time=[0.1, 0.2], neuron=[1])
    with h5py.File(tmp_path / "tables.h5", "w") as file:
        file["early/time"], file["early/neuron"] = [[0.1]], [1]
    text = SPIKES.format(spikes=spikes)
    with pytest.raises(BuildError) as caught:
        build(parse_text(text, str(tmp_path / "net.yaml")))
    (fault,) = caught.value.faults
    assert (fault.mark.line, fault.mark.column) == (4, text.split("\n")[3].index(at) + 1)
    assert message in fault.message and hint in fault.hint


def test_a_run_goes_on_with_the_same_spikes_only(tmp_path):
    """The file's spikes belong to what decides the numbers; how it writes them does not."""
    found = []
    for text in ("0.1,3\n0.2,1\n", "time,neuron\n0.2,1.0\n0.1,3\n", "0.1,3\n0.2,2\n"):
        (tmp_path / "spikes.csv").write_text(text)
        network = parse_text(SPIKES.format(spikes="{file: spikes.csv}"), str(tmp_path / "net.yaml"))
        found.append(build(network).fingerprint)
    assert found[0] == found[1] != found[2]
