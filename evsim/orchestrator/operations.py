"""Synaptic operations of trials, by the names of NeuroBench.

Reference: J. Yik et al., NeuroBench: a framework for benchmarking neuromorphic computing algorithms
and systems, arXiv 2304.04640.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evsim.build.plan import Plan
from evsim.engines.traffic import directions


@dataclass(frozen=True)
class Operations:
    """Synaptic operations.

    Attributes
    ----------
    acs : accumulations: spikes, each at every synapse that it reaches.
    macs : multiplications with accumulation: values that are not 0, in the same way.
    dense : what both would be if every neuron sent in every step.
    """

    acs: int = 0
    macs: int = 0
    dense: int = 0


def footprint(plan: Plan, learns: bool) -> int:
    """Return the bytes that a trial of a network needs, whatever a program adds to them.

    Parameters, and one state of every neuron and synapse. A trial that learns also needs the states
    that phases start from, the gradient, and the optimiser's moments.
    """
    size = plan.dtype.itemsize
    weights = sum(values.size for values in plan.parameters.values())
    state = sum(
        int(variable.initial.size)
        for name in (*plan.populations, *plan.projections)
        for variable in plan.variables(name).values()
        if not variable.constant
    )
    if not learns:
        return size * (weights + state)
    learned = sum(
        plan.parameters[name].size * (3 if rule.optimiser == "adam" else 2)
        for name, rule in plan.rules.items()
    )
    return size * (weights + state * (1 + len(plan.snapshots)) + learned)


class Counter:
    """Turns what an engine counts into operations."""

    def __init__(self, plan: Plan):
        found = directions(plan)
        self.values = np.array([d.values for d in found], np.int64)
        synapses = [(d.static, d.projection.geometry.synapse_count) for d in found]
        self.once = sum(count for static, count in synapses if static)
        self.each_step = sum(count for static, count in synapses if not static)

    def count(self, counts: NDArray[np.int64], steps: int) -> Operations:
        """Return the operations of a trial.

        Parameters
        ----------
        counts : see `Simulation.take_operations`.
        steps : of the trial; sums that never change are formed once in it.
        """
        macs = int(counts @ self.values)
        return Operations(
            acs=int(counts.sum()) - macs, macs=macs, dense=self.once + steps * self.each_step
        )
