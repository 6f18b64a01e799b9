"""Array types with the names of their axes, in the order of memory."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Neurons: TypeAlias = NDArray[np.floating[Any]]
"""(neuron,), in C order of the population's declared shape."""

Steps: TypeAlias = NDArray[np.floating[Any]]
"""(step,)"""

States: TypeAlias = NDArray[np.floating[Any]]
"""(step or sample, neuron)"""

Weights: TypeAlias = NDArray[np.floating[Any]]
"""In the shape that the projection's kind declares."""

Indices: TypeAlias = NDArray[np.integer[Any]]
"""Numbers of neurons, steps or synapses."""
