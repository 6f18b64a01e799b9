"""Dense and convolutional projections as PyTorch code, forwards and through their exact adjoint."""

from __future__ import annotations

import torch
import torch.nn.functional as nn

from evsim.projections.base import Geometry
from evsim.projections.conv import Conv, Convolution
from evsim.projections.dense import Dense


def applies(geometry: Geometry) -> str | None:
    """Return which kind has no dense code, or None."""
    return None if isinstance(geometry, Convolution | Dense) else f"`{geometry.kind}`"


class Layer:
    """One projection.

    With pooling by maximum it keeps which places won when values were last sent forwards; the way
    back and learning go through these.

    Parameters
    ----------
    folded : whether average pooling is folded into the kernel.
    """

    def __init__(self, geometry: Geometry, folded: bool):
        self.geometry = geometry
        self.folded = folded and isinstance(geometry, Conv)
        self.stride = geometry.stride if isinstance(geometry, Convolution) else (1, 1)
        if self.folded and isinstance(geometry, Conv):
            self.stride = geometry.folded_stride
        self.winners: torch.Tensor | None = None

    def kernel(self, weights: torch.Tensor) -> torch.Tensor:
        """Return what `forward` and `backward` take for weights as users see them."""
        geometry = self.geometry
        if not self.folded or not isinstance(geometry, Conv):
            return weights
        (sh, sw), (ph, pw) = geometry.stride, geometry.pool
        moved = [
            nn.pad(weights, (x * sw, (pw - 1 - x) * sw, y * sh, (ph - 1 - y) * sh))
            for y in range(ph)
            for x in range(pw)
        ]
        return torch.stack(moved).mean(0)

    def forward(self, sent: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
        """Return weighted sums, (trial, *target), of what sources send, (trial, *source)."""
        geometry = self.geometry
        if not isinstance(geometry, Convolution):
            return (sent.flatten(1) @ kernel).reshape(-1, *geometry.target_shape)
        found = nn.conv2d(sent, kernel, stride=self.stride, padding=geometry.padding)
        if self.folded or geometry.pool == (1, 1):
            return found
        if isinstance(geometry, Conv):
            return nn.avg_pool2d(found, geometry.pool)
        found, self.winners = nn.max_pool2d(found, geometry.pool, return_indices=True)
        return found

    def backward(self, sent: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
        """Return weighted sums, (trial, *source), of what targets send, (trial, *target)."""
        geometry = self.geometry
        if not isinstance(geometry, Convolution):
            return (sent.flatten(1) @ kernel.T).reshape(-1, *geometry.source_shape)
        if not self.folded and geometry.pool != (1, 1):
            sent = self._spread(geometry, sent)
        return _adjoint(sent, kernel, geometry, self.stride)

    def _spread(self, geometry: Convolution, sent: torch.Tensor) -> torch.Tensor:
        """Return the adjoint of pooling."""
        if isinstance(geometry, Conv):
            window = geometry.pool[0] * geometry.pool[1]
            return nn.interpolate(sent, scale_factor=geometry.pool, mode="nearest") / window
        assert self.winners is not None, "values are sent forwards first"
        flat = sent.new_zeros(*sent.shape[:2], _places(geometry))
        flat = flat.scatter(2, self.winners.flatten(2), sent.flatten(2))
        return flat.reshape(*sent.shape[:2], *_sides(geometry))

    def correlate(self, pre: torch.Tensor, post: torch.Tensor) -> torch.Tensor:
        """Return, for every weight, the sum of pre*post over trials and its synapses.

        Each synapse counts with its coefficient, so that this is the derivative of
        sum(forward(pre)*post) by the weights.
        """
        geometry = self.geometry
        weights = pre.new_zeros(geometry.weight_shape, requires_grad=True)
        with torch.enable_grad():
            if isinstance(geometry, Convolution) and not isinstance(geometry, Conv):
                found = nn.conv2d(pre, weights, stride=self.stride, padding=geometry.padding)
                product = found * self._spread(geometry, post)
            else:
                product = self.forward(pre, self.kernel(weights)) * post
            (found,) = torch.autograd.grad(product.sum(), weights)
        return found


def _sides(geometry: Convolution) -> tuple[int, int]:
    """Return rows and columns of places before pooling."""
    return (_side(geometry, 0), _side(geometry, 1))


def _side(geometry: Convolution, axis: int) -> int:
    span = geometry.source_shape[1 + axis] + 2 * geometry.padding[axis] - geometry.kernel[axis]
    return span // geometry.stride[axis] + 1


def _places(geometry: Convolution) -> int:
    rows, columns = _sides(geometry)
    return rows * columns


def _adjoint(
    sent: torch.Tensor, kernel: torch.Tensor, geometry: Convolution, stride: tuple[int, int]
) -> torch.Tensor:
    """Return the transposed convolution, padded to the source's shape."""
    spare = [
        geometry.source_shape[1 + axis]
        - (sent.shape[2 + axis] - 1) * stride[axis]
        + 2 * geometry.padding[axis]
        - kernel.shape[2 + axis]
        for axis in (0, 1)
    ]
    found = nn.conv_transpose2d(sent, kernel, stride=stride, padding=geometry.padding)
    return nn.pad(found, (0, spare[1], 0, spare[0])) if any(spare) else found
