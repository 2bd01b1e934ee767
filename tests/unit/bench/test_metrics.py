"""The bench's measures, on pictures whose figures are known."""

import numpy as np
import pytest

from bench import metrics
from bench.metrics import Life


def flat(value, shape=(16, 16)):
    return np.full(shape, value, np.uint8)


def square(*corners, shape=(16, 16)):
    mask = np.zeros(shape, dtype=bool)
    x0, y0, x1, y1 = corners
    mask[y0:y1, x0:x1] = True
    return mask


def test_psnr_counts_masked_pixels_only_and_all_frames_together():
    mask = square(4, 4, 8, 8)
    worse = np.where(mask, 110, 0).astype(np.uint8)
    assert metrics.psnr([worse], [flat(100)], [mask]) == pytest.approx(10 * np.log10(255**2 / 100))
    both = metrics.psnr([worse, flat(100)], [flat(100)] * 2, [mask] * 2)
    assert both == pytest.approx(10 * np.log10(255**2 / 50))
    assert metrics.psnr([flat(100)], [flat(100)], [mask]) == metrics.MAX_DECIBELS
    assert metrics.psnr([worse], [flat(100)], [~mask & mask]) is None


def test_psnr_does_not_wrap_around():
    assert metrics.psnr([flat(0)], [flat(255)], [square(0, 0, 16, 16)]) == pytest.approx(0)


def test_ssim_is_one_for_the_same_and_falls_with_structure_not_with_light():
    texture = np.random.default_rng(1).integers(60, 190, (32, 32), np.uint8)
    other = np.random.default_rng(2).integers(60, 190, (32, 32), np.uint8)
    assert metrics.ssim_map(texture, texture) == pytest.approx(np.ones((32, 32)), abs=1e-4)
    lighter = metrics.ssim_map((texture + 8).astype(np.uint8), texture).mean()
    assert lighter > 0.95
    assert metrics.ssim_map(other, texture).mean() < 0.3


def test_ring_lies_around_the_mask_and_nowhere_else():
    mask = square(12, 12, 20, 20, shape=(32, 32))
    around = metrics.ring(mask)
    assert not (around & mask).any()
    assert around[16, 20 + metrics.RING_WIDTH - 1]
    assert not around[16, 20 + metrics.RING_WIDTH]
    assert not metrics.ring(mask & ~mask).any()


def test_a_chroma_sample_is_covered_where_any_of_its_luma_is():
    assert np.argwhere(metrics.halved(square(3, 4, 4, 5))).tolist() == [[2, 1]]


def test_a_place_counts_as_free_within_its_shot_only():
    covered, empty = square(0, 0, 4, 4), square(0, 0, 0, 0)
    free = metrics.uncovered_elsewhere([covered, empty, covered, covered], [2])
    assert [int(mask.sum()) for mask in free] == [16, 0, 0, 0]


def test_flicker_is_the_change_that_the_clean_video_does_not_make():
    mask = square(0, 0, 16, 16)
    clean = [flat(50), flat(60), flat(60)]
    assert metrics.flicker([flat(80), flat(90), flat(90)], clean, [mask] * 3, []) == 0
    assert metrics.flicker([flat(50), flat(64), flat(60)], clean, [mask] * 3, []) == pytest.approx(4)
    assert metrics.flicker([flat(50), flat(64), flat(60)], clean, [mask] * 3, [1]) == pytest.approx(4)
    assert metrics.flicker([flat(50), flat(90), flat(90)], clean, [mask] * 3, [1]) == 0


def test_ghost_is_the_share_of_the_caption_that_is_left():
    clean = np.random.default_rng(1).integers(60, 120, (16, 16), np.uint8)
    mask = square(4, 4, 12, 12)
    captioned = np.where(square(5, 5, 9, 9), 235, clean).astype(np.uint8)
    faint = (clean + 0.25 * (captioned.astype(float) - clean)).astype(np.uint8)
    assert metrics.ghost(captioned, clean, captioned, mask) == pytest.approx(1)
    assert metrics.ghost(faint, clean, captioned, mask) == pytest.approx(0.25, abs=0.01)
    assert metrics.ghost(clean, clean, captioned, mask) == 0
    assert metrics.ghost(clean, clean, clean, mask) == 0


def test_a_mask_is_judged_by_what_it_misses_and_by_what_it_takes_too_much():
    shape = (40, 40)
    opacity = square(10, 10, 20, 20, shape=shape).astype(np.float32)
    truth = square(8, 8, 22, 22, shape=shape)
    half = metrics.mask_quality([square(10, 10, 20, 15, shape=shape)], [opacity], [truth])
    assert (half.recall, half.precision) == (0.5, 1)
    wide = metrics.mask_quality([square(0, 0, 40, 40, shape=shape)], [opacity], [truth])
    assert wide.recall == 1
    assert wide.precision == pytest.approx(18 * 18 / 1600)
    assert wide.size == pytest.approx(1600 / 196)
    none = metrics.mask_quality([square(0, 0, 0, 0, shape=shape)], [opacity], [truth])
    assert (none.recall, none.precision, none.size) == (0, 1, 0)


BOX = (10, 80, 90, 95)


@pytest.mark.parametrize(
    ("found", "errors"),
    [
        pytest.param([Life(10, 40, BOX)], [0], id="exact"),
        pytest.param([Life(12, 41, BOX)], [2], id="the worse end counts"),
        pytest.param([Life(10, 25, BOX), Life(25, 39, BOX)], [1], id="in two pieces"),
        pytest.param([], [None], id="missed"),
        pytest.param([Life(10, 40, (10, 40, 90, 60))], [None], id="another line"),
        pytest.param([Life(10, 15, BOX)], [None], id="too little of its life"),
        pytest.param([Life(35, 70, BOX)], [None], id="the next caption"),
    ],
)
def test_ends_of_a_caption_are_compared_with_what_was_found_of_it(found, errors):
    assert metrics.end_errors([Life(10, 40, BOX)], found) == errors


def test_captions_meet_in_place_and_time():
    here = Life(10, 40, BOX)
    assert metrics.meet(here, Life(39, 50, (80, 90, 99, 99)))
    assert not metrics.meet(here, Life(40, 50, BOX))
    assert not metrics.meet(here, Life(10, 40, (90, 80, 99, 95)))
