"""Latency neuron: one spike a trial, the earlier the larger its value.

A neuron whose `value` lies above 0 spikes once, in the step in which the time latest*(1 - value)
falls: 1, or more, in the trial's first step, values close to 0 about the time `latest` after it. A
value of 0, or less, never spikes. Set `value`, from 0 to 1, with `init` or from a data set.

The time is the trial's, phases that go on from others included, so that a trial shorter than
`latest` loses the spikes of small values.

Reference: S. Thorpe, A. Delorme, R. VanRullen, Spike-based strategies for rapid processing, Neural
Networks 14 (2001): intensity as the latency of the first spike, here falling in a straight line.
"""

from evsim.models.base import NeuronModel

NEURON = NeuronModel(
    equations="value : 1\n",
    threshold="value > 0 and t_in_timesteps == timestep(latest*clip(1 - value, 0, 1), dt)",
    parameters={"latest": "20*ms"},
    reference="Thorpe, Delorme and VanRullen 2001, Neural Networks",
)
