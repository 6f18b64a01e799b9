"""Leaky integrate-and-fire neuron under an injected current.

The membrane potential `v` decays to `v_rest` with time constant `tau` and is driven by `current`
through the membrane resistance. Where it exceeds `v_threshold` the neuron spikes, `v` is set to
`v_reset` and held there for `absolute_refractory`. Without noise, a constant current I above
(v_threshold - v_rest)/resistance gives the rate
1/(absolute_refractory + tau*log((R*I + v_rest - v_reset)/(R*I + v_rest - v_threshold))).

Start `v` at rest with `init: {v: -70*mV}`; it begins at 0 V otherwise.

Reference: W. Gerstner, W. M. Kistler, R. Naud, L. Paninski, Neuronal Dynamics, Cambridge University
Press 2014, section 1.3.
"""

from evsim.models.base import NeuronModel

NEURON = NeuronModel(
    equations="""\
dv/dt = (v_rest - v + resistance*current)/tau : volt (unless refractory)
current : amp
""",
    threshold="v > v_threshold",
    reset="v = v_reset",
    refractory="absolute_refractory",
    method="exact",
    parameters={
        "tau": "10*ms",
        "resistance": "100*Mohm",
        "v_rest": "-70*mV",
        "v_reset": "-70*mV",
        "v_threshold": "-50*mV",
        "absolute_refractory": "2*ms",
    },
    reference="Gerstner et al. 2014, Neuronal Dynamics, section 1.3",
)
