"""Convolution (cross-correlation, as in deep learning) with stride, padding and pooling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.projections.base import Geometry, GeometryError, Synapses, Windows

OPTIONS: frozenset[str] = frozenset({"kernel", "stride", "padding", "pool"})


@dataclass(frozen=True)
class Convolution(Geometry):
    """Weights (target channel, source channel, row, column), shared over places.

    Attributes
    ----------
    kernel, stride, padding, pool : (rows, columns).
    """

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    pool: tuple[int, int] = (1, 1)

    @classmethod
    def infer(
        cls, source: tuple[int, ...], target: tuple[int, ...], options: Mapping[str, Any]
    ) -> Geometry:
        if len(source) != 3 or len(target) != 3:
            raise GeometryError(
                f"conv needs shapes [channels, rows, columns], not {list(source)} and "
                f"{list(target)}"
            )
        if options.get("kernel") is None:
            raise GeometryError("conv needs `kernel`", "kernel")
        kernel = options["kernel"]
        stride = options.get("stride") or (1, 1)
        padding = options.get("padding") or (0, 0)
        pool = options.get("pool") or (1, 1)
        sides = []
        for axis in (0, 1):
            if not 0 <= padding[axis] < kernel[axis]:
                raise GeometryError(
                    f"padding {padding[axis]} must be between 0 and {kernel[axis] - 1} for a "
                    f"kernel of {kernel[axis]}",
                    "padding",
                )
            span = source[1 + axis] + 2 * padding[axis] - kernel[axis]
            side = span // stride[axis] + 1 if span >= 0 else 0
            if side < pool[axis]:
                raise GeometryError(
                    f"a kernel of {kernel[axis]} with pooling {pool[axis]} does not fit into "
                    f"{source[1 + axis]} places",
                    "kernel",
                )
            sides.append(side // pool[axis])
        expected = (target[0], sides[0], sides[1])
        if expected != target:
            raise GeometryError(
                f"leads from {list(source)} to {list(expected)}, but the target has shape "
                f"{list(target)}",
                "to",
            )
        kind = MaxConv if options.get("maximum") else Conv
        return kind(source, target, tuple(kernel), tuple(stride), tuple(padding), tuple(pool))

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return (self.target_shape[0], self.source_shape[0], *self.kernel)

    @property
    def fan_in(self) -> int:
        return self.source_shape[0] * self.kernel[0] * self.kernel[1]


class Conv(Convolution):
    """Convolution with average pooling.

    Average pooling over windows of `pool` divides each weight by the window's size, forwards and,
    where the projection is symmetric, backwards: the pair is exactly adjoint. A convolution
    followed by average pooling equals one convolution with the larger `folded_kernel` and
    `folded_stride`.
    """

    @property
    def folded_stride(self) -> tuple[int, int]:
        """Stride of the equivalent convolution without pooling."""
        return (self.stride[0] * self.pool[0], self.stride[1] * self.pool[1])

    @property
    def folded_kernel(self) -> tuple[int, int]:
        """Kernel of the equivalent convolution without pooling."""
        return (
            self.kernel[0] + (self.pool[0] - 1) * self.stride[0],
            self.kernel[1] + (self.pool[1] - 1) * self.stride[1],
        )

    @property
    def synapse_count(self) -> int:
        rows, columns = (len(pairs) for pairs in self._pairs())
        return int(rows * columns * self.source_shape[0] * self.target_shape[0])

    def reach(self, backward: bool) -> NDArray[np.int64]:
        shapes = (self.target_shape, self.source_shape)
        from_, to = shapes if backward else shapes[::-1]
        rows, columns = (
            np.bincount(pairs[:, int(backward)], minlength=side)
            for pairs, side in zip(self._pairs(), from_[1:], strict=True)
        )
        return np.tile(np.outer(rows, columns).ravel() * to[0], from_[0])

    def _pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Along each axis, (pair, 3): source place, target place, folded kernel place."""
        found = []
        for axis in (0, 1):
            side, step = self.target_shape[1 + axis], self.folded_stride[axis]
            windows = np.arange(self.pool[axis]) * self.stride[axis]
            offsets = np.unique(np.add.outer(windows, np.arange(self.kernel[axis])))
            target, offset = np.meshgrid(np.arange(side), offsets, indexing="ij")
            source = target * step + offset - self.padding[axis]
            inside = (source >= 0) & (source < self.source_shape[1 + axis])
            found.append(np.stack([source[inside], target[inside], offset[inside]], axis=1))
        return found[0], found[1]

    def fold(self, weights: NDArray[Any]) -> NDArray[Any]:
        """Return (target, source, *folded_kernel): the kernel with pooling folded in."""
        (sh, sw), (ph, pw) = self.stride, self.pool
        (kh, kw), (rows, columns) = self.kernel, self.folded_kernel
        # Places first, so that what is added are long contiguous runs of channels.
        share = np.ascontiguousarray(weights.transpose(2, 3, 1, 0)) / weights.dtype.type(ph * pw)
        folded = np.zeros((rows, columns, *share.shape[2:]), weights.dtype)
        for y in range(ph):
            for x in range(pw):
                folded[y * sh : y * sh + kh, x * sw : x * sw + kw] += share
        return folded.transpose(3, 2, 0, 1)

    def unfold(self, gradient: NDArray[Any]) -> NDArray[Any]:
        """Return the adjoint of `fold`: from gradients of the folded kernel to the weights'."""
        (kh, kw), (sh, sw), (ph, pw) = self.kernel, self.stride, self.pool
        folded = np.ascontiguousarray(gradient.transpose(2, 3, 1, 0))
        total = np.zeros((kh, kw, *folded.shape[2:]), gradient.dtype)
        for y in range(ph):
            for x in range(pw):
                total += folded[y * sh : y * sh + kh, x * sw : x * sw + kw]
        return np.ascontiguousarray((total / gradient.dtype.type(ph * pw)).transpose(3, 2, 0, 1))

    def synapses(self) -> Synapses:
        channels, height, width = self.source_shape
        features, rows, columns = self.target_shape
        lists = []
        window = float(self.pool[0] * self.pool[1])
        for axis in (0, 1):
            side = self.target_shape[1 + axis]
            target, inner, offset = np.meshgrid(
                np.arange(side),
                np.arange(self.pool[axis]),
                np.arange(self.kernel[axis]),
                indexing="ij",
            )
            place = (target * self.pool[axis] + inner) * self.stride[axis] + offset
            source = place - self.padding[axis]
            inside = (source >= 0) & (source < self.source_shape[1 + axis])
            lists.append((source[inside], target[inside], offset[inside]))
        (sy, ty, ky), (sx, tx, kx) = lists
        sy, ty, ky = (a[:, None, None, None] for a in (sy, ty, ky))
        sx, tx, kx = (a[None, :, None, None] for a in (sx, tx, kx))
        c, f = np.arange(channels)[None, None, :, None], np.arange(features)[None, None, None, :]
        pre = (c * height + sy) * width + sx
        post = (f * rows + ty) * columns + tx
        weight = ((f * channels + c) * self.kernel[0] + ky) * self.kernel[1] + kx
        pre, post, weight = (a.ravel() for a in np.broadcast_arrays(pre, post, weight))
        order = np.lexsort((weight, post, pre))
        return Synapses(pre[order], post[order], weight[order], np.full(len(pre), 1 / window))


class MaxConv(Convolution):
    """Convolution of which a window passes the largest of its places' sums on.

    The sums are those of one step. What comes back from a target, where the projection is
    symmetric, and what learns, are the synapses of the place that won in that step.
    """

    @cached_property
    def _places(self) -> Conv:
        """The convolution onto the places of all windows."""
        features, *sides = self.target_shape
        shape = (features, sides[0] * self.pool[0], sides[1] * self.pool[1])
        return Conv(self.source_shape, shape, self.kernel, self.stride, self.padding)

    @cached_property
    def _competing(self) -> tuple[Synapses, Windows]:
        found = self._places.synapses()
        (ph, pw), (_, rows, columns) = self.pool, self.target_shape
        feature, y, x = np.unravel_index(found.post, self._places.target_shape)
        post = (feature * rows + y // ph) * columns + x // pw
        place = y % ph * pw + x % pw
        order = np.lexsort((place, post, found.pre))
        synapses = Synapses(found.pre[order], post[order], found.weight[order], found.coefficient)
        return synapses, Windows(ph * pw, place[order])

    @property
    def synapse_count(self) -> int:
        return self._places.synapse_count

    @property
    def windows(self) -> Windows:
        return self._competing[1]

    def synapses(self) -> Synapses:
        return self._competing[0]


GEOMETRY = Convolution
