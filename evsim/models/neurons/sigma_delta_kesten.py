"""Predictive sigma-delta neuron whose step size falls whenever its error changes sign.

As `sigma_delta`, but instead of the protocol's `eps` each neuron has a step of its own,
`gain/(delay + turns)`, at most 1, where `turns` counts the steps in which the distance of `u` from
the total input had another sign than in the step before. Far from equilibrium errors keep their
sign and steps stay large; around it noise turns them and steps shrink.

The protocol sets `lam`. The default `gain` and `delay` are those that the authors found for one
hidden layer.

References: H. Kesten, Accelerated stochastic approximation, Annals of Mathematical Statistics 1958;
P. O'Connor, E. Gavves, M. Welling, Training a spiking neural network with equilibrium propagation,
AISTATS 2019.
"""

from evsim.models.base import NeuronModel

NEURON = NeuronModel(
    equations="""\
u : 1                    # activation, 0..1
last : 1                 # activation of the step before
carry : 1                # sigma-delta integrator
received : 1             # weighted spikes that arrived in this step
decoded : 1              # running estimate of the weighted activations
drive : 1                # weighted values
off : 1                  # distance of u from the total input
turns : 1                # changes of its sign so far
bias : 1 (constant)
target : 1 (constant)
nudge : 1 (shared)       # strength of the pull to the target
energy = u**2/2 - u*(drive + bias + decoded/2) : 1
""",
    run={
        "before_thresholds": """\
carry += (u - (1 - lam)*last)/lam
last = u
""",
        "end": """\
decoded = (1 - lam)*decoded + lam*received
moved = drive + bias + decoded - u + nudge*(target - u)
turns += int(moved*off < 0)
off = moved
u = clip(u + clip(gain/(delay + turns), 0, 1)*off, 0, 1)
received = 0
""",
    },
    threshold="carry > 0.5",
    reset="carry -= 1",
    parameters={"gain": "4.02", "delay": "5.28"},
    reference="Kesten 1958, Annals of Mathematical Statistics; O'Connor et al. 2019, AISTATS",
)
