"""Leaky integrate-and-fire neuron whose threshold rises with every spike.

As `lif`, with a threshold `v_threshold + adaptation`: each spike adds `increment` to `adaptation`,
which decays with `tau_adaptation`. Under a constant current the rate falls from that of `lif` to a
lower, steady one.

Start `v` at rest with `init: {v: -70*mV}`; it begins at 0 V otherwise.

Reference: G. Bellec, D. Salaj, A. Subramoney, R. Legenstein, W. Maass, Long short-term memory and
learning-to-learn in networks of spiking neurons, NeurIPS 2018.
"""

from evsim.models.base import NeuronModel

NEURON = NeuronModel(
    equations="""\
dv/dt = (v_rest - v + resistance*current)/tau : volt (unless refractory)
dadaptation/dt = -adaptation/tau_adaptation : volt
current : amp
""",
    threshold="v > v_threshold + adaptation",
    reset="""\
v = v_reset
adaptation += increment
""",
    refractory="absolute_refractory",
    method="exact",
    parameters={
        "tau": "20*ms",
        "tau_adaptation": "200*ms",
        "resistance": "100*Mohm",
        "v_rest": "-70*mV",
        "v_reset": "-70*mV",
        "v_threshold": "-50*mV",
        "increment": "2*mV",
        "absolute_refractory": "2*ms",
    },
    reference="Bellec et al. 2018, NeurIPS",
)
