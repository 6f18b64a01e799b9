"""One-sided contrastive rule of equilibrium propagation for the weights of a projection.

The phase `free` ends at the free equilibrium, the phase `nudged` with the output nudged by beta,
which may be negative. The weight moves along the difference of the products of the activations `u`
on both sides, divided by beta. What it misses of the gradient grows with beta, unlike that of
`contrast`; with a sign of beta that is drawn in each trial, `beta: 0.2*sign(rand() - 0.5)`, it
cancels on average.

Reference: B. Scellier, Y. Bengio, Equilibrium propagation: bridging the gap between energy-based
models and backpropagation, Frontiers in Computational Neuroscience 2017.
"""

from evsim.models.base import PlasticityModel

PLASTICITY = PlasticityModel(
    at_end={"free": "g -= u_pre*u_post/beta", "nudged": "g += u_pre*u_post/beta"},
    reference="Scellier and Bengio 2017, Frontiers in Computational Neuroscience",
)
