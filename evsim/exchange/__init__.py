"""Recordings in the formats of other tools, and spikes of theirs as recordings."""
