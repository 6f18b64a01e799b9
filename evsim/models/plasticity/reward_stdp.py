"""Spike-timing-dependent plasticity that waits for a reward.

Pairs of spikes leave an eligibility `c`, as `pair_stdp` would change the weight, which fades with
`tau_c`. While the protocol constant `reward` is not 0, the efficacy `s` moves by reward*c a second.
A spike of the source adds w*s to the target: `w` is the weight at full efficacy, with its unit;
`s` stays between 0 and 1. Declare the constant, set it in the phase that rewards, and keep the
efficacies of projection `p` from trial to trial with `keep: [p.s]`.

Reference: E. M. Izhikevich, Solving the distal reward problem through linkage of STDP and dopamine
signaling, Cerebral Cortex 2007.
"""

from evsim.models.base import PlasticityModel

PLASTICITY = PlasticityModel(
    equations="""\
dx/dt = -x/tau_plus : 1 (event-driven)
dy/dt = -y/tau_minus : 1 (event-driven)
dc/dt = -c/tau_c : 1 (clock-driven)
ds/dt = reward*c/second : 1 (clock-driven)
""",
    method="euler",
    on_pre="""\
s = clip(s, 0, 1)
target += w*s
x += 1
c -= a_minus*y
""",
    on_post="""\
s = clip(s, 0, 1)
y += 1
c += a_plus*x
""",
    parameters={
        "tau_plus": "20*ms",
        "tau_minus": "20*ms",
        "tau_c": "1*second",
        "a_plus": "1",
        "a_minus": "1.5",
    },
    init={"s": "0.5"},
    reference="Izhikevich 2007, Cerebral Cortex",
)
