"""Conductance-based pyramidal cell with Traub and Miles' kinetics.

A single compartment with the sodium and delayed-rectifier potassium currents of hippocampal
pyramidal cells; `v_t` shifts their kinetics. Conductances are those of 20,000 square micrometres.
A spike is counted when `v` crosses `v_threshold` upwards, at most one in `absolute_refractory`. Use
`dt` of 0.1 ms or less.

Start at rest with `init: {v: -65*mV}`; `v` begins at 0 V otherwise.

References: R. D. Traub, R. Miles, Neuronal networks of the hippocampus, Cambridge University Press
1991; R. Brette et al., Simulation of networks of spiking neurons: a review of tools and strategies,
Journal of Computational Neuroscience 2007, benchmark 3 (parameters).
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
alpha_m = 1.28/exprel((v_t + 13*mV - v)/(4*mV))/ms : hertz
beta_m = 1.4/exprel((v - v_t - 40*mV)/(5*mV))/ms : hertz
alpha_h = 0.128*exp((v_t + 17*mV - v)/(18*mV))/ms : hertz
beta_h = 4/(1 + exp((v_t + 40*mV - v)/(5*mV)))/ms : hertz
alpha_n = 0.16/exprel((v_t + 15*mV - v)/(5*mV))/ms : hertz
beta_n = 0.5*exp((v_t + 10*mV - v)/(40*mV))/ms : hertz
current : amp
""",
    threshold="v > v_threshold",
    refractory="absolute_refractory",
    method="exponential_euler",
    parameters={
        "capacitance": "200*pF",
        "g_na": "20*usiemens",
        "g_k": "6*usiemens",
        "g_leak": "10*nS",
        "e_na": "50*mV",
        "e_k": "-90*mV",
        "e_leak": "-65*mV",
        "v_t": "-63*mV",
        "v_threshold": "-20*mV",
        "absolute_refractory": "3*ms",
    },
    reference="Traub and Miles 1991; Brette et al. 2007, Journal of Computational Neuroscience",
)
