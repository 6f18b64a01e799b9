"""Values that are sent both ways through the same weights, as real-valued networks need."""

import numpy as np
import pytest

from evsim.build.build import build
from evsim.engines.fused import engine as fused
from evsim.engines.reference import engine as reference
from evsim.errors import EvsimError
from evsim.spec.parse import parse_text
from evsim.testing.engine import assert_same, run_trial

TEXT = """\
name: values
dt: 1*ms
precision: float64
neurons:
  unit:
    equations: |
      u : 1
      total : 1
      other : 1
    run: {end: "u = clip(int(256*(0.25 + u + total + other))/256.0, -1, 1)"}
populations:
  image: {shape: [2, 9, 7], neuron: unit, init: {u: int(99*rand())/1024}}
  map: {shape: [3, 3, 2], neuron: unit, init: {u: int(99*rand())/1024}}
  flat: {shape: [18], neuron: unit}
  out: {shape: [5], neuron: unit, init: {u: 0.25}}
projections:
  - name: conv
    from: image.u
    to: map.total
    kind: conv
    kernel: 3
    stride: 1
    pool: {POOL: [2, 2]}
    sends: value
    symmetric: true
    feedback: other
    weights: int(99*randn())/1024
  - {name: dense, from: map.u, to: out.total, kind: dense, BOTH}
  - {name: some, from: flat.u, to: out.total, kind: sparse, in_degree: 4, BOTH}
  - {name: pairs, from: flat.u, to: flat.other, kind: one_to_one, BOTH}
protocol: {phases: {run: {steps: 12}}}
""".replace("BOTH", "sends: value, symmetric: true, weights: int(99*randn())/1024")


@pytest.mark.parametrize("pool", ["average", "max"])
def test_engines_agree(pool):
    plan = build(parse_text(TEXT.replace("POOL", pool)))
    programs = fused.compile(plan, "libm"), reference.compile(plan, "numpy")
    seen = [run_trial(program.simulation(), plan, {}, False) for program in programs]
    assert_same(*seen)
    for name in ("image", "map", "flat", "out"):
        assert np.abs(seen[0]["run", name, "u"]).max() > 0.01


def test_what_goes_back_is_the_adjoint():
    """<A u, v> = <u, A' v> for the convolution with its average pooling."""
    plan = build(parse_text(TEXT.replace("POOL", "average")))
    simulation = fused.compile(plan, "libm").simulation()
    random = np.random.default_rng(0)
    u, v = random.normal(size=126), random.normal(size=18)
    simulation.begin({("image", "u"): u, ("map", "u"): v, ("out", "u"): np.zeros(5)})
    simulation.enter("run")
    simulation.advance(1)
    ahead = simulation.get("map", "total")
    back = simulation.get("image", "other")
    assert np.abs(back).max() > 0.01
    assert ahead @ v == pytest.approx(back @ u, rel=1e-10)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("to: out.total, kind: dense", "to: out.u, kind: dense, feedback: what", "Feedback needs"),
        ("from: flat.u, to: flat.other", "from: flat.v, to: flat.other", "no variable 'v'"),
        ("      other : 1\n", "      other : volt\n", "what comes back is in"),
    ],
)
def test_what_cannot_come_back_is_refused(old, new, message):
    text = TEXT.replace("POOL", "average").replace(old, new)
    if "volt" in new:
        text = text.replace("+ other", "").replace("to: flat.other", "to: flat.total")
    with pytest.raises(EvsimError, match=message):
        build(parse_text(text))
