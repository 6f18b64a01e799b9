"""Multiplicative spike-timing-dependent plasticity: soft bounds, all pairs of spikes.

As `pair_stdp`, but a pair strengthens the weight in proportion to its distance from `w_max` and
weakens it in proportion to itself. Weights gather around one value instead of at the bounds.

Reference: M. C. W. van Rossum, G. Q. Bi, G. G. Turrigiano, Stable Hebbian learning from spike
timing-dependent plasticity, Journal of Neuroscience 2000; J. Rubin, D. D. Lee, H. Sompolinsky,
Equilibrium properties of temporally asymmetric Hebbian plasticity, Physical Review Letters 2001.
"""

from evsim.models.base import PlasticityModel

PLASTICITY = PlasticityModel(
    equations="""\
dx/dt = -x/tau_plus : 1 (event-driven)
dy/dt = -y/tau_minus : 1 (event-driven)
""",
    on_pre="""\
x += 1
w -= a_minus*w*y
""",
    on_post="""\
y += 1
w += a_plus*(w_max - w)*x
""",
    parameters={
        "tau_plus": "20*ms",
        "tau_minus": "20*ms",
        "a_plus": "0.005",
        "a_minus": "0.00525",
        "w_max": "1",
    },
    like_weight=frozenset({"w_max"}),
    reference="van Rossum, Bi, Turrigiano 2000, Journal of Neuroscience; Rubin et al. 2001, PRL",
)
