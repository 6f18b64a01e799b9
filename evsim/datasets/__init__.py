"""Data sets: one a file, each file named as users write it under `data: {name: ...}`."""

from evsim.datasets._augmentation import Augmentation, augmented
from evsim.datasets._fields import FieldText, read_field
from evsim.datasets._open import Entry, divide, get, is_here, listing, load, open_dataset
from evsim.datasets.base import Change, Dataset, SplitData, unchanged

__all__ = [
    "Augmentation",
    "Change",
    "Dataset",
    "Entry",
    "FieldText",
    "SplitData",
    "augmented",
    "divide",
    "get",
    "is_here",
    "listing",
    "load",
    "open_dataset",
    "read_field",
    "unchanged",
]
