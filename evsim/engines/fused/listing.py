"""Lists of synapses, and loops over those that spikes reach."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from evsim.engines.fused.layout import Events, Grid
from evsim.engines.fused.source import Lines

Indices = NDArray[np.int64]


class Listing:
    """Synapses in one direction, listed for each sender: those of the longest delay first.

    Attributes
    ----------
    delays : (group,), the different delays, in steps, from the longest down.
    order : (synapse,), numbers of the synapses as they are listed.
    """

    def __init__(self, senders: Indices, receivers: Indices, count: int, delay: Indices):
        lasting = np.broadcast_to(delay, senders.shape)
        self.delays = np.unique(lasting)[::-1] if len(senders) else np.zeros(1, np.int64)
        self.count = count
        rank = np.searchsorted(-self.delays, -lasting)
        keys = senders * len(self.delays) + rank
        self.order = np.argsort(keys, kind="stable")
        self.ordered = bool((self.order == np.arange(len(senders))).all())
        self._begins = np.searchsorted(keys[self.order], np.arange(count * len(self.delays) + 1))
        self._receivers = receivers[self.order]

    def links(self, numbered: bool) -> NDArray[np.int32]:
        """Return what the loops of `lower` look up; `numbered`: the synapses' numbers, too."""
        parts = [self._begins, self._receivers, self.delays]
        if numbered and not self.ordered:
            parts.append(self.order)
        return np.concatenate(parts, dtype=np.int32, casting="unsafe")

    @contextmanager
    def loop(self, out: Lines, events: Events, sender: Grid, at: int) -> Iterator[tuple[str, str]]:
        """Write loops over the synapses that spikes reach in this step around what follows.

        Yields the sources of the receiver and of the synapse's number; `i` is the sender and `q`
        the synapse's place in the list. `at` is the place of the links.
        """
        groups, indent = len(self.delays), out.indent
        receivers = at + self.count * groups + 1
        delays = receivers + len(self.order)
        if groups == 1:
            first = events.start(int(self.delays[0]))
            begin, place = f"links[{at} + i]", f"links[{at + 1} + i]"
        else:
            out.add(f"for c in range({groups}):")
            out.indent += 1
            first = events.start(f"links[{delays} + c]")
            begin = f"links[{at} + i * {groups} + c]"
            place = f"links[{at + 1} + i * {groups} + c]"
        out.add(f"at = {first}", f"for e in range(starts[at], starts[at + {sender.places}]):")
        out.indent += 1
        out.add("i = I(events[e])", f"for q in range({begin}, {place}):")
        out.indent += 1
        number = "q" if self.ordered else f"I(links[{delays + groups} + q])"
        yield f"I(links[{receivers} + q])", number
        out.indent = indent
