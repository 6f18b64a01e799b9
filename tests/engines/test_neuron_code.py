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
    threshold: v > 1
    reset: "v = 0; tired = not tired"
    refractory: {}
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
