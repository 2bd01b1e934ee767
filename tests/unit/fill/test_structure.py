"""Lines go on behind a hole, noise does not, a narrow hole is filled smoothly; a network has to prove itself."""

from dataclasses import replace

import cv2
import numpy as np

from gpu_worker.fill.chunk import Surroundings
from gpu_worker.fill.spatial import fill_smoothly
from gpu_worker.fill.structure import continued
from gpu_worker.fill.windows import Occlusion

SHAPE = (96, 128)
HOLE = np.zeros(SHAPE, dtype=bool)
HOLE[32:64, 44:84] = True


def smoothly(picture, hole=HOLE):
    """Return the picture as a chunk leaves it where nothing is revealed."""
    filled = fill_smoothly(picture.astype(np.float32), hole)
    grey = np.full((SHAPE[0] // 2, SHAPE[1] // 2), 128, np.uint8)
    return Surroundings(np.clip(filled + 0.5, 0, 255).astype(np.uint8), grey, grey, 8, Occlusion(hole))


def error(picture, result):
    return float(np.square(picture[HOLE].astype(float) - result[HOLE]).mean())


def test_a_bar_goes_on_behind_the_hole():
    picture = np.full(SHAPE, 150, np.uint8)
    cv2.line(picture, (10, 90), (118, 6), 40, 9, cv2.LINE_AA)
    before = smoothly(picture)
    after = continued(before, HOLE).surroundings
    assert error(picture, after.y) < 0.75 * error(picture, before.y)
    assert np.array_equal(after.y[~HOLE], picture[~HOLE])


def test_stripes_go_on_behind_the_hole():
    columns = np.arange(SHAPE[1])
    picture = np.broadcast_to(120 + 60 * np.sin(columns / 3), SHAPE).astype(np.uint8)
    before = smoothly(picture)
    assert error(picture, continued(before, HOLE).surroundings.y) < error(picture, before.y) / 10


def test_noise_is_not_continued():
    picture = np.random.default_rng(2).normal(120, 25, SHAPE).clip(0, 255).astype(np.uint8)
    before = smoothly(picture)
    assert error(picture, continued(before, HOLE).surroundings.y) < 1.1 * error(picture, before.y)


def test_a_narrow_hole_stays_as_it_is():
    narrow = np.zeros(SHAPE, dtype=bool)
    narrow[40:46, 20:100] = True
    before = smoothly(np.random.default_rng(2).integers(0, 255, SHAPE), narrow)
    result = continued(before, narrow)
    assert result.surroundings is before
    assert not result.painted


def test_ten_bits_stay_ten_bits():
    picture = np.broadcast_to(480 + 240 * np.sin(np.arange(SHAPE[1]) / 3), SHAPE).astype(np.uint16)
    filled = fill_smoothly(picture.astype(np.float32), HOLE).astype(np.uint16)
    grey = np.full((SHAPE[0] // 2, SHAPE[1] // 2), 512, np.uint16)
    after = continued(Surroundings(filled, grey, grey, 10, Occlusion(HOLE)), HOLE).surroundings
    assert after.y.dtype == np.uint16
    assert error(picture, after.y) < error(picture, filled) / 10


def painter(make):
    """Return a network that makes of luma under the hole what ``make`` says."""

    def paint(filled):
        here = filled.surroundings
        y = np.where(here.occlusion.mask, make(here.y), here.y).astype(here.y.dtype)
        return replace(filled, surroundings=replace(here, y=y))

    return paint


def test_a_network_that_knows_better_is_believed():
    picture = np.random.default_rng(2).integers(60, 200, SHAPE).astype(np.uint8)
    before = smoothly(picture)
    result = continued(before, HOLE, painter(lambda _: picture))
    assert result.painted
    assert error(picture, result.surroundings.y) < error(picture, before.y) / 100
    assert np.array_equal(result.surroundings.y[~HOLE], picture[~HOLE])


def test_a_network_that_knows_nothing_is_not():
    columns = np.arange(SHAPE[1])
    picture = np.broadcast_to(120 + 60 * np.sin(columns / 3), SHAPE).astype(np.uint8)
    before = smoothly(picture)
    result = continued(before, HOLE, painter(lambda _: 255))
    assert not result.painted
    assert np.array_equal(result.surroundings.y, continued(before, HOLE).surroundings.y)


def test_a_narrow_hole_is_the_network_s_alone():
    narrow = np.zeros(SHAPE, dtype=bool)
    narrow[40:46, 20:100] = True
    picture = np.random.default_rng(2).integers(0, 255, SHAPE).astype(np.uint8)
    result = continued(smoothly(picture, narrow), narrow, painter(lambda _: picture))
    assert np.array_equal(result.surroundings.y, picture)


def test_a_very_deep_hole_is_painted_at_half_the_side_as_well():
    shape = (160, 200)
    hole = np.zeros(shape, dtype=bool)
    hole[40:120, 50:150] = True
    picture = np.broadcast_to(np.linspace(40, 220, shape[1]), shape).astype(np.uint8).copy()
    cv2.circle(picture, (100, 80), 70, 20, 12, cv2.LINE_AA)
    small = cv2.resize(picture, (100, 80), interpolation=cv2.INTER_AREA)
    seen = []

    def knows_the_small_one(luma):
        seen.append(luma.shape)
        return small if luma.shape == small.shape else luma

    filled = fill_smoothly(picture.astype(np.float32), hole).astype(np.uint8)
    grey = np.full((80, 100), 128, np.uint8)
    before = Surroundings(filled, grey, grey, 8, Occlusion(hole))
    result = continued(before, hole, painter(knows_the_small_one))
    assert {shape, small.shape} == set(seen)
    assert result.painted
    off = [np.square(picture[hole].astype(float) - plane[hole]).mean() for plane in (result.surroundings.y, filled)]
    assert off[0] < off[1] / 3
    assert np.array_equal(result.surroundings.y[~hole], picture[~hole])
