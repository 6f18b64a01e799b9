"""Poisson neuron: spikes at random with a given rate, whatever happened before.

In each step the neuron spikes with probability rates*dt, so at most once; keep `rates` well below
1/dt. Set `rates` with `init`, from a data set, or by a projection that sends values.

Reference: D. Heeger, Poisson model of spike generation, lecture notes, Stanford University 2000.
"""

from evsim.models.base import NeuronModel

NEURON = NeuronModel(
    equations="rates : hertz\n",
    threshold="rand() < rates*dt",
    reference="Heeger 2000, Poisson model of spike generation",
)
