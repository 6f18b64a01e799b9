"""One-sided contrastive rule of equilibrium propagation for a bias of the neurons.

As `contrast_one_sided`, with the neuron's own activation `u` in place of the product.

Reference: B. Scellier, Y. Bengio, Equilibrium propagation: bridging the gap between energy-based
models and backpropagation, Frontiers in Computational Neuroscience 2017.
"""

from evsim.models.base import PlasticityModel

PLASTICITY = PlasticityModel(
    at_end={"free": "g -= u/beta", "nudged": "g += u/beta"},
    reference="Scellier and Bengio 2017, Frontiers in Computational Neuroscience",
)
