"""Short-term depression and facilitation.

Of the resources `r` that a synapse has, each spike of the source uses the share `u`: it adds w*u*r
to the target. Resources recover with `tau_d`; the share rises at spikes, by `u_se` of what it lacks
to 1, and fades with `tau_f`. A short `tau_f` gives depression, a long one facilitation.

Reference: M. V. Tsodyks, K. Pawelzik, H. Markram, Neural networks with dynamic synapses, Neural
Computation 1998.
"""

from evsim.models.base import PlasticityModel

PLASTICITY = PlasticityModel(
    equations="""\
du/dt = -u/tau_f : 1 (event-driven)
dr/dt = (1 - r)/tau_d : 1 (event-driven)
""",
    on_pre="""\
u += u_se*(1 - u)
target += w*u*r
r -= u*r
""",
    parameters={"tau_f": "3*ms", "tau_d": "800*ms", "u_se": "0.5"},
    init={"r": "1"},
    reference="Tsodyks, Pawelzik, Markram 1998, Neural Computation",
)
