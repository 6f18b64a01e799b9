"""Spike-timing-dependent plasticity of triplets of spikes, all to all.

Weakening at spikes of the source depends on the target's trace `o1` and the source's slow trace
`r2`, strengthening at spikes of the target on the source's trace `r1` and the target's slow trace
`o2`, each as it was before the spike. So high rates strengthen, whatever the order of spikes. The
parameters are those fitted to visual cortex. The weight, in units of `w_max`, stays between 0 and
`w_max`.

Reference: J.-P. Pfister, W. Gerstner, Triplets of spikes in a model of spike timing-dependent
plasticity, Journal of Neuroscience 2006, table 4 (all-to-all, full model).
"""

from evsim.models.base import PlasticityModel

PLASTICITY = PlasticityModel(
    equations="""\
dr1/dt = -r1/tau_plus : 1 (event-driven)
dr2/dt = -r2/tau_x : 1 (event-driven)
do1/dt = -o1/tau_minus : 1 (event-driven)
do2/dt = -o2/tau_y : 1 (event-driven)
""",
    on_pre="""\
w = clip(w - w_max*o1*(a2_minus + a3_minus*r2), 0*w_max, w_max)
r1 += 1
r2 += 1
""",
    on_post="""\
w = clip(w + w_max*r1*(a2_plus + a3_plus*o2), 0*w_max, w_max)
o1 += 1
o2 += 1
""",
    parameters={
        "tau_plus": "16.8*ms",
        "tau_minus": "33.7*ms",
        "tau_x": "101*ms",
        "tau_y": "125*ms",
        "a2_plus": "5e-10",
        "a3_plus": "6.2e-3",
        "a2_minus": "7e-3",
        "a3_minus": "2.3e-4",
        "w_max": "1",
    },
    like_weight=frozenset({"w_max"}),
    reference="Pfister, Gerstner 2006, Journal of Neuroscience",
)
