"""Equilibrium propagation from pairs of spikes, gated.

The traces `x` and `y` of both sides' spikes, read at spikes of the other side, add up to the
product of the two rates. The protocol constant `gain` weighs them: 1/(2*beta)/(2*tau*n) in the last
n steps of the phase nudged by +beta, minus as much in the phase nudged by -beta, 0 elsewhere, with
`tau` in steps. The sum is the contrast of rates that `contrast` takes from the activations.

Reference: B. Scellier, Y. Bengio, Equilibrium propagation, Frontiers in Computational Neuroscience
2017 (the contrast); Y. Bengio, T. Mesnard, A. Fischer, S. Zhang, Y. Wu, STDP-compatible
approximation of backpropagation in an energy-based model, Neural Computation 2017.
"""

from evsim.models.base import PlasticityModel

PLASTICITY = PlasticityModel(
    equations="""\
dx/dt = -x/tau : 1 (event-driven)
dy/dt = -y/tau : 1 (event-driven)
""",
    on_pre="""\
g += gain*y
x += 1
""",
    on_post="""\
g += gain*x
y += 1
""",
    parameters={"tau": "20*ms"},
    reference="Scellier, Bengio 2017; Bengio et al. 2017, Neural Computation",
)
