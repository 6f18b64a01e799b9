"""Keeps trials while the next ones run."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from numpy.typing import NDArray

from evsim.orchestrator.events import Sink, TrialRecord

LIMIT = 32 << 20
"""Bytes of trials that wait at most, but for one trial."""

_ROW = 1024
"""Bytes that a trial counts for besides its spikes and states."""


class WriteBehind:
    """A sink whose trials another sink keeps in a thread of its own, in their order.

    An error of the other sink is raised by a later call, `commit` at the latest. Use as a context
    manager: leaving it waits for the thread.
    """

    def __init__(self, sink: Sink):
        self.sink = sink
        self._thread = ThreadPoolExecutor(1, "recording")
        self._waiting: deque[tuple[Future[None], int]] = deque()
        self._bytes = 0

    def __enter__(self) -> WriteBehind:
        return self

    def __exit__(self, *error: object) -> None:
        self._thread.shutdown(wait=True)

    def trial(self, record: TrialRecord) -> None:
        if not record.phases and not self._waiting:
            self.sink.trial(record)
            return
        size = _size(record)
        while self._waiting and (self._waiting[0][0].done() or self._bytes + size > LIMIT):
            self._take()
        self._waiting.append((self._thread.submit(self.sink.trial, record), size))
        self._bytes += size

    def weights(self, epoch: int, parameters: Mapping[str, NDArray[Any]]) -> None:
        self._wait()
        self.sink.weights(epoch, parameters)

    def metrics(self, row: Mapping[str, Any]) -> None:
        self._wait()
        self.sink.metrics(row)

    def commit(self) -> dict[str, int]:
        self._wait()
        return self.sink.commit()

    def _wait(self) -> None:
        while self._waiting:
            self._take()

    def _take(self) -> None:
        """Wait for the first trial; raise what became of it."""
        future, size = self._waiting.popleft()
        self._bytes -= size
        future.result()


def _size(record: TrialRecord) -> int:
    total = _ROW
    for phase in record.phases:
        total += sum(one.neuron.nbytes + one.count.nbytes for one in phase.spikes.values())
        total += sum(v.nbytes for states in phase.states.values() for v in states.values())
    return total
