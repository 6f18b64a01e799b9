"""What will be written, before it is."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from evsim.recording.layout import Layout, Parameter, Phase
from evsim.spec.schema import Record
from tests.recording.helpers import LAYOUT


def test_json_gives_the_same_layout() -> None:
    assert Layout.from_json(LAYOUT.to_json()) == LAYOUT
    before_sums = json.loads(LAYOUT.to_json())
    del before_sums["sums"]
    assert Layout.from_json(json.dumps(before_sums)) == replace(LAYOUT, sums=False)
    bare = replace(LAYOUT, spikes=(), states=(), parameters=())
    assert Layout.from_json(bare.to_json()) == bare


@dataclass
class Variable:
    name: str
    kind: str = "float"
    shared: bool = False
    unit: str = "V"


def plan() -> Any:
    def population(name: str, shape: tuple[int, ...], spikes: bool) -> Any:
        names = ("v", Variable("v")), ("n", Variable("n", "integer", unit="1"))
        variables = {**dict(names), "nudge": Variable("nudge", shared=True)}
        return SimpleNamespace(
            name=name, shape=shape, spikes=spikes, variables=variables, size=int(np.prod(shape))
        )

    populations = [population("image", (1, 4, 4), False), population("out", (10,), True)]
    return SimpleNamespace(
        dt=1e-4,
        precision="float64",
        populations={p.name: p for p in populations},
        recorded=lambda owner, name: next(p for p in populations if p.name == owner).variables[
            name
        ],
        size={p.name: p.size for p in populations}.__getitem__,
        phases={"free": SimpleNamespace(name="free", steps=7)},
        parameters={"k1": np.zeros((3, 2)), "out.bias": np.zeros(10), "fixed": np.zeros(4)},
    )


def layout(**record: Any) -> Layout:
    network: Any = SimpleNamespace(record=Record.model_validate(record))
    return Layout.from_plan(plan(), network, {"k1": (3, 2), "out.bias": (10,)})


def test_nothing_is_kept_unasked() -> None:
    made = layout()
    assert (made.spikes, made.states, made.parameters) == ((), (), ())
    assert made.phases == (Phase("free", 7),)
    assert [p.name for p in made.populations] == ["image", "out"]


def test_all_spikes_are_those_of_populations_that_spike() -> None:
    assert layout(spikes={}).spikes == ("out",)
    assert layout(spikes={"encoding": "compact"}).encoding == "compact"


def test_states_have_the_width_and_type_of_what_is_sampled() -> None:
    names = ("v", "n", "nudge")
    made = layout(
        states=(
            {"population": "out", "variables": names, "neurons": 3, "every": 2},
            {"population": "image", "variables": ("v",), "when": "end"},
            {"population": "out", "variables": ("v",), "neurons": (9, 1)},
        )
    )
    first, second, third = made.states
    kept = [(v.name, v.dtype, v.width) for v in first.variables]
    assert kept == [("v", "float64", 3), ("n", "int32", 3), ("nudge", "float64", 1)]
    assert (first.neurons, first.every, first.when) == ((0, 1, 2), 2, "start")
    assert (second.neurons, second.variables[0].width, second.when) == (None, 16, "end")
    assert third.neurons == (9, 1)


def test_weights_are_the_chosen_parameters() -> None:
    both = (Parameter("k1", (3, 2)), Parameter("out.bias", (10,)))
    assert layout(weights={}).parameters == both
    assert layout(weights={"parameters": ("k1",)}).parameters == both[:1]
    assert layout(weights={"parameters": ("fixed",)}).parameters == (Parameter("fixed", (4,)),)
