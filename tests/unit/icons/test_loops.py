"""Marks that turn: found because their place repeats, and nothing else is."""

from dataclasses import replace

import numpy as np
import pytest

from gpu_worker.icons.loops import Loops
from tests.unit.captions.drawn import HEIGHT, WIDTH, moving
from tests.unit.icons.drawn import CORNERS, turned, with_logo

PERIOD = 24
FRAMES = 6 * PERIOD


def loops_in(frames):
    loops = Loops(WIDTH, HEIGHT)
    for frame in frames:
        loops.process_frame(frame)
    return loops.flush()


@pytest.fixture(scope="module")
def turning():
    return with_logo(moving(FRAMES, 4.0), lambda _: CORNERS[1], picture_of=lambda index: turned(index, PERIOD))[0]


def test_a_logo_that_turns_repeats(turning):
    (loop,) = loops_in(turning)
    # Both sides look the same.
    assert loop.period in {PERIOD // 2, PERIOD}
    x, y = CORNERS[1]
    assert abs(loop.rect.x0 + loop.rect.x1 - 2 * x - 64) <= 16
    assert abs(loop.rect.y0 + loop.rect.y1 - 2 * y - 40) <= 16
    assert 0.4 * 64 * 40 < loop.rect.area < 3 * 64 * 40


@pytest.mark.parametrize("opacity", [0.6, 1.0])
def test_a_logo_that_turns_over_cuts_repeats_be_it_translucent(opacity):
    cuts = (31, 53, 110)
    shots = [
        replace(frame, y=np.roll(frame.y, 37 * sum(frame.index >= cut for cut in cuts), axis=1))
        for frame in moving(FRAMES, 1.0)
    ]
    frames, _ = with_logo(shots, lambda _: CORNERS[1], opacity, picture_of=lambda index: turned(index, PERIOD))
    (loop,) = loops_in(frames)
    assert loop.period in {PERIOD // 2, PERIOD}
    x, y = CORNERS[1]
    assert abs(loop.rect.x0 + loop.rect.x1 - 2 * x - 64) <= 16
    assert abs(loop.rect.y0 + loop.rect.y1 - 2 * y - 40) <= 16


def test_a_video_that_repeats_as_a_whole_has_no_loop(turning):
    round_trip = [replace(frame, y=turning[frame.index % PERIOD].y) for frame in turning]
    assert loops_in(round_trip) == []


def test_what_blinks_before_a_camera_that_stands_still_is_no_mark():
    frames, _ = with_logo(moving(FRAMES, 0.0), lambda index: CORNERS[1] if index // 8 % 2 else None)
    assert loops_in(frames) == []


def test_a_logo_that_turns_before_a_camera_that_stands_still_repeats_in_a_corner_only():
    def turning_at(place):
        return with_logo(moving(FRAMES, 0.0), lambda _: place, picture_of=lambda index: turned(index, PERIOD))[0]

    (loop,) = loops_in(turning_at(CORNERS[1]))
    assert loop.is_calm
    assert loops_in(turning_at((WIDTH // 2 - 32, HEIGHT // 2 - 20))) == []


def test_a_logo_that_stands_still_is_no_loop():
    assert loops_in(with_logo(moving(FRAMES, 4.0), lambda _: CORNERS[1])[0]) == []


def test_what_changes_without_repeating_is_no_loop():
    chance = np.random.default_rng(5).permutation(FRAMES)
    frames, _ = with_logo(
        moving(FRAMES, 4.0), lambda _: CORNERS[1], picture_of=lambda index: turned(int(chance[index]), FRAMES)
    )
    assert loops_in(frames) == []
