"""Generalised leaky integrate-and-fire neuron with after-spike currents and a moving threshold.

A leaky membrane with two after-spike currents, `fast` and `slow`, and a threshold of which
`spike_part` rises by `spike_jump` at every spike and decays. At a spike `v` is set to
`e_leak + reset_factor*(v - e_leak) - reset_drop`, and each after-spike current to its jump plus
the part of it that is left. With all jumps at 0 it is a leaky integrate-and-fire neuron; with
those of the currents at 0 it has the biologically defined reset; that is, levels 1 to 4 of the
reference. The threshold does not follow the voltage (level 5).

Start `v` at rest with `init: {v: -70*mV}`; it begins at 0 V otherwise.

Reference: C. Teeter et al., Generalized leaky integrate-and-fire models classify multiple neuron
types, Nature Communications 2018.
"""

from evsim.models.base import NeuronModel

NEURON = NeuronModel(
    equations="""\
dv/dt = (current + fast + slow - g_leak*(v - e_leak))/capacitance : volt (unless refractory)
dfast/dt = -fast/tau_fast : amp
dslow/dt = -slow/tau_slow : amp
dspike_part/dt = -spike_part/tau_threshold : volt
current : amp
""",
    threshold="v > v_threshold + spike_part",
    reset="""\
v = e_leak + reset_factor*(v - e_leak) - reset_drop
fast = fast_jump + fast_left*fast
slow = slow_jump + slow_left*slow
spike_part += spike_jump
""",
    refractory="absolute_refractory",
    method="exact",
    parameters={
        "capacitance": "100*pF",
        "g_leak": "5*nS",
        "e_leak": "-70*mV",
        "v_threshold": "-50*mV",
        "reset_factor": "0.3",
        "reset_drop": "5*mV",
        "tau_fast": "10*ms",
        "tau_slow": "100*ms",
        "fast_jump": "-50*pA",
        "slow_jump": "-10*pA",
        "fast_left": "1",
        "slow_left": "1",
        "tau_threshold": "50*ms",
        "spike_jump": "2*mV",
        "absolute_refractory": "3*ms",
    },
    reference="Teeter et al. 2018, Nature Communications",
)
