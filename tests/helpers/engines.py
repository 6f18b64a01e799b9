"""Small networks on both engines."""

from dataclasses import replace

from evsim.build.build import build
from evsim.engines.fused import engine as fused
from evsim.engines.reference import engine as reference
from evsim.spec.parse import parse_text
from evsim.testing.engine import assert_same, run_trial


def plan_of(neurons, populations, rest="", phases="run: {steps: 40}", inputs=(), head=""):
    text = f"name: trap\ndt: 0.1*ms\nprecision: float64\n{head}\nneurons:\n{neurons}\n"
    text += f"populations:\n{populations}\n{rest}\nprotocol:\n  phases:\n    {phases}\n"
    return replace(build(parse_text(text)), inputs=inputs)


def run(plan, inputs=None):
    """What happens, after both engines agree on it bit by bit."""
    found, expected = (
        run_trial(program.simulation(), plan, inputs or {})
        for program in (fused.compile(plan, "libm"), reference.compile(plan, "numpy"))
    )
    assert_same(found, expected)
    return found
