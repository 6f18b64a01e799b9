"""Networks of Brian2 scripts: evsim runs them as Brian2 does, or says what it cannot."""

import threading

import brian2 as b2
import numpy as np
import pytest

import evsim
from evsim.build.brian2_compat import code_target
from evsim.errors import EvsimError, Interrupted
from tests.perf import brian2_scripts

ms, mV, nA, Hz, second = b2.ms, b2.mV, b2.nA, b2.Hz, b2.second


@pytest.fixture(autouse=True)
def numpy_code():
    """Let Brian2 run what tests set up without a compiler."""
    with code_target("numpy"):
        yield


def run_both(network, duration, tmp_path, **options):
    """Run a network in evsim, then in Brian2; return evsim's recording."""
    program = evsim.compile(network, namespace={}, **options)
    result = program.run(duration, out=tmp_path)
    with code_target("numpy"):
        network.run(duration, namespace={})
    return evsim.open(result.folder)


def assert_spikes(recording, monitor, trial=0):
    trains = recording.spikes(monitor.source.name, trial)
    step, neuron = trains.step, trains.neuron
    expected = np.round(monitor.t / monitor.clock.dt).astype(int)
    assert len(step) > 20
    np.testing.assert_array_equal(step, expected)
    np.testing.assert_array_equal(neuron, monitor.i)


def cells(count, name, **options):
    return b2.NeuronGroup(
        count,
        """dv/dt = (drive - v)/(10*ms) : 1 (unless refractory)
           drive : 1
           received : 1
           total : 1""",
        threshold="v > 1",
        reset="v = 0",
        refractory=2 * ms,
        method="euler",
        namespace={},
        name=name,
        **options,
    )


def test_neurons_synapses_delays_and_monitors(tmp_path):
    group = cells(40, "cells")
    group.drive = "1.05 + 0.6*i/N"
    group.run_regularly("received *= 0.5", when="end")
    early, late = group[:30], group[30:]
    excite = b2.Synapses(early, group, "w : 1", on_pre="v_post += w", name="excite", namespace={})
    excite.connect(condition="i != j", namespace={})
    excite.w = "0.002*(1 + i + j)"
    excite.delay = "0.1*ms*(i % 5)"
    inhibit = b2.Synapses(
        late, early, on_pre={"hit": "v_post -= 0.03", "note": "received_post += 1"},
        delay={"hit": 1.26 * ms, "note": 0.5 * ms}, name="inhibit", namespace={},
    )  # fmt: skip
    inhibit.connect(j="(i*7 + k) % 30 for k in range(6)", namespace={})
    gap = b2.Synapses(
        group, group, "total_post = 0.01*(v_pre - v_post) : 1 (summed)", name="gap", namespace={}
    )
    gap.connect(j="(i + 1) % N_post", namespace={})
    spikes = b2.SpikeMonitor(group, name="spikes")
    states = b2.StateMonitor(
        group, ["v", "total", "received"], record=[3, 31], dt=0.5 * ms, name="states"
    )
    network = b2.Network(group, excite, inhibit, gap, spikes, states)
    recording = run_both(network, 100 * ms, tmp_path)
    assert_spikes(recording, spikes)
    for name in ("v", "total", "received"):
        values = recording.states("cells", name, 0)[-1]
        np.testing.assert_array_equal(values, getattr(states, name).T)


def test_plasticity_with_event_driven_traces_from_listed_spikes(tmp_path):
    rng = np.random.default_rng(3)
    times, senders = np.arange(400) * 0.5 * ms, rng.integers(0, 20, 400)
    source = b2.SpikeGeneratorGroup(20, senders, times, name="given")
    target = b2.NeuronGroup(
        2, "dv/dt = -v/(10*ms) : 1", threshold="v > 1", reset="v = 0", method="exact",
        namespace={}, name="target",
    )  # fmt: skip
    synapses = b2.Synapses(
        source,
        target,
        """w : 1
           da/dt = -a/(20*ms) : 1 (event-driven)
           db/dt = -b/(20*ms) : 1 (event-driven)""",
        on_pre="v_post += w\na += 0.01\nw = clip(w - b, 0, 1)",
        on_post="b += 0.01\nw = clip(w + a, 0, 1)",
        delay=1 * ms,
        name="stdp",
        namespace={},
    )
    synapses.connect()
    synapses.w = "0.2 + 0.01*i"
    spikes = b2.SpikeMonitor(target, name="target_spikes")
    states = b2.StateMonitor(synapses, ["w", "a"], True, dt=10 * ms, name="target_states")
    network = b2.Network(source, target, synapses, spikes, states)
    recording = run_both(network, 200 * ms, tmp_path)
    assert_spikes(recording, spikes)
    assert np.ptp(np.asarray(states.w)[:, -1] - np.asarray(states.w)[:, 0]) > 0.01
    for name in ("w", "a"):
        values = recording.states("stdp", name, 0)[-1]
        np.testing.assert_allclose(values, np.asarray(getattr(states, name)).T, rtol=1e-12)


@pytest.mark.parametrize("name", ["cuba", "cobahh"])
def test_networks_of_the_literature_give_brian2s_spikes(tmp_path, name):
    """Brette et al. 2007, as scripts: 4,000 neurons for 30 ms, with evsim's own exponentials."""
    with code_target("numpy"):
        b2.seed(3)
        objects, _ = brian2_scripts.NETWORKS[name](b2)
    spikes = next(item for item in objects if isinstance(item, b2.SpikeMonitor))
    recording = run_both(b2.Network(objects), 30 * ms, tmp_path)
    assert spikes.num_spikes > 500
    assert_spikes(recording, spikes)


def test_spikes_act_in_brian2s_order_in_a_network_that_has_run_before(tmp_path):
    """Pathways run by name, `s_1_pre` before `s_pre`, and so does code in their slot."""
    group = cells(12, "ranked")
    group.drive = "1.05 + 0.6*i/N"
    group.run_regularly("received += 0.25*total", when="synapses", name="s_again")
    made = []
    for name, code in (
        ("s", "received_post = 0.5*received_post + v_pre"),
        ("s_1", "received_post = 0.25*received_post - v_pre; total_post = received_post"),
    ):
        made.append(b2.Synapses(group, group, on_pre=code, name=name, namespace={}))
        made[-1].connect(j="(i + 1) % N_post", namespace={})
    spikes = b2.SpikeMonitor(group, name="ranked_spikes")
    states = b2.StateMonitor(group, "received", record=True, name="ranked_states")
    network = b2.Network(group, *made, spikes, states)
    with code_target("numpy"):
        network.run(30 * ms, namespace={})
    assert spikes.num_spikes > 5
    recording = run_both(network, 60 * ms, tmp_path)
    values = recording.states("ranked", "received", 0)[-1]
    np.testing.assert_array_equal(values, np.asarray(states.received).T[300:])
    trains = recording.spikes("ranked", 0)
    step, neuron = trains.step, trains.neuron
    late = spikes.t > 29.95 * ms
    assert len(step) > 20
    np.testing.assert_array_equal(step + 300, np.round(spikes.t[late] / (0.1 * ms)).astype(int))
    np.testing.assert_array_equal(neuron, spikes.i[late])


@pytest.mark.parametrize("when", ["start", "end"])
def test_values_of_equations_are_recorded(tmp_path, when):
    group = b2.NeuronGroup(
        4,
        """dv/dt = (current - v)/(10*ms) : 1
           current = 1.2*share + 0.3*sin(40*Hz*t) : 1
           share = gain*0.5 : 1 (shared)
           gain : 1 (shared)
           above = v > 0.5 : boolean""",
        threshold="v > 1",
        reset="v = 0",
        method="euler",
        namespace={},
        name=f"valued_{when}",
    )
    group.gain, group.v = 2, "0.2*i"
    names = ["current", "v", "share", "above"]
    states = b2.StateMonitor(
        group, names, record=[1, 3], dt=0.5 * ms, when=when, name=f"valued_states_{when}"
    )
    recording = run_both(b2.Network(group, states), 40 * ms, tmp_path)
    for name in names:
        found = np.asarray(recording.states(group.name, name, 0)[-1])
        expected = np.asarray(getattr(states, name)).T
        np.testing.assert_allclose(np.broadcast_to(found, expected.shape), expected, rtol=1e-12)


def test_code_of_parts_of_a_group_and_at_times_of_its_own(tmp_path):
    group = cells(20, "whole")
    group.drive = "1.05 + 0.6*i/N"
    part, rest = group[4:11], group[11:]
    part.run_regularly("total += i; received = t/ms + dt/ms", dt=1.5 * ms, name="now_and_then")
    rest.run_regularly("received += 0.5", name="rest_in_every_step")
    synapses = b2.Synapses(
        part,
        rest,
        "w : 1",
        on_pre={"hit": "v_post += w + 0.001*(i - j)", "never": "v_post += 10"},
        name="part_to_rest",
    )
    synapses.never.active = False
    synapses.connect(j="(i + k) % N_post for k in range(2)", namespace={})
    synapses.w = "0.01*(1 + i)"
    synapses.run_regularly("w *= 0.75", dt=10 * ms, name="fading", when="end")
    spikes = b2.SpikeMonitor(group, name="whole_spikes")
    states = b2.StateMonitor(group, ["total", "received"], True, when="end", name="whole_states")
    of_part = b2.StateMonitor(part, "v", record=True, dt=1 * ms, name="part_states")
    parts = [group, part, rest, synapses, spikes, states, of_part]
    recording = run_both(b2.Network(parts), 60 * ms, tmp_path)
    assert_spikes(recording, spikes)
    for name in ("total", "received"):
        np.testing.assert_array_equal(
            recording.states("whole", name, 0)[-1], np.asarray(getattr(states, name)).T
        )


def test_synapses_follow_events_of_a_neurons_own(tmp_path):
    group = cells(20, "eventful", events={"near": "v > 0.9 and v <= 1"})
    group.drive = "1.05 + 0.6*i/N"
    group.run_on_event("near", "total += 1")
    synapses = b2.Synapses(
        group,
        group,
        on_pre={"hit": "v_post += 0.02", "warn": "received_post += 1"},
        on_post={"back": "received_pre += 0.25"},
        on_event={"hit": "spike", "warn": "near", "back": "near"},
        delay={"warn": 0.7 * ms},
        name="eventful_synapses",
        namespace={},
    )
    synapses.connect(j="(i + k) % N_post for k in range(1, 4)", namespace={})
    spikes = b2.SpikeMonitor(group, name="eventful_spikes")
    states = b2.StateMonitor(group, ["received", "total"], record=True, dt=5 * ms)
    recording = run_both(b2.Network(group, synapses, spikes, states), 80 * ms, tmp_path)
    assert_spikes(recording, spikes)
    for name in ("received", "total"):
        values = recording.states("eventful", name, 0)[-1]
        assert values.max() > 5
        np.testing.assert_array_equal(values, np.asarray(getattr(states, name)).T)


def test_arrays_over_time_and_parameters_by_trial(tmp_path):
    current = b2.TimedArray([[1.0, 2.0], [3.0, 0.5], [1.5, 4.0]], dt=20 * ms)
    group = b2.NeuronGroup(
        2, "dv/dt = (gain*current(t, i) - v)/(10*ms) : 1\ngain : 1 (constant)", threshold="v > 1",
        reset="v = 0", method="euler", namespace={"current": current}, name="cells",
    )  # fmt: skip
    group.gain = 2
    spikes = b2.SpikeMonitor(group)
    network = b2.Network(group, spikes)
    gains = np.array([[2.0, 2.0], [1.0, 3.0], [0.1, 0.1]])
    recording = run_both(network, 60 * ms, tmp_path, trials=3, parameters={"cells.gain": gains})
    assert_spikes(recording, spikes, trial=0)
    counts = [len(recording.spikes("cells", trial).step) for trial in range(3)]
    assert counts[0] != counts[1] > 0
    assert counts[2] == 0


def test_poisson_groups_and_inputs_have_their_rates_and_differ_by_trial(tmp_path):
    b2.PoissonGroup(1, 1 * Hz)
    noise = b2.PoissonGroup(200, "20*Hz + 40*Hz*(i >= 100)", name="noise", namespace={})
    target = b2.NeuronGroup(50, "x : 1", namespace={}, name="target")
    drive = b2.PoissonInput(target, "x", 1000, 5 * Hz, weight=0.5)
    spikes = b2.SpikeMonitor(noise)
    states = b2.StateMonitor(target, "x", record=True, dt=100 * ms)
    program = evsim.compile([noise, target, drive, spikes, states], trials=4, seed=9, namespace={})
    recording = evsim.open(program.run(1 * second, out=tmp_path).folder)
    rates = recording.spikes("noise").counts()
    assert np.mean(rates, (0,))[:100].mean() == pytest.approx(20, abs=5 * np.sqrt(20 / 400))
    assert np.mean(rates, (0,))[100:].mean() == pytest.approx(60, abs=5 * np.sqrt(60 / 400))
    assert (rates[0] != rates[1]).any()
    means = [recording.states("target", "x", trial)[-1][-1].mean() for trial in range(4)]
    assert np.mean(means) == pytest.approx(0.5 * 5000 * 0.9, rel=0.01)
    assert len(set(means)) == 4


def refused(*objects, **options):
    with pytest.raises(EvsimError) as caught:
        evsim.compile(objects, **{"namespace": {}, **options})
    return str(caught.value)


def test_what_cannot_be_run_is_named_before_anything_runs():
    group = cells(3, "refused_cells")
    operation = b2.NetworkOperation(lambda: None, name="an_operation")
    other = cells(2, "other_clock", dt=0.05 * ms)
    found = refused(group, operation, other)
    assert "'an_operation'" in found and "NetworkOperation" in found
    assert "clocks of their own" in found
    at_spikes = b2.SpikeMonitor(group, variables="v", name="with_v")
    late = b2.StateMonitor(group, "v", record=True, when="resets", name="late_v")
    found = refused(group, at_spikes, late)
    assert "'with_v'" in found and "'late_v'" in found and "slot 'resets'" in found
    assert "connects nothing" in refused(group, b2.Synapses(group, group, name="unconnected"))
    other_end = b2.Synapses(group, cells(2, "left_out"), name="to_nowhere")
    other_end.connect()
    assert "its target 'left_out' is not among the objects" in refused(group, other_end)
    for wrong in (5, "cells", [group, 3]):
        with pytest.raises(EvsimError, match="is no object of Brian2"):
            evsim.compile(wrong)
    linked = b2.NeuronGroup(2, "v : 1\nu : 1 (linked)", name="linked_cells")
    linked.u = b2.linked_var(group, "v", index=[0, 1])
    assert "'u' is linked to 'refused_cells'" in refused(group, linked)
    assert "`trials` must be" in refused(group, trials=1.5)
    assert "`seed` must be" in refused(group, seed=-1)
    unit = refused(group, parameters={"refused_cells.drive": np.zeros(1) * mV})
    assert "not in volt" in unit
    assert "no precision 'float16'" in refused(group, precision="float16")
    assert "'../x' cannot name a folder" in refused(group, name="../x")
    for duration in (10, "1 s", 3 * mV, 0 * ms, np.inf * ms, np.nan * ms):
        with pytest.raises(EvsimError, match="is a time|shorter than a step|100,000,000 steps"):
            evsim.compile(group).run(duration)
    assert "'cells.gain'" in refused(group, parameters={"cells.gain": [1]})
    assert "has no variable 'gian'" in refused(group, parameters={"refused_cells.gian": [1]})
    shape = refused(group, trials=2, parameters={"refused_cells.drive": np.zeros((2, 5))})
    assert "(2, 3)" in shape
    nan = refused(group, parameters={"refused_cells.drive": [np.nan]})
    assert "'refused_cells.drive' cannot be nan" in nan
    counted = b2.NeuronGroup(1, "n : integer", name="counted")
    for value, message in ((0.5, "needs whole numbers"), (2**40, "2.1e+09 at most")):
        assert message in refused(counted, parameters={"counted.n": [value]})
    clocked = b2.SpikeGeneratorGroup(1, [0], [0] * ms, period=0.25 * ms, name="clocked")
    assert "its period, 0.00025 s, is no multiple of its dt" in refused(clocked)
    for name, when, slot in (("early", "start", "start"), ("late", "end", "after_end")):
        changing = b2.NeuronGroup(1, "n : 1", name=name)
        changing.run_regularly("n += 1", when=slot)
        monitor = b2.StateMonitor(changing, "n", record=True, when=when, name=f"of_{name}")
        assert f"in the slot '{slot}', '{name}_run_regularly' changes 'n'" in refused(
            changing, monitor
        )

    @b2.check_units(x=1, result=1)
    def mine(x):
        return x

    user = b2.NeuronGroup(1, "v : 1", threshold="mine(v) > 1", name="user",
                          namespace={"mine": mine})  # fmt: skip
    assert "'mine'" in refused(user)


def test_the_example_of_the_documentation_runs(root, tmp_path, monkeypatch):
    text = (root / "docs" / "scripts.md").read_text()
    code = text.split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(compile(code, "scripts.md", "exec"), names)
    counts = [len(names["recording"].spikes("cells", trial).step) for trial in (0, 30, 63)]
    assert counts[0] < counts[1] < counts[2]


def test_a_stopped_script_says_nothing_of_going_on(tmp_path):
    """Nothing but the script could: no network file says what it runs."""
    group = cells(3, "cells")
    program = evsim.compile(b2.Network(group, b2.SpikeMonitor(group)), namespace={})
    stop = threading.Event()
    stop.set()
    with pytest.raises(Interrupted) as caught:
        program.run(20 * ms, out=tmp_path, stop=stop)
    assert "resume" not in str(caught.value)
