"""How a weight changes with a pair of spikes, by their lag, of projections that learn at spikes.

`lag` is the target's spike less the source's, as a mean over a bin of 5 ms up to 100 ms; `change`
the mean change that a pair gives, in the weight's SI unit, and `error` its standard error; see
`evsim.analysis.stdp` for how they are found.
"""

from __future__ import annotations

from evsim.analysis.stdp import windows
from evsim.analysis.tables.base import Table, Value
from evsim.recording.reader import Run


def table(run: Run) -> Table:
    """Return a row for each projection and bin of lags."""
    rows: list[tuple[Value, ...]] = []
    for name, found in windows(run).items():
        columns = (found.lag, found.pairs, found.change, found.error)
        rows += [(name, *row) for row in zip(*(c.tolist() for c in columns), strict=True)]
    return Table({"projection": "", "lag": "s", "pairs": "", "change": "", "error": ""}, rows)
