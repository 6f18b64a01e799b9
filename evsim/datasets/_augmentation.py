"""Changes of images that leave their class as it is: shifts and mirroring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Augmentation:
    """How the images of a field are changed.

    Attributes
    ----------
    shift : largest shift in pixels, down or up and right or left, each drawn on its own.
    flip : whether half of the images are mirrored, left to right.
    """

    shift: int = 0
    flip: bool = False

    def apply(self, image: NDArray[Any], generator: np.random.Generator) -> NDArray[Any]:
        """Return an image (..., row, column) shifted and mirrored; what enters it is 0."""
        down, right = generator.integers(-self.shift, self.shift + 1, 2).tolist()
        mirrored = bool(generator.random() < 0.5)
        changed = np.zeros_like(image)
        rows, columns = image.shape[-2:]
        to, of = _overlap(down, rows), _overlap(-down, rows)
        across, back = _overlap(right, columns), _overlap(-right, columns)
        changed[..., to, across] = image[..., of, back]
        return changed[..., ::-1] if self.flip and mirrored else changed


def _overlap(shift: int, size: int) -> slice:
    """Return the places that a shift by so many fills."""
    return slice(min(max(shift, 0), size), max(size + min(shift, 0), 0))
