"""Motion under what is covered, where an object passes behind letters over a background that stands still."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from domain.job import Quality
from gpu_worker.fill.hidden_motion import Shown, follow_what_is_seen
from gpu_worker.fill.motion import MotionEstimator, View
from gpu_worker.fill.windows import Occlusion
from tests.unit.captions.drawn import Drawn, moving, with_captions
from tests.unit.fill.test_eraser import erased, event_of, psnr, shots

HEIGHT, WIDTH = 96, 200
#: By how much the object moves in a frame, and what it covers at first: rows, columns.
STEP = 4
OBJECT = (slice(20, 76), slice(60, 130))


def texture(seed, mean, shape=(HEIGHT, WIDTH)):
    noise = np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    return np.clip(mean + 25 * smooth / smooth.std(), 0, 255).astype(np.uint8)


def scene(number):
    """Return the luma of one frame, and where the object is."""
    luma, is_object = texture(1, 70), np.zeros((HEIGHT, WIDTH), dtype=bool)
    rows, columns = OBJECT
    moved = slice(columns.start + STEP * number, columns.stop + STEP * number)
    luma[rows, moved] = texture(2, 160)[OBJECT]
    is_object[rows, moved] = True
    return luma, is_object


@pytest.fixture
def letters():
    """Strokes of 6 pixels, with gaps of 8 between them."""
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[36:60, 20:180] = np.arange(160) % 14 < 6
    return mask


def test_what_passes_behind_letters_is_followed_and_what_stands_still_is_not(letters):
    estimator, occlusion = MotionEstimator(thorough=True), Occlusion(letters)
    (first, was_there), (second, is_there) = scene(0), scene(1)
    views = [View.of(luma, occlusion, estimator.step).without(letters) for luma in (first, second)]
    backward = estimator.estimate(*views).backward.astype(np.float32)
    inside = letters & cv2.erode(is_there.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
    beside = letters & ~cv2.dilate((is_there | was_there).astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
    for where, expected in ((inside, -STEP), (beside, 0)):
        off = np.hypot(backward[where][:, 0] - expected, backward[where][:, 1])
        assert np.percentile(off, 90) < 0.5


def test_what_was_filled_in_has_no_say_and_what_is_seen_keeps_its_motion(letters):
    flows = []
    for seed in (3, 4):
        frames = [np.where(letters, texture(seed + number, 128), scene(number)[0]) for number in (1, 0)]
        start, end = (Shown.of(luma.astype(np.uint8), letters) for luma in frames)
        flow = np.where(scene(1)[1][..., None], np.float32((-STEP, 0)), np.float32(0))
        flow[letters] = 0
        before = flow.copy()
        replaced = follow_what_is_seen(flow, np.zeros_like(flow), (start, end), letters, 1)
        assert (replaced | ~letters).all()
        assert np.array_equal(flow[~replaced], before[~replaced])
        flows.append(flow)
    assert np.array_equal(*flows)


def test_premium_gives_back_what_passes_behind_a_caption():
    clean = [replace(frame, y=scene(frame.index)[0]) for frame in moving(16, 0.0, WIDTH, HEIGHT)]
    caption = Drawn("Passing by", 3, 13, baseline=0.6, size_share=0.18, outline=1)
    frames, opacities = with_captions(clean, (caption,))
    event = event_of(opacities, 3, 13)
    normal, premium = (
        psnr(erased(frames, (event,), shots(0, end=16), quality), clean, event)
        for quality in (Quality.NORMAL, Quality.PREMIUM)
    )
    assert premium > normal + 3
