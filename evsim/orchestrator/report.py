"""What a run tells the person who waits for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class Reporter:
    """Takes news of a run; every method may be left out.

    Calls come from one thread, in this order: `compiling` and `compiled`, `started`, then for each
    epoch `progress` while a pass over a split goes on and `epoch` when it is over, at last
    `finished`. `warning` may come at any time.
    """

    def started(self, plan_name: str, epochs: int, trials_per_epoch: int, folder: str) -> None:
        """Take note of a run: epochs still to do, trials in each over all splits, its folder."""

    def compiling(self) -> None:
        """Take note that code is being compiled, which may take a minute."""

    def compiled(self, seconds: float) -> None:
        """Take note that the code is compiled."""

    def progress(
        self, epoch: int, split: str, done: int, total: int, error: float | None, spikes: int
    ) -> None:
        """Take note of a pass over a split.

        Parameters
        ----------
        epoch : from 0.
        split : "train", "validation" or "test".
        done, total : trials of this pass.
        error : share of wrong predictions in this pass so far, 0 to 1; None without a readout.
        spikes : spikes sent in this pass so far.
        """

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Take a finished line of metrics: one epoch and split."""

    def warning(self, text: str) -> None:
        """Take a warning, one sentence."""

    def finished(self, rows: Sequence[Mapping[str, Any]], seconds: float) -> None:
        """Take all lines of metrics and the time of the whole run, s."""
