"""Data sets: one a file, each file named as users write it under `data: {name: ...}`."""

from evsim.datasets._fields import FieldText, read_field
from evsim.datasets._open import Entry, get, listing, open_dataset
from evsim.datasets.base import Dataset, SplitData

__all__ = [
    "Dataset",
    "Entry",
    "FieldText",
    "SplitData",
    "get",
    "listing",
    "open_dataset",
    "read_field",
]
