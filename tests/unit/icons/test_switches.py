"""Marks that come and go at once before a camera that stands still; what else changes there is none."""

import cv2
import numpy as np
import pytest

from gpu_worker.icons.sample import Scale, gradients_of, small_planes
from gpu_worker.icons.switches import Switches
from tests.unit.captions.drawn import HEIGHT, WIDTH, moving
from tests.unit.icons.drawn import CORNERS, with_logo, with_picture

SCALE = Scale.of(WIDTH, HEIGHT)
STEP = 5


def switches_in(frames):
    switches = Switches()
    return [found for frame in frames[::STEP] for found in switches.add(gradients_of(small_planes(frame, SCALE)))]


def blinking(index):
    return CORNERS[0] if index // 40 % 2 else None


@pytest.mark.parametrize("speed", [0.0, 0.1])
def test_a_mark_that_comes_twice_is_switched(speed):
    found = switches_in(with_logo(moving(200, speed), blinking)[0])
    x, y = CORNERS[0]
    assert found
    for look in found:
        assert look.is_switched
        assert look.rect.x0 <= x + 4
        assert look.rect.y0 <= y + 4
        assert look.rect.x1 >= x + 60
        assert look.rect.y1 >= y + 36


def test_a_mark_that_jumps_is_switched_in_one_moment():
    found = switches_in(with_logo(moving(80, 0.0), lambda index: CORNERS[index // 40])[0])
    assert {look.rect.x0 < WIDTH // 2 for look in found} == {True, False}


def test_what_comes_once_and_stays_is_not_told_from_a_thing_put_down():
    assert switches_in(with_logo(moving(120, 0.0), lambda index: CORNERS[0] if index >= 60 else None)[0]) == []


def test_what_comes_and_goes_once_may_be_a_caption():
    frames, _ = with_logo(moving(160, 0.0), lambda index: CORNERS[0] if 40 <= index < 100 else None)
    assert switches_in(frames) == []


def test_other_pictures_in_turn_at_one_place_are_a_clock_or_captions():
    texts = [np.random.default_rng(number).integers(0, 2, (5, 8), dtype=np.uint8) * 200 + 30 for number in range(5)]
    looks = [cv2.resize(text, (64, 40), interpolation=cv2.INTER_NEAREST) for text in texts]
    frames = [
        with_picture(frame, CORNERS[0], looks[frame.index // 40]) if frame.index // 20 % 2 else frame
        for frame in moving(200, 0.0)
    ]
    assert switches_in(frames) == []


def test_a_lamp_that_blinks_shows_the_edges_that_it_has_without_light():
    lamp = np.full((40, 64), 60, np.uint8)
    cv2.circle(lamp, (32, 20), 14, 110, -1)
    cv2.rectangle(lamp, (4, 4), (59, 35), 90, 2)
    lit = np.clip(lamp.astype(np.float32) * 2.1, 0, 255).astype(np.uint8)
    frames = [with_picture(frame, CORNERS[0], lit if frame.index // 40 % 2 else lamp) for frame in moving(200, 0.0)]
    assert switches_in(frames) == []


def test_a_cut_is_no_switch():
    there, back = moving(1, 0.0)[0], moving(1, 4.0, seed=9)[0]
    frames = [there if index // 40 % 2 else back for index in range(200)]
    assert switches_in(frames) == []


def test_what_moves_by_is_no_switch():
    frames, _ = with_logo(moving(200, 0.0), lambda index: (2 * (index % 200), CORNERS[0][1]) if index < 190 else None)
    assert switches_in(frames) == []
