"""Predictive sigma-delta neuron with the step size of least expected error.

As `sigma_delta`, but instead of the protocol's `eps` each neuron has a step of its own: that which
minimises the expected squared error of `u` as an estimate of the noisy and moving total input.
Bias and variance of the input are themselves estimated as running means, with a step `pace` that
falls from 1 to `pace_end`. Where the input moves, `u` follows at once; where it is only noise, `u`
is its mean.

The protocol sets `lam`. The default `pace_end` is the one that the authors found for one hidden
layer and phases of 100 and 50 steps, with `lam: 0.275`.

References: A. P. George, W. B. Powell, Adaptive stepsizes for recursive estimation with
applications in approximate dynamic programming, Machine Learning 2006; P. O'Connor, E. Gavves,
M. Welling, Training a spiking neural network with equilibrium propagation, AISTATS 2019.
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
pace : 1                 # step of the two running means
off : 1                  # running mean of the error
square : 1               # running mean of its square
spread : 1               # variance of u in units of the input's
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
error = drive + bias + decoded - u + nudge*(target - u)
first = int(k <= 1)
pace = first + (1 - first)*pace/(1 + pace - pace_end)
off += pace*(error - off)
square += pace*(error**2 - square)
noise = (square - off**2)/(1 + spread)
step = clip(first + (1 - first)*(1 - (noise + tiny)/(square + tiny)), 0, 1)
spread = (1 - step)**2*spread + step**2
u = clip(u + step*error, 0, 1)
received = 0
""",
    },
    threshold="carry > 0.5",
    reset="carry -= 1",
    parameters={"pace_end": "0.0346", "tiny": "1e-12"},
    reference="George and Powell 2006, Machine Learning; O'Connor et al. 2019, AISTATS",
)
