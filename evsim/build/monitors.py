"""What monitors of scripts look at: values of equations as states, and code around their slot."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import brian2

from evsim.build import brian2_compat as compat
from evsim.build.code import Block, Statement
from evsim.errors import BuildError, Fault
from evsim.spec.types import SCHEDULE

STORED = "_stored_"
"""How names begin whose values become states, see `derived`."""
LAST = 1 << 30


def derived(monitor: Any) -> list[Any]:
    """Return code that computes what a monitor records of equations without state.

    It runs where the monitor looks, first or last in a step; `storing` lets it keep the values.
    """
    group = compat.whole(monitor.source)
    if not isinstance(monitor, brian2.StateMonitor) or isinstance(group, brian2.Synapses):
        return []
    names = [n for n in monitor.record_variables if compat.is_derived(group, n)]
    if not names:
        return []
    code = "\n".join(f"{STORED}{name} = {name}" for name in names)
    when, order = ("after_end", LAST) if monitor.when == "end" else ("before_start", -LAST)
    name = f"{monitor.name}_values*"
    return [
        brian2.CodeRunner(group, "stateupdate", code, clock=monitor.clock, when=when, order=order,
                          name=name)
    ]  # fmt: skip


def check_monitors(monitors: Sequence[Any], blocks: Sequence[Block]) -> None:
    """Refuse monitors between code that changes what they record: recordings look around it all."""
    faults = []
    order = {name: at for at, name in enumerate(SCHEDULE)}
    for monitor in (m for m in monitors if isinstance(m, brian2.StateMonitor)):
        place = (order[monitor.when], monitor.order, monitor.name)
        owner, recorded = compat.whole(monitor.source).name, set(monitor.record_variables)
        for block in blocks:
            early = (order[block.when], block.order, block.name) < place
            changed = recorded & block.written if block.owner == owner else set()
            if changed and early == (monitor.when == "start"):
                what = "before" if early else "after"
                text = (
                    f"'{monitor.name}' (StateMonitor): in the slot '{block.when}', '{block.name}' "
                    f"changes '{min(changed)}' {what} it is recorded."
                )
                other = "end" if early else "start"
                hint = f"record with `when='{other}'`, or run the code in another slot"
                faults.append(Fault(text, hint=hint))
    if faults:
        raise BuildError(faults)


def storing(block: Block) -> Block:
    """Return a block of `derived` whose results are states of the names that they are of."""
    kept = {n.removeprefix(STORED): s for n, s in block.symbols.items() if n.startswith(STORED)}
    values = re.compile(rf"\b({'|'.join(map(re.escape, kept))})\b")

    def renamed(text: str) -> str:
        return values.sub(r"_value_\1", text)

    def store(statement: Statement) -> Statement:
        expr, name = renamed(statement.expr), statement.var
        if name.startswith(STORED):
            return replace(statement, var=name.removeprefix(STORED), op="=", expr=expr)
        cases = tuple((given, renamed(text)) for given, text in statement.cases)
        return replace(statement, var=renamed(name), expr=expr, cases=cases)

    symbols = {renamed(n): s for n, s in block.symbols.items() if not n.startswith(STORED)}
    symbols |= {n: replace(s, role="state", variable=n) for n, s in kept.items()}
    scalar, vector = (tuple(map(store, part)) for part in (block.scalar, block.vector))
    return replace(block, scalar=scalar, vector=vector, symbols=symbols)
