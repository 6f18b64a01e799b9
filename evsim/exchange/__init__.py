"""Recordings in the formats of other tools, and theirs as recordings."""

from evsim.exchange.exporting import Exported, export
from evsim.exchange.importing import Imported, import_spikes

__all__ = ["Exported", "Imported", "export", "import_spikes"]
