"""Types of the fields of network files: expressions, names, times; the base of sections."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from evsim import units

MAX_NEURONS = 100_000_000
MAX_WEIGHTS = 1_000_000_000
MAX_STEPS = 100_000_000
MAX_WAITING = 1_000_000_000
"""Spikes on their way to one projection's synapses: steps of the longest delay times neurons."""

SCHEDULE = tuple(
    f"{prefix}{slot}"
    for slot in ("start", "groups", "thresholds", "synapses", "resets", "end")
    for prefix in ("before_", "", "after_")
)
"""Brian2's slots, in the order in which a step runs them."""


def _as_text(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return repr(value)


def _as_pair(value: Any) -> Any:
    return (value, value) if isinstance(value, int) and not isinstance(value, bool) else value


def _as_time(value: Any) -> float:
    return units.parse(value, unit="second").value


Expression = Annotated[str, BeforeValidator(_as_text, json_schema_input_type=str | int | float)]
"""A number or an expression over the names that its field documents; kept as text."""

RUN_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
"""What may name the folder of a run."""
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=64)]

Time = Annotated[
    float,
    BeforeValidator(_as_time, json_schema_input_type=str),
    Field(gt=0, examples=["0.1*ms"]),
]
"""A positive time with its unit, `0.1*ms`; seconds once read."""

Count = Annotated[int, Field(gt=0)]
Natural = Annotated[int, Field(ge=0)]
Pair = Annotated[
    tuple[Count, Count],
    BeforeValidator(_as_pair, json_schema_input_type=Count | tuple[Count, Count]),
]
"""Rows and columns; one number stands for both."""

Padding = Annotated[
    tuple[Natural, Natural],
    BeforeValidator(_as_pair, json_schema_input_type=Natural | tuple[Natural, Natural]),
]


class Section(BaseModel):
    """Base of every section: unknown keys are refused, values do not change."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, populate_by_name=False
    )
