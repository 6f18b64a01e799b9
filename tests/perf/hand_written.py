"""Time evsim against kernels written by hand: python tests/perf/hand_written.py DATA [WEIGHTS].

The kernels are for `networks/paper/mnist_conv_ep.yaml` alone: sizes are constants, averages are
folded into the convolutions, a trial runs whole on one core, and every spike adds a row of weights
at each place that it reaches. Batches of training trials with what they learn are run in turn, with
the same weights, which do not move. Before that, gradients of both are compared.
"""

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from llvmlite import ir
from numba import njit, prange, types
from numba.extending import intrinsic

import evsim
from evsim.build.build import build
from evsim.engines import load
from evsim.orchestrator.report import Reporter
from evsim.orchestrator.samples import Samples
from evsim.orchestrator.train import Pass, Run
from evsim.simulate import cores, open_samples

FILE = Path(__file__).parents[2] / "networks/paper/mnist_conv_ep.yaml"
BATCH, ROUNDS = 64, 12

SIDE1, MAPS1 = 12, 32  # conv1: places a side, channels
SIDE2, MAPS2 = 4, 64  # conv2
SIZE1, SIZE2, CLASSES = SIDE1 * SIDE1 * MAPS1, SIDE2 * SIDE2 * MAPS2, 10
KERNEL = 6  # 5 and the average over 2
FREE, NUDGED, AVERAGED = 100, 50, 10
BETA, EPS = np.float32(0.2), np.float32(0.5)
LAM = np.arange(1, FREE + NUDGED + 1, dtype=np.float32) ** np.float32(-0.75)
U, LAST, CARRY, DECODED = range(4)
ONE, HALF = np.float32(1), np.float32(0.5)


@intrinsic
def add_row(context, to, at, table, row, width):  # type: ignore[no-untyped-def]
    """to[at : at+width] += table[row : row+width], as vectors that nothing guards."""
    if not isinstance(width, types.IntegerLiteral):
        return None
    lanes = width.literal_value

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        pointers = []
        for array, offset, kind in ((args[0], args[1], to), (args[2], args[3], table)):
            data = context.make_array(kind)(context, builder, array).data
            vector = ir.VectorType(ir.FloatType(), lanes).as_pointer()
            pointers.append(builder.bitcast(builder.gep(data, [offset]), vector))
        values = [builder.load(pointer, align=4) for pointer in pointers]
        builder.store(builder.fadd(*values), pointers[0], align=4)
        return context.get_dummy_value()

    return types.void(to, types.intp, table, types.intp, width), codegen


@njit
def encode(state, lam, flags):  # type: ignore[no-untyped-def]
    """Predictive sigma-delta: a flag where a neuron spikes."""
    for i in range(state.shape[1]):
        carry = state[CARRY, i] + (state[U, i] - (ONE - lam) * state[LAST, i]) / lam
        state[LAST, i] = state[U, i]
        flags[i] = carry > HALF
        state[CARRY, i] = carry - (ONE if carry > HALF else np.float32(0))


@njit
def decode(state, lam, received, drive, nudge, target):  # type: ignore[no-untyped-def]
    """Receive a step's spikes and move by `EPS` of the way."""
    for i in range(state.shape[1]):
        state[DECODED, i] = (ONE - lam) * state[DECODED, i] + lam * received[i]
        u = state[U, i]
        pull = nudge * ((ONE if i == target else np.float32(0)) - u)
        u += EPS * (drive[i] + state[DECODED, i] - u + pull)
        state[U, i] = min(max(u, np.float32(0)), ONE)
        received[i] = 0


@njit
def by_channel(flags, places, channels, events, number):  # type: ignore[no-untyped-def]
    """List the places of spikes channel by channel, so that a channel's weights stay close."""
    number[:] = 0
    for place in range(places):
        for c in range(channels):
            events[c * places + number[c]] = place
            number[c] += flags[place * channels + c]


@njit
def advance(first, steps, nudge, label, drives, weights, states, work):  # type: ignore[no-untyped-def]
    """Run some steps of a trial; layers count (row, column, channel)."""
    down, up, out, back = weights
    s1, s2, s3 = states
    (f1, f2, f3), (r1, r2, r3), (e1, n1), (e2, n2) = work
    for step in range(first, first + steps):
        lam = LAM[step]
        encode(s1, lam, f1)
        encode(s2, lam, f2)
        encode(s3, lam, f3)
        by_channel(f1, SIDE1 * SIDE1, MAPS1, e1, n1)
        for c in range(MAPS1):
            for j in range(n1[c]):
                y, x = divmod(e1[c * SIDE1 * SIDE1 + j], SIDE1)
                for row in range(max(0, (y - KERNEL + 2) // 2), min(SIDE2 - 1, y // 2) + 1):
                    for column in range(max(0, (x - KERNEL + 2) // 2), min(SIDE2 - 1, x // 2) + 1):
                        at = (c * KERNEL + y - 2 * row) * KERNEL + x - 2 * column
                        add_row(r2, (row * SIDE2 + column) * MAPS2, up, at * MAPS2, MAPS2)
        by_channel(f2, SIDE2 * SIDE2, MAPS2, e2, n2)
        for c in range(MAPS2):
            for j in range(n2[c]):
                place = e2[c * SIDE2 * SIDE2 + j]
                row, column = divmod(place, SIDE2)
                for ky in range(KERNEL):
                    at = (2 * row + ky) * SIDE1 + 2 * column
                    for kx in range(KERNEL):
                        of = (c * KERNEL + ky) * KERNEL + kx
                        add_row(r1, (at + kx) * MAPS1, down, of * MAPS1, MAPS1)
                add_row(r3, 0, out, (place * MAPS2 + c) * CLASSES, CLASSES)
        for k in range(CLASSES):
            if f3[k]:
                for i in range(SIZE2):
                    r2[i] += back[k, i]
        decode(s1, lam, r1, drives[0], np.float32(0), -1)
        decode(s2, lam, r2, drives[1], np.float32(0), -1)
        decode(s3, lam, r3, drives[2], nudge, label)


@njit
def look(image, kernel, bias, drive):  # type: ignore[no-untyped-def]
    """What the image gives to conv1, with its bias."""
    for place in range(SIDE1 * SIDE1):
        row, column = divmod(place, SIDE1)
        for c in range(MAPS1):
            drive[place * MAPS1 + c] = bias[c]
        for ky in range(KERNEL):
            for kx in range(KERNEL):
                pixel = image[2 * row + ky, 2 * column + kx]
                if pixel != 0:
                    for c in range(MAPS1):
                        drive[place * MAPS1 + c] += pixel * kernel[ky, kx, c]


@njit
def learn(sign, image, u1, u2, u3, gradients):  # type: ignore[no-untyped-def]
    """Add the products of a nudged phase; kernels with their averages, (row, column, ...)."""
    g1, g2, g3 = gradients
    for row in range(SIDE1):
        for column in range(SIDE1):
            at = (row * SIDE1 + column) * MAPS1
            for ky in range(KERNEL):
                for kx in range(KERNEL):
                    pixel = sign * image[2 * row + ky, 2 * column + kx]
                    if pixel != 0:
                        for c in range(MAPS1):
                            g1[ky, kx, c] += pixel * u1[at + c]
    for row in range(SIDE2):
        for column in range(SIDE2):
            here = (row * SIDE2 + column) * MAPS2
            for ky in range(KERNEL):
                for kx in range(KERNEL):
                    at = ((2 * row + ky) * SIDE1 + 2 * column + kx) * MAPS1
                    for c in range(MAPS1):
                        u = sign * u1[at + c]
                        if u != 0:
                            for k in range(MAPS2):
                                g2[ky, kx, c, k] += u * u2[here + k]
    for i in range(SIZE2):
        u = sign * u2[i]
        if u != 0:
            for k in range(CLASSES):
                g3[i, k] += u * u3[k]


@njit
def layer_states():  # type: ignore[no-untyped-def]
    return (
        np.zeros((4, SIZE1), np.float32),
        np.zeros((4, SIZE2), np.float32),
        np.zeros((4, CLASSES), np.float32),
    )


@njit
def vectors(dtype):  # type: ignore[no-untyped-def]
    return np.zeros(SIZE1, dtype), np.zeros(SIZE2, dtype), np.zeros(CLASSES, dtype)


@njit(parallel=True)
def train(images, labels, kernel, biases, weights, gradients):  # type: ignore[no-untyped-def]
    """Run trials on all cores; `gradients` have a first axis of cores."""
    shards = gradients[0].shape[0]
    for shard in prange(shards):
        states, free, drives = layer_states(), layer_states(), vectors(np.float32)
        means = vectors(np.float32)
        work = (
            vectors(np.uint8),
            vectors(np.float32),
            (np.zeros(SIZE1 + 1, np.int32), np.zeros(MAPS1, np.int32)),
            (np.zeros(SIZE2 + 1, np.int32), np.zeros(MAPS2, np.int32)),
        )
        mine = (gradients[0][shard], gradients[1][shard], gradients[2][shard])
        for i in range(SIZE2):
            drives[1][i] = biases[1][i % MAPS2]
        drives[2][:] = biases[2]
        for trial in range(shard, len(images), shards):
            look(images[trial], kernel, biases[0], drives[0])
            for state in states:
                state[:] = 0
            advance(0, FREE, np.float32(0), labels[trial], drives, weights, states, work)
            for layer in range(3):
                free[layer][:] = states[layer]
            for sign in (ONE, -ONE):
                for layer in range(3):
                    states[layer][:] = free[layer]
                    means[layer][:] = 0
                nudge, label = sign * BETA, labels[trial]
                alone = NUDGED - AVERAGED
                advance(FREE, alone, nudge, label, drives, weights, states, work)
                for step in range(FREE + alone, FREE + NUDGED):
                    advance(step, 1, nudge, label, drives, weights, states, work)
                    for layer in range(3):
                        means[layer][:] += states[layer][U] / np.float32(AVERAGED)
                learn(sign, images[trial], *means, mine)


class ByHand:
    """The hand-written kernels with evsim's weights in their order."""

    def __init__(self, parameters):  # type: ignore[no-untyped-def]
        self.kernel = np.ascontiguousarray(folded(parameters["k1"])[:, 0].transpose(1, 2, 0))
        k2 = folded(parameters["k2"])  # (to, from, row, column)
        out = parameters["out"].reshape(MAPS2, SIDE2, SIDE2, CLASSES).transpose(1, 2, 0, 3)
        self.weights = (
            np.ascontiguousarray(k2.transpose(0, 2, 3, 1)).reshape(-1),
            np.ascontiguousarray(k2.transpose(1, 2, 3, 0)).reshape(-1),
            np.ascontiguousarray(out).reshape(-1),
            np.ascontiguousarray(out.reshape(SIZE2, CLASSES).T),
        )
        names = ("conv1", "conv2", "digit")
        self.biases = tuple(np.ascontiguousarray(parameters[f"{name}.bias"]) for name in names)

    def batch(self, images, labels):  # type: ignore[no-untyped-def]
        """Return the gradients of k1, k2 and out in evsim's order, summed over trials."""
        shapes = [(KERNEL, KERNEL, MAPS1), (KERNEL, KERNEL, MAPS1, MAPS2), (SIZE2, CLASSES)]
        sums = tuple(np.zeros((cores(), *shape), np.float32) for shape in shapes)
        train(images, labels, self.kernel, self.biases, self.weights, sums)
        g1, g2, g3 = (total.sum(0) / (2 * BETA) for total in sums)
        g3 = g3.reshape(SIDE2, SIDE2, MAPS2, CLASSES).transpose(2, 0, 1, 3)
        return {
            "k1": unfolded(g1.transpose(2, 0, 1)[:, None]),
            "k2": unfolded(g2.transpose(3, 2, 0, 1)),
            "out": g3.reshape(SIZE2, CLASSES),
        }


def folded(kernel):  # type: ignore[no-untyped-def]
    """Return (..., 5, 5) followed by the average over 2x2 as (..., 6, 6)."""
    found = np.zeros((*kernel.shape[:-2], KERNEL, KERNEL), np.float32)
    for a in (0, 1):
        for b in (0, 1):
            found[..., a : a + KERNEL - 1, b : b + KERNEL - 1] += kernel / 4
    return found


def unfolded(gradient):  # type: ignore[no-untyped-def]
    """Return the gradient of a kernel (..., 5, 5) from that of its folded form."""
    rows = gradient[..., :-1, :] + gradient[..., 1:, :]
    return (rows[..., :-1] + rows[..., 1:]) / 4


class Unrecorded:
    """A recording that keeps nothing."""

    def encode(self, phases):  # type: ignore[no-untyped-def]
        """Return nothing to be written."""


class ByEvsim:
    """Batches of training trials as the orchestrator runs them, without updates."""

    def __init__(self, network, samples):  # type: ignore[no-untyped-def]
        self.program = program = load("fused").compile(samples.plan)
        program.load(samples.plan.parameters)
        threads = cores()
        self.run = Run(
            network, program, samples, Unrecorded(), Path(), Reporter(), threading.Event(), threads
        )
        for _ in range(threads):
            self.run.idle.put(program.simulation())
        self.pool = ThreadPoolExecutor(threads)
        self.order = np.arange(samples.size("train"))
        self.stage = Pass("train", tuple(samples.plan.phases), True, BATCH)

    def batch(self, first):  # type: ignore[no-untyped-def]
        """Return the gradients of the trials from `first` on, summed over them."""
        trials = range(first, first + BATCH)
        return self.run._batch(self.pool, self.stage, self.order, trials)[1]


def compare(theirs, ours):  # type: ignore[no-untyped-def]
    """Print how well two sets of gradients agree: sums are in another order."""
    for name, gradient in theirs.items():
        one, other = gradient.ravel(), ours[name].ravel()
        cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
        print(f"gradient of {name}: cosine {cosine:.5f}")


def main() -> None:
    """Compare gradients of the first weights, then times with the weights that are given."""
    network = evsim.load(FILE)
    plan = build(network)
    samples: Samples = open_samples(network, plan, Path(sys.argv[1]), FILE.parent)
    trials = [samples.inputs("train", i) for i in range(BATCH * ROUNDS)]
    images = np.stack([trial["image", "u"].reshape(28, 28) for trial in trials])
    labels = np.array([samples.label("train", i) for i in range(len(trials))])
    ours = ByEvsim(network, samples)
    first = ByHand(plan.parameters).batch(images[:BATCH], labels[:BATCH])
    compare(first, ours.program.gradients(ours.batch(0)))
    weights = dict(np.load(sys.argv[2])) if len(sys.argv) > 2 else plan.parameters
    ours.program.load(weights)
    hand = ByHand(weights)
    times: dict[str, list[float]] = {"by hand": [], "evsim": []}
    for number in range(ROUNDS):
        part = slice(number * BATCH, (number + 1) * BATCH)
        begun = time.perf_counter()
        hand.batch(images[part], labels[part])
        between = time.perf_counter()
        ours.batch(number * BATCH)
        times["by hand"].append(between - begun)
        times["evsim"].append(time.perf_counter() - between)
    ours.pool.shutdown()
    for name, seconds in times.items():
        best, median = min(seconds), np.median(seconds)
        print(f"{name:8} {1e3 * median / BATCH:.3f} ms a trial, fastest {1e3 * best / BATCH:.3f}")
    ratio = np.median(times["by hand"]) / np.median(times["evsim"])
    print(f"evsim is {ratio:.2f} times as fast (medians)")


if __name__ == "__main__":
    main()
