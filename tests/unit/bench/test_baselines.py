"""The methods to beat do what their descriptions say."""

from fractions import Fraction

import numpy as np
import pytest

from bench.baselines import from_edges, smoothly, telea
from domain.detection import Box
from gpu_worker.video.frame import Frame

WIDTH, HEIGHT = 48, 32


def frame_of(luma):
    chroma = np.full((HEIGHT // 2, WIDTH // 2), 100, np.uint8)
    return Frame(0, 0, Fraction(1, 25), luma.astype(np.uint8), chroma, chroma.copy())


def ramp():
    return np.tile(np.arange(WIDTH) * 4, (HEIGHT, 1))


BOX = Box(x0=10, y0=8, x1=30, y1=20)


def covered(luma):
    spoiled = luma.copy()
    spoiled[BOX.y0 : BOX.y1, BOX.x0 : BOX.x1] = 255
    return frame_of(spoiled)


def test_edges_bring_back_what_is_flat_and_come_close_on_a_ramp():
    (done,) = from_edges([covered(np.full((HEIGHT, WIDTH), 77))], [[BOX]])
    assert (done.y == 77).all()
    assert (done.u == 100).all()
    (done,) = from_edges([covered(ramp())], [[BOX]])
    assert np.abs(done.y.astype(int) - ramp()).max() < 20
    outside = np.ones((HEIGHT, WIDTH), dtype=bool)
    outside[BOX.y0 : BOX.y1, BOX.x0 : BOX.x1] = False
    assert (done.y[outside] == ramp()[outside]).all()


@pytest.mark.parametrize("box", [(0, 0, 20, 10), (30, 20, 48, 32), (0, 8, 48, 20)])
def test_a_side_that_is_the_pictures_own_does_not_count(box):
    x0, y0, x1, y1 = box
    luma = np.full((HEIGHT, WIDTH), 77)
    luma[y0:y1, x0:x1] = 255
    (done,) = from_edges([frame_of(luma)], [[Box(x0=x0, y0=y0, x1=x1, y1=y1)]])
    assert (done.y == 77).all()


def test_a_smooth_fill_goes_on_with_a_ramp_and_leaves_the_rest():
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[BOX.y0 : BOX.y1, BOX.x0 : BOX.x1] = True
    (done,) = smoothly([covered(ramp())], [mask])
    assert np.abs(done.y.astype(int) - ramp())[mask].max() < 10
    assert (done.y[~mask] == ramp()[~mask]).all()
    assert (done.u == 100).all()


def test_the_source_is_not_written_to():
    source = covered(ramp())
    before = source.y.copy()
    from_edges([source], [[BOX]])
    telea([source], [source.y == 255])
    assert (source.y == before).all()


def test_telea_fills_the_mask_in_all_planes_and_nothing_else():
    source = covered(np.full((HEIGHT, WIDTH), 77))
    source.u[4:10, 5:15] = 200
    mask = source.y == 255
    (done,) = telea([source], [mask])
    assert (done.y[~mask] == 77).all()
    # OpenCV rounds down.
    assert np.abs(done.y[mask].astype(int) - 77).max() <= 2
    assert np.abs(done.u.astype(int) - 100).max() <= 2
