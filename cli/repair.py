"""`evsim repair RUN`."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from . import options

if TYPE_CHECKING:
    from evsim.recording.repair import Health

SHOWN = 8
"""Stretches of lost trials that are printed."""


def command(
    run: options.RunFolder,
    check: Annotated[
        bool, typer.Option("--check", help="Look only; exit code 1 where something is lost.")
    ] = False,
) -> None:
    """Make a whole recording of what a killed process or a bad disk left.

    Looks at every value. A damaged recording is kept beside the new one.
    """
    from evsim.recording import repair

    health = repair.check(run) if check else repair.repair(run)
    print("\n".join(describe(health, check)))
    if check and not health.whole:
        raise typer.Exit(1)


def describe(health: Health, only_checked: bool) -> list[str]:
    """Return the lines that say how a recording was, and what was done about it."""
    held = f"{health.trials:,} trials"
    if health.weights:
        held += f", weights {health.weights} times"
    if health.whole:
        if health.closed:
            return [f"'{health.path}' is whole: {held}."]
        done = "'evsim repair' closes it" if only_checked else "It is closed now"
        return [f"'{health.path}' was not closed; all that was committed is whole: {held}. {done}."]
    lines = [f"'{health.path}' is damaged: {held}. Lost:"]
    if health.lost:
        lines.append(f"  {len(health.lost):,} trials: {_stretches(health.lost)}")
    if health.lost_weights:
        rows = ", ".join(map(str, health.lost_weights))
        lines.append(f"  weights: row {rows} of {health.weights}, from 0")
    if not health.metrics:
        lines.append("  the lines of metrics, which are also in metrics.jsonl")
    if not only_checked:
        lines.append("It holds all else now; the damaged file lies beside it. Such a run cannot be")
        lines.append("resumed where its checkpoint counts on what is lost.")
    return lines


def _stretches(numbers: tuple[int, ...]) -> str:
    groups = [
        [number for _, number in group]
        for _, group in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])
    ]
    words = [f"{g[0]}" if len(g) == 1 else f"{g[0]} to {g[-1]}" for g in groups]
    left = len(words) - SHOWN
    return ", ".join(words[:SHOWN]) + (f" and {left} stretches more" if left > 0 else "")
