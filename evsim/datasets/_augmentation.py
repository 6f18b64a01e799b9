"""Changes of images that leave their class as it is: shifts and mirroring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evsim.datasets.base import Change
from evsim.errors import DataError
from evsim.streams import generator

if TYPE_CHECKING:
    from evsim.spec.schema import Data


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


def augmented(data: Data, seed: int, split: str, sample: int, epoch: int) -> Change:
    """Return how `data.augment` changes the fields of a sample in an epoch.

    Parameters
    ----------
    seed : of the network.

    Raises
    ------
    DataError : from the returned function, for a field that holds no images.
    """

    def change(field: str, image: NDArray[Any]) -> NDArray[Any]:
        if field not in data.augment:
            return image
        if image.ndim < 2:
            raise DataError(f"Field '{field}' holds no images, which have rows and columns.")
        how = Augmentation(data.augment[field].shift, data.augment[field].flip == "horizontal")
        return how.apply(image, generator(seed, "augment", field, split, epoch, sample))

    return change


def _overlap(shift: int, size: int) -> slice:
    """Return the places that a shift by so many fills."""
    return slice(min(max(shift, 0), size), max(size + min(shift, 0), 0))
