"""Neuron models, one a file; the file's name is the name that network files use."""
