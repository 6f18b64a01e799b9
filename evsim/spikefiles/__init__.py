"""Files of spikes, evsim's own and other tools'; one format a file, named as users write it."""

from evsim.spikefiles._read import guess, read
from evsim.spikefiles.base import SpikeFile, SpikeFileError, Spikes, TrialSpikes

__all__ = ["SpikeFile", "SpikeFileError", "Spikes", "TrialSpikes", "guess", "read"]
