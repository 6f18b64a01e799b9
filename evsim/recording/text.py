"""JSON as recordings and run folders hold it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


def to_line(value: Any) -> str:
    """Return `value` as one line of JSON; NaN and infinity become null."""
    return json.dumps(_plain(value), allow_nan=False)


def to_text(value: Any) -> str:
    """Return `value` as JSON for people to read; NaN and infinity become null."""
    return json.dumps(_plain(value), indent=2, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    """Return NumPy values, tuples, paths and dates as what JSON knows."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | None) else str(value)
