"""Functions that Brian2's code calls and evsim defines: Poisson and binomial numbers."""

from __future__ import annotations

from numba import vectorize

from evsim.build.brian2_compat import COUNTS
from evsim.engines.counts import binomial, poisson


def define() -> None:
    """Tell Brian2 how its code computes the functions: the compiled ones of all engines."""
    for name, function in (("_poisson_at", poisson), ("_binomial_at", binomial)):
        element_by_element = vectorize(function.py_func)  # type: ignore[no-untyped-call]
        for target in ("numpy", "cython"):
            COUNTS[name].implementations.add_implementation(target, element_by_element)
