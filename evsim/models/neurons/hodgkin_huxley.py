"""Hodgkin and Huxley's model of the squid axon, at 6.3 degrees Celsius.

Sodium, potassium and leak currents with the gates `m`, `h` and `n`, in today's sign convention with
a resting potential of -65 mV. Conductances are those of a patch of 20,000 square micrometres; 1 nA
is 5 uA/cm2. A spike is counted when `v` crosses `v_threshold` upwards. Use `dt` of 0.02 ms or less.

Start at rest with `init: {v: -65*mV, m: 0.0529, h: 0.5961, n: 0.3177}`; all begin at 0 otherwise.

Reference: A. L. Hodgkin, A. F. Huxley, A quantitative description of membrane current and its
application to conduction and excitation in nerve, Journal of Physiology 1952.
"""

from evsim.models.base import NeuronModel

NEURON = NeuronModel(
    equations="""\
dv/dt = (i_na + i_k + g_leak*(e_leak - v) + current)/capacitance : volt
dm/dt = alpha_m*(1 - m) - beta_m*m : 1
dh/dt = alpha_h*(1 - h) - beta_h*h : 1
dn/dt = alpha_n*(1 - n) - beta_n*n : 1
i_na = g_na*m**3*h*(e_na - v) : amp
i_k = g_k*n**4*(e_k - v) : amp
alpha_m = 1/exprel(-(v + 40*mV)/(10*mV))/ms : hertz
beta_m = 4*exp(-(v + 65*mV)/(18*mV))/ms : hertz
alpha_h = 0.07*exp(-(v + 65*mV)/(20*mV))/ms : hertz
beta_h = 1/(1 + exp(-(v + 35*mV)/(10*mV)))/ms : hertz
alpha_n = 0.1/exprel(-(v + 55*mV)/(10*mV))/ms : hertz
beta_n = 0.125*exp(-(v + 65*mV)/(80*mV))/ms : hertz
current : amp
""",
    threshold="v > v_threshold",
    refractory="v > v_threshold",
    method="exponential_euler",
    parameters={
        "capacitance": "200*pF",
        "g_na": "24*usiemens",
        "g_k": "7.2*usiemens",
        "g_leak": "60*nS",
        "e_na": "50*mV",
        "e_k": "-77*mV",
        "e_leak": "-54.387*mV",
        "v_threshold": "0*mV",
    },
    reference="Hodgkin and Huxley 1952, Journal of Physiology",
)
