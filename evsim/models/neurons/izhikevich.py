"""Izhikevich's simple model of spiking neurons.

The membrane potential `v` follows a quadratic equation, the recovery variable `u` a linear one. At
`v_peak` the neuron spikes, `v` is set to `c` and `u` jumps by `d`. The parameters `a`, `b`, `c`
and `d` select the firing pattern; the defaults are a regular spiking cell (fast spiking:
a = 0.1/ms, d = 2 mV/ms; chattering: c = -50 mV, d = 2 mV/ms). `drive` is the paper's I, in volt
per second: 10 in the paper is 10*mV/ms. Use `dt` of 0.5 ms or less.

Start at rest with `init: {v: -70*mV, u: -14*mV/ms}`; both begin at 0 otherwise.

Reference: E. M. Izhikevich, Simple model of spiking neurons, IEEE Transactions on Neural Networks
2003.
"""

from evsim.models.base import NeuronModel

NEURON = NeuronModel(
    equations="""\
dv/dt = 0.04*v**2/(ms*mV) + 5*v/ms + 140*mV/ms - u + drive : volt
du/dt = a*(b*v - u) : volt/second
drive : volt/second
""",
    threshold="v > v_peak",
    reset="""\
v = c
u += d
""",
    method="euler",
    parameters={
        "a": "0.02/ms",
        "b": "0.2/ms",
        "c": "-65*mV",
        "d": "8*mV/ms",
        "v_peak": "30*mV",
    },
    reference="Izhikevich 2003, IEEE Transactions on Neural Networks",
)
