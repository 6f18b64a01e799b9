"""Predictive sigma-delta neuron for equilibrium propagation with spikes.

Every variable is dimensionless. The activation `u`, between 0 and 1, moves by the fraction `eps` of
the way to its total input: `drive` (weighted values), `bias`, `decoded` (weighted spikes) and, on
output units, the nudge to `target`. A spike does not carry u but what is new about it: the encoder
subtracts the part that the receiver predicts, (1 - lam)*last, and divides by `lam`; the sigma-delta
integrator `carry` turns the result into spikes. Receivers decode with the same `lam`, so that
`decoded` tends to the weighted sum of the senders' u, with an error that falls with lam.

`energy` is the neuron's part of the Hopfield energy whose minimum a settled network is at, without
the nudge. What two layers have of each other counts half in either, so the sum over all neurons is
right where weights act both ways.

The protocol sets `eps` and `lam`, usually 0.5 and k**-0.75 for step k of the trial. Spikes arrive
in `received`; weighted values in `drive`.

Reference: P. O'Connor, E. Gavves, M. Welling, Training a spiking neural network with equilibrium
propagation, AISTATS 2019.
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
u = clip(u + eps*(drive + bias + decoded - u + nudge*(target - u)), 0, 1)
received = 0
""",
    },
    threshold="carry > 0.5",
    reset="carry -= 1",
    reference="O'Connor, Gavves and Welling 2019, AISTATS",
)
