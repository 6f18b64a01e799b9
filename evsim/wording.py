"""Numbers as people read them."""

from __future__ import annotations

import math
from collections.abc import Iterable


def number(value: float, digits: int = 4) -> str:
    """Return a number with so many digits that count; a dash where it is none."""
    if not math.isfinite(value):
        return "–"
    whole = isinstance(value, int) or (value == round(value) and abs(value) < 1e12)
    text = f"{round(value):,}" if whole else f"{value:.{digits}g}"
    return f"−{text[1:]}" if text.startswith("-") else text


def percent(share: float) -> str:
    """Return a share of one in per cent."""
    return f"{100 * share:.2f} %"


def large(value: float) -> str:
    """Return a large number in words."""
    for unit in ("", " thousand", " million"):
        if abs(value) < 1000:
            return f"{value:.3g}{unit}"
        value /= 1000
    return f"{value:.3g} billion"


def duration(seconds: float) -> str:
    """Return a time as its two largest units."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def times(lengths: Iterable[int]) -> str:
    """Return a shape, which does not break over lines."""
    return "\u00a0×\u00a0".join(f"{length:,}" for length in lengths)


def some(count: int, noun: str) -> str:
    """Return how many there are of a noun that takes an s."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
