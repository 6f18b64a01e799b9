"""How directions and curves are compared."""

import numpy as np
import pytest

from evsim.analysis.gradients import Agreement, Curves


def test_agreement_is_that_of_directions_and_lengths() -> None:
    way = np.array([[3.0, 0.0], [0.0, 4.0]])
    assert Agreement.of(2 * way, way) == Agreement(1, 2)
    assert Agreement.of(-way, way) == Agreement(-1, 1)
    assert Agreement.of(way[::-1], way).cosine == 0


def test_nothing_agrees_with_a_direction_of_no_length() -> None:
    found = Agreement.of(np.zeros(3), np.ones(3))
    assert np.isnan(found.cosine) and np.isnan(found.ratio)


def test_distance_is_relative_to_the_longer_curve() -> None:
    gradient = np.ones((5, 2))
    curves = Curves(gradient, 3 * gradient, None)
    assert curves.distance(curves.real) == pytest.approx(2 / 3)
    assert curves.distance(gradient) == 0
    assert curves.distance(-gradient) == pytest.approx(2)
