"""How much is believed of what one direction brings to neighbouring pixels."""

from __future__ import annotations

import numpy as np
import pytest

from gpu_worker.fill.candidates import evened
from gpu_worker.fill.windows import Occlusion

MASK = np.zeros((40, 60), dtype=bool)
MASK[12:28, 16:44] = True


@pytest.fixture
def points():
    return Occlusion(MASK).points[0]


def test_neighbours_share_how_much_they_are_believed(points):
    chance = np.random.default_rng(1)
    weights = chance.uniform(0.5, 1.5, points.flat.shape).astype(np.float32)
    even = evened(weights, points)
    assert even[points.covered].std() < 0.3 * weights[points.covered].std()
    assert np.array_equal(even[~points.covered], weights[~points.covered])


def test_nothing_is_believed_where_nothing_was_brought_and_little_where_it_is_doubtful(points):
    weights = np.ones(points.flat.shape, np.float32)
    first, second = np.flatnonzero(points.covered)[[200, 210]]
    weights[first], weights[second] = 0, 0.01
    even = evened(weights, points)
    assert even[first] == 0
    assert even[second] == pytest.approx(0.03)
