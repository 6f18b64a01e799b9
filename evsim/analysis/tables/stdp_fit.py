"""Exponentials through the window of projections that learn at spikes, see `stdp_window`.

For targets that spike after the source and before it: the amplitude, in the weight's SI unit, and
the time constant. `counted` says which spikes make pairs, all within 100 ms or the nearest ones,
whatever explains more of the changes; `explained` is the share of their squares that the window
does, before any exponential is put through it.
"""

from __future__ import annotations

from evsim.analysis.stdp import exponential, windows
from evsim.analysis.tables.base import Table, Value
from evsim.recording.reader import Run

UNITS = {
    "projection": "",
    "target": "",
    "pairs": "",
    "amplitude": "",
    "time constant": "s",
    "counted": "",
    "explained": "",
}


def table(run: Run) -> Table:
    """Return a row for each projection and side of its window."""
    rows: list[tuple[Value, ...]] = []
    for name, found in windows(run).items():
        for side in ("after", "before"):
            pairs = found.pairs[(found.lag > 0) if side == "after" else (found.lag < 0)]
            fit = exponential(found, side == "after")
            counted = "nearest" if found.nearest else "all"
            rows.append((name, side, int(pairs.sum()), *fit, counted, found.explained))
    return Table(UNITS, rows)
