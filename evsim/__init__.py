"""Spiking networks written as Brian2 equations, trained and recorded at the speed of kernels."""

__version__ = "0.1.0"
