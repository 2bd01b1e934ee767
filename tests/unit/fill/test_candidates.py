"""How much is believed of what several directions bring to the same pixels."""

from __future__ import annotations

import numpy as np
import pytest

from gpu_worker.fill.candidates import Samples, agreeing
from gpu_worker.fill.windows import Occlusion

MASK = np.zeros((40, 60), dtype=bool)
MASK[12:28, 16:44] = True


@pytest.fixture
def points():
    return Occlusion(MASK).points[0]


def directions(points, count, noise=1.0):
    """Directions that bring the same, but for noise of the variance that their weights have."""
    chance = np.random.default_rng(1)
    shape = points.flat.shape
    weights = np.full(shape, 1 / noise**2, np.float32)
    return [Samples((100 + chance.normal(0, noise, shape)).astype(np.float32), weights) for _ in range(count)]


def test_noise_that_the_weights_know_of_changes_little(points):
    given = directions(points, 4)
    for before, after in zip(given, agreeing(given, points, 1), strict=True):
        assert (after.weights / before.weights).min() > 0.25


@pytest.mark.parametrize("levels_per_step", [1, 4])
def test_what_the_others_contradict_is_hardly_believed(points, levels_per_step):
    given = [Samples(each.values * levels_per_step, each.weights) for each in directions(points, 4)]
    left = points.flat % points.mask.shape[1] < points.mask.shape[1] // 2
    given[2].values[left] += 30 * levels_per_step
    after = agreeing(given, points, levels_per_step)
    assert np.median(after[2].weights[left] / given[2].weights[left]) < 0.02
    assert np.median(after[0].weights[left] / given[0].weights[left]) > 0.1
    mean = sum(each.values * each.weights for each in after) / sum(each.weights for each in after)
    assert np.abs(mean[left] / levels_per_step - 100).mean() < 2


def test_two_do_not_tell_which_is_wrong(points):
    given = directions(points, 2)
    given[1].values[:] += 30
    assert agreeing(given, points, 1) is given


def test_what_brings_nothing_is_no_witness(points):
    given = directions(points, 3)
    given[1].weights[:] = 0
    assert agreeing(given, points, 1) is given
