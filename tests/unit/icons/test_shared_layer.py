"""What is laid over pictures alike, told from few of them that are full of edges."""

import numpy as np
import pytest

from gpu_worker.icons.shapes import filled_in, grown
from gpu_worker.icons.shared_layer import distinct_weights, layer_over

OPACITY = 0.4


def rooms(count, size=(60, 81)):
    """Return pictures (n, 3, h, w) of walls in two shades: each has its corner somewhere else, all near the middle."""
    planes = np.empty((count, 3, *size), np.float32)
    for number in range(count):
        corner = 30 + 5 * number
        planes[number, :, :, :corner] = np.array((60 + 20 * number, 120, 130)).reshape(3, 1, 1)
        planes[number, :, :, corner:] = np.array((180 - 10 * number, 140, 110)).reshape(3, 1, 1)
    return planes


def plate(size=(60, 81)):
    """Return opacities and colours (3, h, w) of a plate with a gradient in it."""
    opacities, colours = np.zeros((3, *size), np.float32), np.zeros((3, *size), np.float32)
    opacities[:, 20:40, 20:64] = OPACITY
    colours[:, 20:40, 20:64] = np.linspace(20, 90, 44, dtype=np.float32)
    # Samples of chroma are of four pixels.
    colours[1:, :, 1::2] = colours[1:, :, :-1:2]
    return opacities, colours


def test_the_layer_is_told_to_the_pixel_though_the_mean_is_uneven():
    clean = rooms(5)
    opacities, colours = plate()
    seen = clean * (1 - opacities) + opacities * colours
    added = layer_over(seen, opacities, opacities[0] > 0, np.ones(5, np.float32))
    mean = seen.mean(axis=0)
    by_mean = mean - (1 - OPACITY) * np.stack([filled_in(plane, grown(opacities[0] > 0, 1)) for plane in mean])
    inside = opacities[0] > 0
    error = np.abs(added - opacities * colours)[:, inside]
    assert error.mean(axis=1).max() < 2
    assert error[0].mean() < 0.2 * np.abs(by_mean - opacities * colours)[0, inside].mean()
    assert not added[:, ~grown(inside, 1)].any()


def test_a_picture_that_was_taken_often_does_not_outvote_the_others():
    clean = np.concatenate([rooms(4), rooms(1).repeat(20, axis=0)])
    opacities, colours = plate()
    seen = clean * (1 - opacities) + opacities * colours
    weights = distinct_weights(seen[:, 0], grown(opacities[0] > 0, 2))
    assert weights[1:4] == pytest.approx([1, 1, 1], abs=0.1)
    assert weights[4:].sum() == pytest.approx(1, abs=0.1)
    inside = opacities[0] > 0
    even, weighted = (
        np.abs(layer_over(seen, opacities, inside, each) - opacities * colours)[0, inside].mean()
        for each in (np.ones_like(weights), weights)
    )
    assert weighted < 0.5 * even


def test_of_nothing_there_is_no_layer():
    clean = rooms(3)
    nothing = np.zeros_like(clean[0])
    assert not layer_over(clean, nothing, nothing[0] > 0, np.ones(3, np.float32)).any()
    everywhere = np.ones(clean.shape[2:], dtype=bool)
    assert distinct_weights(clean[:, 0], everywhere).tolist() == [1, 1, 1]
