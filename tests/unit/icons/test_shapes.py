"""Planes carried on into what a mask covers, near and far."""

import numpy as np
import pytest

from gpu_worker.icons.shapes import filled_in


@pytest.mark.parametrize("shape", [(80, 120), (81, 121), (9, 200)])
def test_a_slope_goes_on_under_a_mask(shape):
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    plane = 100 + rows / 4 + columns / 8
    mask = np.zeros(shape, dtype=bool)
    mask[shape[0] // 4 : shape[0] // 2, shape[1] // 4 : shape[1] // 2] = True
    filled = filled_in(plane, mask)
    assert np.array_equal(filled[~mask], plane[~mask])
    assert np.abs(filled - plane).max() < 6


def test_what_is_far_inside_is_reached():
    plane = np.full((200, 300), 50, np.float32)
    mask = np.zeros(plane.shape, dtype=bool)
    mask[20:-20, 20:-20] = True
    plane[mask] = 999
    assert filled_in(plane, mask) == pytest.approx(50, abs=0.01)


def test_nothing_to_go_by_leaves_a_plane_as_it_is():
    plane = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert np.array_equal(filled_in(plane, np.ones((3, 4), dtype=bool)), plane)
