"""All that neurons' equations and code may hold, on both engines."""

import numpy as np

from tests.helpers.engines import plan_of, run

REFRACTORY = {
    "time": "0.7*ms",
    "parameter": "pause",
    "variable": "rest",
    "subexpression": "held",
    "expression": "2*rest + 0.1*ms",
    "condition": "w - 2*int(w/2) > 1",
    "flag": "tired",
}


def test_refractoriness_takes_every_form_of_brian2():
    neuron = """
  {}:
    equations: |
      dv/dt = (1.5 + i/8)/ms : 1 (unless refractory)
      dw/dt = 1/ms : 1
      rest : second
      held = rest + 0.2*ms : second (constant over dt)
      tired : boolean
      late : 1
    threshold: v > 1
    reset: "v = 0; tired = not tired"
    refractory: {}
    run: {{end: "late += int(timestep(t - lastspike, rest + 0.1*ms) > 2)"}}
    method: euler
    parameters: {{pause: 0.7*ms}}"""
    plan = plan_of(
        "".join(neuron.format(*form) for form in REFRACTORY.items()),
        "\n".join(
            f"  {name}_s: {{shape: [4], neuron: {name}, init: {{rest: i*0.3*ms}}}}"
            for name in REFRACTORY
        ),
        phases="run: {steps: 100}",
    )
    seen = run(plan)
    spikes = {n: np.bincount(seen["run", f"{n}_s", "spikes"], minlength=4) for n in REFRACTORY}
    rise = np.array([7, 7, 6, 6])  # Steps to the threshold at rates of 1.5 to 1.875 a ms.
    step = np.arange(4)
    rests = {"time": 7, "parameter": 7, "variable": 3 * step, "subexpression": 3 * step + 2}
    for name, rest in {**rests, "expression": 6 * step + 1}.items():
        # The step of a spike counts towards the rest, the first after it towards the next rise.
        interval = rise + np.maximum(rest, 1) - 1
        np.testing.assert_array_equal(spikes[name], (100 - rise) // interval + 1, name)
    assert (spikes["flag"] == 1).all(), "what is tired after its first spike stays so"
    assert (spikes["condition"] > 3).all()


def test_equations_hold_every_kind_of_variable():
    plan = plan_of(
        """
  cell:
    equations: |
      dx/dt = (target - x)*pace + pull : 1
      pull = 0.1*pace*int(on)*count : Hz
      both = level + scale : 1 (shared)
      kept = both/2 : 1 (shared, constant over dt)
      target = kept + fixed : 1
      level : 1 (shared)
      scale : 1 (shared, constant)
      fixed : 1 (constant)
      count : integer
      turns : integer (shared)
      on : boolean
      open : boolean (constant)
      gate : boolean (shared)
      pace : Hz (constant)
    run:
      start: |
        level += scale
        turns += 2
        gate = turns > 9
      end: |
        count += 1 + int(on and not open)
        on = count % 5 < 2 or gate
    threshold: x > 1.5 and (open or gate)
    reset: |
      count -= 3
      x -= scale
    method: euler
""",
        """
  a: {shape: [2, 3], neuron: cell, init: {scale: 0.25, fixed: i/8, open: i < 3, pace: 300*Hz}}
""",
    )
    seen = run(plan)
    assert seen["run", "a", "level"] == 10
    assert seen["run", "a", "turns"] == 80
    assert seen["run", "a", "spike counts"].sum() > 20


EVENTS = """
  source: {equations: "x : 1", threshold: "(t_in_timesteps + i) % 4 == 0"}
  cell:
    equations: |
      dv/dt = (drive - v)/(1*ms) : 1 (unless refractory)
      drive : 1
      n : 1
      crossed : 1
      at : second
      high : boolean
    threshold: v > 0.75 and n < 12
    reset: v -= 0.5
    refractory: 0.3*ms
    run:
      end: high = v > limit
    events:
      rise: v > limit and not high
      even: n % 2 == 0
    on_event:
      rise: |
        crossed += 1
        at = t
        v += 0.015625
      even: |
        n += 1 + crossed
    parameters: {limit: 0.5}
  ordered:
    equations: "order : 1"
    run: {start: order = 1}
    threshold: "True"
    reset: order = order*10 + 2
    events: {early: order < 2, late: order > 2}
    on_event: {early: order = order*10 + 3, late: order = 0}
  onlooker:
    equations: "n : 1"
    events: {half: "n < 3", none: "n > 10"}
    on_event: {half: n += 0.5*k}
"""


def test_events_of_a_neurons_own_run_in_brian2s_slots():
    plan = plan_of(
        EVENTS,
        """
  a: {shape: [3, 2, 2], neuron: source}
  b: {shape: [3, 2, 2], neuron: cell, init: {drive: 0.4 + i/16, v: 0.125, n: i}}
  c: {shape: [2], neuron: onlooker, init: {n: i}}
  d: {shape: [2], neuron: ordered}
""",
        """
projections: [{name: p, from: a, to: b.n, kind: one_to_one, weights: 1}]
""",
        phases="run: {steps: 60}",
    )
    seen = run(plan)
    assert seen["run", "c", "n"].tolist() == [3, 4]
    crossed = seen["run", "b", "crossed"]
    assert crossed[0] == 0, "its drive is below the limit"
    assert (crossed[3:] >= 1).all()
    # Conditions are looked at after the threshold, their code runs after the reset.
    assert seen["run", "d", "order"].tolist() == [123, 123]
