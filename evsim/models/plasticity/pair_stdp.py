"""Additive spike-timing-dependent plasticity, all pairs of spikes.

A spike of the source that comes `s` before one of the target strengthens the weight by
w_max*a_plus*exp(-s/tau_plus), one that comes `s` after it weakens it by
w_max*a_minus*exp(-s/tau_minus). The weight stays between 0 and `w_max`, which has its unit.

Reference: S. Song, K. D. Miller, L. F. Abbott, Competitive Hebbian learning through
spike-timing-dependent synaptic plasticity, Nature Neuroscience 2000.
"""

from evsim.models.base import PlasticityModel

PLASTICITY = PlasticityModel(
    equations="""\
dx/dt = -x/tau_plus : 1 (event-driven)
dy/dt = -y/tau_minus : 1 (event-driven)
""",
    on_pre="""\
x += 1
w = clip(w - w_max*a_minus*y, 0*w_max, w_max)
""",
    on_post="""\
y += 1
w = clip(w + w_max*a_plus*x, 0*w_max, w_max)
""",
    parameters={
        "tau_plus": "20*ms",
        "tau_minus": "20*ms",
        "a_plus": "0.005",
        "a_minus": "0.00525",
        "w_max": "1",
    },
    like_weight=frozenset({"w_max"}),
    reference="Song, Miller, Abbott 2000, Nature Neuroscience",
)
