"""Stochastic binary unit of a Boltzmann machine: on or off anew in every step.

The unit spikes with probability 1/(1 + exp(-input/temperature)), its input being `drive` (weighted
values), `bias` and `received` (weighted spikes of this step's senders). All units decide at the
same time, from the spikes of the step before.

Reference: D. H. Ackley, G. E. Hinton, T. J. Sejnowski, A learning algorithm for Boltzmann machines,
Cognitive Science 1985.
"""

from evsim.models.base import NeuronModel

NEURON = NeuronModel(
    equations="""\
total : 1                # input of this step
received : 1             # weighted spikes that arrived since the step before
drive : 1                # weighted values
bias : 1 (constant)
""",
    run={
        "before_thresholds": """\
total = drive + bias + received
received = 0
""",
    },
    threshold="rand() < 1/(1 + exp(-total/temperature))",
    parameters={"temperature": "1"},
    reference="Ackley, Hinton and Sejnowski 1985, Cognitive Science",
)
