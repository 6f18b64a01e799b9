"""Data sets: one a file, each file named as users write it under `data: {name: ...}`."""

from evsim.datasets._open import Entry, get, listing, open_dataset
from evsim.datasets.base import Dataset, SplitData

__all__ = ["Dataset", "Entry", "SplitData", "get", "listing", "open_dataset"]
