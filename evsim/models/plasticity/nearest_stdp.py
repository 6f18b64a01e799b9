"""Additive spike-timing-dependent plasticity of nearest spikes.

As `pair_stdp`, but a spike only meets the last one of the other side: traces are set to 1, not
added to.

Reference: E. M. Izhikevich, N. S. Desai, Relating STDP to BCM, Neural Computation 2003; A.
Morrison, M. Diesmann, W. Gerstner, Phenomenological models of synaptic plasticity based on spike
timing, Biological Cybernetics 2008, section 4.1.2.
"""

from evsim.models.base import PlasticityModel

PLASTICITY = PlasticityModel(
    equations="""\
dx/dt = -x/tau_plus : 1 (event-driven)
dy/dt = -y/tau_minus : 1 (event-driven)
""",
    on_pre="""\
x = 1
w = clip(w - w_max*a_minus*y, 0*w_max, w_max)
""",
    on_post="""\
y = 1
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
    reference="Morrison, Diesmann, Gerstner 2008, Biological Cybernetics",
)
