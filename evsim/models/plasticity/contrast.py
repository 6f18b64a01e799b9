"""Contrastive rule of equilibrium propagation for the weights of a projection.

The phases `plus` and `minus` end with the output nudged by +beta and -beta. The weight moves along
the difference of the products of the activations `u` on both sides, divided by 2*beta: for small
beta this is minus the gradient of the squared error.

Reference: A. Laborieux et al., Scaling equilibrium propagation to deep ConvNets by drastically
reducing its gradient estimator bias, Frontiers in Neuroscience 2021.
"""

from evsim.models.base import PlasticityModel

PLASTICITY = PlasticityModel(
    at_end={"plus": "g += u_pre*u_post/(2*beta)", "minus": "g -= u_pre*u_post/(2*beta)"},
    reference="Laborieux et al. 2021, Frontiers in Neuroscience",
)
