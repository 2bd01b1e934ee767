"""Marks that drift: found because they move evenly, and not as what is around them does."""

from dataclasses import replace

import numpy as np
import pytest

from gpu_worker.icons.drifts import Drifts
from gpu_worker.icons.sample import Scale, small_planes
from tests.unit.captions.drawn import HEIGHT, WIDTH, moving
from tests.unit.icons.drawn import CORNERS, with_logo

SCALE = Scale.of(WIDTH, HEIGHT)
STEP = 5
FRAMES = 75


def drifts_in(frames):
    drifts = Drifts()
    for index in range(0, len(frames), STEP):
        drifts.add(index, small_planes(frames[index], SCALE))
    return drifts.flush()


def drifting(index):
    return CORNERS[0][0] + index // 2, CORNERS[0][1] + index // 4


@pytest.mark.parametrize("pan", [0.0, 3.0])
def test_a_logo_that_drifts_is_found_with_its_speed(pan):
    (drift,) = drifts_in(with_logo(moving(FRAMES, pan), drifting)[0])
    right, down = drift.speed
    assert abs(right - 1 / 2) < 0.03
    assert abs(down - 1 / 4) < 0.03
    x, y = drift.place_at(40)
    assert x - 6 <= drifting(40)[0] <= x + 20
    assert y - 6 <= drifting(40)[1] <= y + 20


def test_a_logo_that_stands_still_does_not_drift():
    assert drifts_in(with_logo(moving(FRAMES, 3.0), lambda _: CORNERS[0])[0]) == []


@pytest.mark.parametrize("pan", [0.25, 1.0])
def test_a_sign_that_the_scene_carries_along_does_not_drift(pan):
    printed, _ = with_logo(moving(1, 0.0), lambda _: CORNERS[1])
    frames = [
        replace(frame, y=np.roll(printed[0].y, -round(pan * frame.index), axis=1)) for frame in moving(FRAMES, 0.0)
    ]
    assert drifts_in(frames) == []


def test_a_logo_that_shakes_does_not_drift():
    chance = np.random.default_rng(2).integers(-12, 13, (FRAMES, 2))
    frames, _ = with_logo(moving(FRAMES, 3.0), lambda index: (60 + int(chance[index, 0]), 60 + int(chance[index, 1])))
    assert drifts_in(frames) == []


def test_a_mark_over_a_cut_is_followed_from_there_on():
    first, second = moving(60, 0.0), moving(60, 0.0, seed=7)
    frames = first + [replace(frame, index=frame.index + 60, pts=frame.index + 60) for frame in second]
    assert drifts_in(with_logo(frames, drifting)[0])


def test_a_picture_in_which_nothing_can_be_followed():
    grey = [replace(frame, y=np.full_like(frame.y, 90)) for frame in moving(FRAMES, 0.0)]
    assert drifts_in(grey) == []
