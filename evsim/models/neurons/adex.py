"""Adaptive exponential integrate-and-fire neuron.

The membrane potential `v` runs away exponentially, with slope factor `delta`, beyond the soft
threshold `v_t`; the spike is counted at `v_cut`. The adaptation current `w` follows `v` with
conductance `a` and jumps by `b` at every spike. The parameters are those of the paper's regular
spiking cell. Use `dt` of 0.1 ms or less.

Start `v` at rest with `init: {v: -70.6*mV}`; it begins at 0 V, beyond the threshold, otherwise.

Reference: R. Brette, W. Gerstner, Adaptive exponential integrate-and-fire model as an effective
description of neuronal activity, Journal of Neurophysiology 2005.
"""

from evsim.models.base import NeuronModel

NEURON = NeuronModel(
    equations="""\
dv/dt = (g_leak*(e_leak - v) + g_leak*delta*exp((v - v_t)/delta) + current - w)/capacitance : volt
dw/dt = (a*(v - e_leak) - w)/tau_w : amp
current : amp
""",
    threshold="v > v_cut",
    reset="""\
v = v_reset
w += b
""",
    method="euler",
    parameters={
        "capacitance": "281*pF",
        "g_leak": "30*nS",
        "e_leak": "-70.6*mV",
        "v_t": "-50.4*mV",
        "delta": "2*mV",
        "v_cut": "-40.4*mV",
        "v_reset": "-70.6*mV",
        "tau_w": "144*ms",
        "a": "4*nS",
        "b": "80.5*pA",
    },
    reference="Brette and Gerstner 2005, Journal of Neurophysiology",
)
