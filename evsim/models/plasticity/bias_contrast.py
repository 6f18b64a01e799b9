"""Contrastive rule of equilibrium propagation for a bias of the neurons.

As `contrast`, with the neuron's own activation `u` in place of the product.

Reference: A. Laborieux et al., Scaling equilibrium propagation to deep ConvNets by drastically
reducing its gradient estimator bias, Frontiers in Neuroscience 2021.
"""

from evsim.models.base import PlasticityModel

PLASTICITY = PlasticityModel(
    at_end={"plus": "g += u/(2*beta)", "minus": "g -= u/(2*beta)"},
    reference="Laborieux et al. 2021, Frontiers in Neuroscience",
)
