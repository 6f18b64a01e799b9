"""Comparisons of steps that the fused engine makes as comparisons of times are the same ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evsim.engines.fused.helpers import first_time, timestep


@settings(deadline=None)
@given(
    step=st.integers(-1000, 1000) | st.integers(-(10**9), 10**12),
    dt=st.sampled_from([1e-4, 5e-4, 1e-3, 2.5e-5]) | st.floats(1e-6, 1e-2),
)
def test_the_first_time_of_a_step_is_its_first(step: int, dt: float) -> None:
    found = first_time(step, dt)
    assert timestep(found, dt) >= step
    assert timestep(np.nextafter(found, -np.inf), dt) < step


@pytest.mark.parametrize("time", [np.inf, 1e30])
def test_an_endless_time_never_comes_to_an_end(time: float) -> None:
    assert first_time(timestep(time, 1e-4), 1e-4) == np.inf
    assert first_time(timestep(-time, 1e-4), 1e-4) == -np.inf
