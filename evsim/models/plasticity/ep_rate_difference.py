"""Equilibrium propagation from spikes and the change of the other side's rate.

At a spike of one side the other's rate is compared over a short and a long time: the difference of
the traces with `tau_fast` and `tau_slow`, each divided by its mean for one spike a step, over
`tau_slow - tau_fast` (in steps of dt). Over a nudged phase this adds up to the change of the
product of rates. The protocol constant `gain` is 1/(2*beta) in the phase nudged by +beta,
-1/(2*beta) in that nudged by -beta, and 0 in the free phase. Two spikes in one step are seen by
both sides: code of the source runs first, so that of the target counts what it did not see
(`sent`).

Reference: Y. Bengio, T. Mesnard, A. Fischer, S. Zhang, Y. Wu, STDP-compatible approximation of
backpropagation in an energy-based model, Neural Computation 2017.
"""

from evsim.models.base import PlasticityModel

_CHANGE = (
    "({fast}*(1 - exp(-dt/tau_fast)) - {slow}*(1 - exp(-dt/tau_slow)))*dt/(tau_slow - tau_fast)"
)

PLASTICITY = PlasticityModel(
    equations="""\
dx_fast/dt = -x_fast/tau_fast : 1 (event-driven)
dx_slow/dt = -x_slow/tau_slow : 1 (event-driven)
dy_fast/dt = -y_fast/tau_fast : 1 (event-driven)
dy_slow/dt = -y_slow/tau_slow : 1 (event-driven)
sent : second
""",
    on_pre=f"""\
g += gain*{_CHANGE.format(fast="y_fast", slow="y_slow")}
x_fast += 1
x_slow += 1
sent = t
""",
    on_post=f"""\
both = int(t - sent < dt/2)
g += gain*{_CHANGE.format(fast="(x_fast + both)", slow="(x_slow + both)")}
y_fast += 1
y_slow += 1
""",
    init={"sent": "-1*second"},
    parameters={"tau_fast": "20*ms", "tau_slow": "40*ms"},
    reference="Bengio et al. 2017, Neural Computation",
)
