"""Trials, phases, epochs, learning and checkpoints."""
