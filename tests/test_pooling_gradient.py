"""Equilibrium propagation of spikes: average pooling follows the error's gradient, maxima do not.

The maxima of single steps' sums are larger than that of their averages, and what wins in a phase's
last step, for which learning counts, differs from phase to phase.

Two networks of two layers differ in their pooling alone. Activations of the free fixed point are
drawn and every unit gets the drive that leads there, so that no unit is at its limit. Between its
limits a network is linear, which gives the gradient.
"""

import numpy as np

from evsim import engines
from evsim.analysis.gradients import Agreement
from evsim.build.build import build
from evsim.spec.parse import parse_text
from evsim.testing.ep_task import propagated

TEXT = """\
name: pooled
dt: 1*ms
precision: float64
data:
  name: npz
  path: data.npz
  fields:
    {a.drive: a, average.drive: b, average.target: y, m.drive: c, maximum.drive: d,
     maximum.target: y}
neurons:
  unit: {model: sigma_delta}
populations:
  a: {shape: [2, 4, 4], neuron: unit}
  average: {shape: [3, 1, 1], neuron: unit}
  m: {shape: [2, 4, 4], neuron: unit}
  maximum: {shape: [3, 1, 1], neuron: unit}
projections:
  - {name: into_average, from: a, to: average.received, kind: conv, kernel: 3, pool: {average: 2},
     symmetric: true, learn: contrast}
  - {name: into_maximum, from: m, to: maximum.received, kind: conv, kernel: 3, pool: {max: 2},
     symmetric: true, learn: contrast}
plasticity:
  contrast: {model: contrast, update: {rate: 1}}
protocol:
  constants: {beta: 0.05, eps: 0.5, lam: k**-0.75}
  phases:
    free: {steps: 20000}
    plus:
      steps: 10000
      from: free
      set: {average.nudge: +beta, maximum.nudge: +beta}
      average: {variables: [u], last: 5000}
    minus:
      steps: 10000
      from: free
      set: {average.nudge: -beta, maximum.nudge: -beta}
      average: {variables: [u], last: 5000}
"""
NETWORKS = {"average": "a", "maximum": "m"}
"""Layer that is pooled -> layer below."""


def unfolded(kernel):
    """The kernel at the places of each window, (place, source, target)."""
    found = np.zeros((4, 2, 4, 4, 3), kernel.dtype)
    for place in range(4):
        y, x = divmod(place, 2)
        found[place, :, y : y + 3, x : x + 3] = kernel.transpose(1, 2, 3, 0)
    return found.reshape(4, 32, 3)


def counted(kernel, below, pool):
    """How much each place of a window counts, (place, target)."""
    if pool == "average":
        return np.full((4, 3), 0.25)
    sums = np.einsum("s,pst->pt", below, unfolded(kernel))
    return (sums == sums.max(axis=0)).astype(float)


def drives_and_slope(kernel, below, above, target, pool):
    """Drives that lead to the activations, and the gradient of half the squared error."""
    shares = counted(kernel, below, pool)
    into = np.einsum("pst,pt->st", unfolded(kernel), shares)
    drives = below - into @ above, above - below @ into
    # u = W u + drive with W symmetric: dE/dW = x u' + u x' where (1 - W) x = dE/du.
    blame = np.linalg.solve(np.eye(3) - into.T @ into, above - target)
    slope = np.outer(into @ blame, above) + np.outer(below, blame)
    number = unfolded(np.arange(1, kernel.size + 1).reshape(kernel.shape))
    by_place = slope * shares[:, None]
    return drives, np.bincount(number.ravel(), by_place.ravel())[1:].reshape(kernel.shape)


def test_maxima_of_spikes_do_not_follow_the_gradient():
    plan = build(parse_text(TEXT))
    program = engines.load("fused").compile(plan)
    random = np.random.default_rng(4)
    kernel = random.uniform(-0.1, 0.1, (3, 2, 3, 3))
    program.load({f"into_{pool}": kernel for pool in NETWORKS})
    trials = []
    slopes = {pool: np.zeros(kernel.shape) for pool in NETWORKS}
    for _ in range(5):
        activations = random.uniform(0.3, 0.7, 32), random.uniform(0.3, 0.7, 3)
        target = random.uniform(0, 1, 3)
        inputs = {}
        for pool, below in NETWORKS.items():
            drives, slope = drives_and_slope(kernel, *activations, target, pool)
            inputs |= {(below, "drive"): drives[0], (pool, "drive"): drives[1]}
            inputs[pool, "target"] = target
            slopes[pool] += slope
        trials.append(inputs)
    learned = propagated(program, trials, plan.phases)
    cosines = {
        pool: Agreement.of(learned[f"into_{pool}"], -slope).cosine for pool, slope in slopes.items()
    }
    assert cosines["average"] > 0.99
    assert cosines["maximum"] < 0.7
