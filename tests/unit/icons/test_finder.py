"""Icons found in drawn clips: which, where, when, and which pixels."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from domain.detection import IconBehaviour
from domain.job import IconKind
from domain.regions import Region, TimeRange
from gpu_worker.icons.finder import Area, IconFinder
from gpu_worker.icons.library import library_entry
from gpu_worker.video.masks import decode_mark_mask, decode_matte
from gpu_worker.video.rect import Rect
from tests.unit.captions.drawn import HEIGHT, RATE, WIDTH, Drawn, moving, with_captions
from tests.unit.icons.drawn import CORNERS, FACTS, logo, mask_in_frame, png_of, turned, with_logo

FRAMES = 75


def find(frames, kinds=tuple(IconKind), **options):
    finder = IconFinder(FACTS, kinds, lambda: frames, **options)
    for frame in frames:
        finder.process_frame(frame, frame.index / RATE)
    return finder.flush()


def spans(track):
    return [(place.start_frame, place.end_frame) for place in track.places]


def mask_of(track, place):
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mark = track.marks[place.mark]
    mask[place.y : place.y + mark.height, place.x : place.x + mark.width] = decode_mark_mask(mark)
    return mask


def own_library():
    return (library_entry("Ring TV", IconKind.TV, png_of(logo())),)


@pytest.fixture(scope="module")
def panned():
    return moving(FRAMES, 4.0)


@pytest.mark.parametrize("opacity", [1.0, 0.6, 0.3])
def test_a_logo_over_a_moving_picture_is_found_to_the_pixel(panned, opacity):
    frames, alpha = with_logo(panned, lambda _: CORNERS[1], opacity)
    (track,) = find(frames)
    assert track.behaviour is IconBehaviour.STILL
    assert spans(track) == [(0, FRAMES)]
    mask, true = mask_of(track, track.places[0]), mask_in_frame(alpha, CORNERS[1])
    near = cv2.dilate(true.astype(np.uint8), np.ones((13, 13), np.uint8)).astype(bool)
    assert (mask & true).sum() / true.sum() > 0.97
    assert (mask & near).sum() / mask.sum() > 0.97


def test_how_much_shines_through_a_translucent_logo_is_measured(panned):
    frames, alpha = with_logo(panned, lambda _: CORNERS[1], 0.5)
    (track,) = find(frames)
    place = track.places[0]
    matte = decode_matte(track.marks[place.mark])
    assert matte is not None
    opacity = np.zeros((HEIGHT, WIDTH), np.float32)
    opacity[place.y : place.y + matte[0].shape[0], place.x : place.x + matte[0].shape[1]] = matte[0]
    x, y = CORNERS[1]
    seen = opacity[y : y + alpha.shape[0], x : x + alpha.shape[1]][alpha > 0.49]
    assert abs(float(np.median(seen)) - 0.5) < 0.12


def test_an_opaque_logo_has_no_matte(panned):
    frames, _ = with_logo(panned, lambda _: CORNERS[1])
    (track,) = find(frames)
    assert track.marks[0].matte is None


def test_a_logo_that_jumps_is_one_icon_with_exact_times():
    frames, alpha = with_logo(moving(150, 4.0), lambda index: CORNERS[index // 50])
    (track,) = find(frames)
    assert track.behaviour is IconBehaviour.JUMPING
    assert track.kind is IconKind.INTERNET
    assert [(start, end) for start, end in spans(track)] == [(0, 50), (50, 100), (100, 150)]
    for place, corner in zip(track.places, CORNERS, strict=False):
        true = mask_in_frame(alpha, corner)
        assert (mask_of(track, place) & true).sum() / true.sum() > 0.97


def test_a_translucent_logo_that_jumps_to_where_it_is_darker_is_one_mark():
    night = np.linspace(1.0, 0.3, WIDTH)
    frames = [replace(frame, y=(frame.y * night).astype(np.uint8)) for frame in moving(150, 4.0)]
    frames, alpha = with_logo(frames, lambda index: CORNERS[index // 50], 0.5)
    (track,) = find(frames)
    assert spans(track) == [(0, 50), (50, 100), (100, 150)]
    (mark,) = track.marks
    assert mark.matte is not None
    for place, corner in zip(track.places, CORNERS, strict=False):
        true = mask_in_frame(alpha, corner)
        assert (mask_of(track, place) & true).sum() / true.sum() > 0.97


def test_what_stands_beside_a_logo_that_jumps_is_beside_it_in_one_place_only():
    posts = ((64, 0, 70, 40), (-6, 0, 0, 40), (0, -6, 64, 0))
    frames = moving(150, 4.0)
    for frame in frames:
        for (x, y), (left, top, right, bottom) in zip(CORNERS, posts, strict=False):
            frame.y[y + top : y + bottom, x + left : x + right] = 20
    frames, alpha = with_logo(frames, lambda index: CORNERS[index // 50])
    (track,) = find(frames)
    for place, corner in zip(track.places, CORNERS, strict=False):
        mask, true = mask_of(track, place), mask_in_frame(alpha, corner)
        near = cv2.dilate(true.astype(np.uint8), np.ones((11, 11), np.uint8)).astype(bool)
        assert (mask & true).sum() / true.sum() > 0.97
        assert (mask & near).sum() / mask.sum() > 0.97


def test_a_logo_that_comes_and_goes_is_there_for_as_long_as_it_is_seen():
    frames, _ = with_logo(moving(150, 4.0), lambda index: CORNERS[0] if index // 40 % 2 else None)
    (track,) = find(frames)
    assert track.behaviour is IconBehaviour.BLINKING
    assert spans(track) == [(40, 80), (120, 150)]


def test_a_logo_that_turns_is_animated_and_all_that_it_ever_covers_goes():
    frames, alpha = with_logo(moving(144, 4.0), lambda _: CORNERS[1], picture_of=lambda index: turned(index, 24))
    (track,) = find(frames)
    assert track.behaviour is IconBehaviour.ANIMATED
    assert spans(track) == [(0, 144)]
    mask, true = mask_of(track, track.places[0]), mask_in_frame(alpha, CORNERS[1])
    near = cv2.dilate(true.astype(np.uint8), np.ones((17, 17), np.uint8)).astype(bool)
    assert (mask & true).sum() / true.sum() > 0.95
    assert (mask & near).sum() / mask.sum() > 0.95


def test_a_logo_that_turns_for_a_while_is_there_for_that_long():
    frames, _ = with_logo(
        moving(168, 4.0),
        lambda index: CORNERS[1] if index >= 24 else None,
        picture_of=lambda index: turned(index, 24),
    )
    (track,) = find(frames)
    ((start, end),) = spans(track)
    # To half a round: on edge it does not show.
    assert 24 - 12 <= start <= 24 + 3
    assert end == 168


def test_a_logo_that_drifts_is_moving_and_followed_to_the_pixel():
    def place_of(index):
        return CORNERS[0][0] + index // 2, CORNERS[0][1] + index // 4

    frames, alpha = with_logo(moving(120, 1.0), place_of)
    (track,) = find(frames)
    assert track.behaviour is IconBehaviour.MOVING
    assert (track.places[0].start_frame, track.places[-1].end_frame) == (0, 120)
    for place in track.places:
        true = mask_in_frame(alpha, place_of(place.start_frame))
        mask = mask_of(track, place)
        assert (mask & true).sum() / true.sum() > 0.97
        near = cv2.dilate(true.astype(np.uint8), np.ones((19, 19), np.uint8)).astype(bool)
        assert (mask & near).sum() / mask.sum() > 0.97


def test_what_drifts_only_in_one_shot_is_of_the_scene():
    def place_of(index):
        return (CORNERS[0][0] + index // 2, CORNERS[0][1] + index // 4) if index >= 50 else None

    shots = moving(50, 1.0) + [
        replace(frame, index=frame.index + 50, pts=frame.index + 50) for frame in moving(100, 1.0, seed=7)
    ]
    assert find(with_logo(shots, place_of)[0]) == ()


@pytest.mark.parametrize("speed", [0.0, 0.1])
def test_a_logo_that_blinks_before_a_camera_that_hardly_moves(speed):
    frames, alpha = with_logo(moving(200, speed), lambda index: CORNERS[0] if index // 40 % 2 else None)
    (track,) = find(frames)
    assert track.behaviour is IconBehaviour.BLINKING
    assert spans(track) == [(40, 80), (120, 160)]
    mask, true = mask_of(track, track.places[0]), mask_in_frame(alpha, CORNERS[0])
    near = cv2.dilate(true.astype(np.uint8), np.ones((13, 13), np.uint8)).astype(bool)
    # Where the logo has the picture's own colour it changes nothing.
    assert (mask & true).sum() / true.sum() > 0.95
    assert (mask & near).sum() / mask.sum() > 0.97


def test_a_logo_that_jumps_before_a_camera_that_stands_still():
    frames, _ = with_logo(moving(150, 0.0), lambda index: CORNERS[index // 50])
    (track,) = find(frames)
    assert track.behaviour is IconBehaviour.JUMPING
    assert spans(track) == [(0, 50), (50, 100), (100, 150)]


def test_a_logo_that_turns_before_a_camera_that_stands_still():
    frames, alpha = with_logo(moving(144, 0.0), lambda _: CORNERS[1], picture_of=lambda index: turned(index, 24))
    (track,) = find(frames)
    assert track.behaviour is IconBehaviour.ANIMATED
    mask, true = mask_of(track, track.places[0]), mask_in_frame(alpha, CORNERS[1])
    assert (mask & true).sum() / true.sum() > 0.9


def test_a_line_of_text_that_stands_through_a_short_video_is_a_caption_and_stays(panned):
    frames, _ = with_captions(panned, (Drawn("Come in", 0, FRAMES),))
    assert find(frames) == ()


def test_a_line_of_text_where_a_user_says_that_an_icon_is_goes(panned):
    frames, _ = with_captions(panned, (Drawn("Come in", 0, FRAMES),))
    below = Region(x=0, y=0.7, width=1, height=0.3)
    assert find(frames, areas=(Area(Rect(0, 189, WIDTH, HEIGHT), below),))


def test_a_picture_without_icons_has_none(panned):
    assert find(panned) == ()


def test_what_is_printed_on_the_scene_moves_with_it_and_stays():
    printed, _ = with_logo(moving(1, 0.0), lambda _: CORNERS[1])
    frames = [replace(frame, y=np.roll(printed[0].y, -4 * frame.index, axis=1)) for frame in moving(FRAMES, 0.0)]
    assert find(frames) == ()


def test_a_still_picture_proves_nothing():
    frames, _ = with_logo(moving(FRAMES, 0.0), lambda _: CORNERS[1])
    assert find(frames) == ()


def test_black_bars_are_no_icon(panned):
    bars = [replace(frame, y=frame.y.copy()) for frame in panned]
    for frame in bars:
        frame.y[:30] = frame.y[-30:] = 16
    assert find(bars) == ()


@pytest.mark.parametrize("opacity", [1.0, 0.6])
def test_the_library_knows_a_logo_over_a_still_picture(opacity):
    frames, alpha = with_logo(moving(FRAMES, 0.0), lambda _: CORNERS[2], opacity)
    (track,) = find(frames, library=own_library())
    assert (track.name, track.kind, track.kind_confidence) == ("Ring TV", IconKind.TV, 1.0)
    true = mask_in_frame(alpha, CORNERS[2])
    assert (mask_of(track, track.places[0]) & true).sum() / true.sum() > 0.97


def test_the_library_names_what_it_did_not_find(panned):
    frames, _ = with_logo(panned, lambda _: CORNERS[0])
    (track,) = find(frames, library=own_library())
    assert track.name == "Ring TV"


def test_a_library_without_the_logo_claims_nothing():
    frames = moving(FRAMES, 0.0)
    assert find(frames, library=own_library()) == ()


def test_only_the_kinds_that_are_wanted_are_found(panned):
    frames, _ = with_logo(panned, lambda _: CORNERS[1])
    assert find(frames, kinds=(IconKind.INTERNET,)) == ()
    assert [track.kind for track in find(frames, kinds=(IconKind.TV,))] == [IconKind.TV]


def test_a_region_limits_where_and_when(panned):
    frames, _ = with_logo(panned, lambda _: CORNERS[1])
    elsewhere = Region(x=0, y=0, width=0.4, height=0.4)
    assert find(frames, areas=(Area(Rect(0, 0, 192, 108), elsewhere),)) == ()
    there = Region(x=0.6, y=0, width=0.4, height=0.4, time_ranges=(TimeRange(start_seconds=1.0, end_seconds=2.0),))
    (track,) = find(frames, areas=(Area(Rect(288, 0, WIDTH, 108), there),))
    assert spans(track) == [(25, 50)]


def test_a_mark_as_large_as_the_frame_is_no_icon(panned):
    chance = np.random.default_rng(3).integers(0, 255, (HEIGHT // 10, WIDTH // 10), dtype=np.uint8)
    large = cv2.resize(chance, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST)
    covered = [replace(frame, y=(frame.y // 4 + large // 4 * 3).astype(np.uint8)) for frame in panned]
    assert find(covered) == ()


def test_a_video_of_one_frame(panned):
    assert find(panned[:1], library=own_library()) == ()
