"""Output units that share out one among them, for learning by cross-entropy.

The weighted values `drive` and a `bias` give each unit its share `p` of the sum of exponentials,
which a projection of the population onto itself forms: `{from: out.score, to: out.total, kind:
all_to_all, sends: value, weights: 1}`. Units act on others in nudged phases only: what they send
back, `u`, is the distance of the target from p, times `nudge`. So the network of the units before
them settles as if there were no output, and the contrastive rules of equilibrium propagation
follow the gradient of the cross-entropy, in these and in the output's own weights. Exponentials of
float32 are finite up to a drive of 88.

Reference: A. Laborieux et al., Scaling equilibrium propagation to deep ConvNets by drastically
reducing its gradient estimator bias, Frontiers in Neuroscience 2021.
"""

from evsim.models.base import NeuronModel

NEURON = NeuronModel(
    equations="""\
u : 1                    # what acts on others: nudge*(target - p)
p : 1                    # share of this unit, 0..1
score : 1                # exponential of the total input
total : 1                # sum of scores over the population
drive : 1                # weighted values
bias : 1 (constant)
target : 1 (constant)
nudge : 1 (shared)       # strength of the pull to the target
""",
    run={
        "end": """\
score = exp(drive + bias)
p = score/(total + score*int(total == 0))
u = nudge*(target - p)
""",
    },
    reference="Laborieux et al. 2021, Frontiers in Neuroscience",
)
