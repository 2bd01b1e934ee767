"""Lines as they were found, and the captions that they come to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from domain.detection import Box, Plate
from gpu_worker.captions.joining import Caption, joined
from gpu_worker.video.rect import Rect

BOUNDS = Rect(0, 0, 200, 100)
PLACE = Rect(50, 74, 150, 92)
PLATE = Plate(box=Box(x0=40, y0=70, x1=160, y1=95), start_frame=10, end_frame=50, opacity=0.5, y=16, u=128, v=128)


def _line(start: int, end: int, text: str, rect: Rect = PLACE) -> Caption:
    return Caption(
        rect=rect,
        letters=rect,
        mask=np.full((rect.height, rect.width), 255, np.uint8),
        start_frame=start,
        end_frame=end,
        start_seconds=start / 25,
        end_seconds=end / 25,
        text=text,
        confidence=0.9,
        line_height=rect.height,
        is_laid_over=True,
        reach=4,
        glow=0,
    )


def test_a_glow_seen_on_one_line_goes_with_all_that_are_set_like_it() -> None:
    seen = replace(_line(10, 40, "of this one it was seen"), reach=9, glow=9)
    alike = _line(50, 80, "of this one it was not")
    larger = _line(90, 120, "and this is set larger", Rect(50, 62, 150, 92))
    captions = {caption.text: caption for caption in joined([seen, alike, larger], 130, BOUNDS)}
    assert captions[alike.text].rect == Rect(45, 69, 155, 97)
    assert captions[alike.text].mask[0, 50] == 255
    assert captions[seen.text].rect == seen.rect
    assert captions[larger.text].rect == larger.rect


def test_a_glow_ends_with_the_frame() -> None:
    seen = replace(_line(10, 40, "of this one it was seen"), reach=16, glow=16)
    (wide,) = (
        caption for caption in joined([seen, _line(50, 80, "not here")], 130, BOUNDS) if caption.start_frame == 50
    )
    assert wide.rect == Rect(38, 62, 162, 100)
    assert wide.mask.shape == (38, 124)


def test_one_letter_that_came_with_the_scene_is_no_caption() -> None:
    letter = _line(0, 60, "X")
    assert joined([replace(letter, is_laid_over=False)], 60, BOUNDS) == []
    assert len(joined([letter], 60, BOUNDS)) == 1


def test_a_glimpse_counts_where_captions_stand_and_not_beside_them() -> None:
    steady = _line(10, 50, "long enough to read")
    assert len(joined([steady, _line(55, 62, "No!", Rect(80, 74, 120, 92))], 90, BOUNDS)) == 2
    assert joined([steady, _line(55, 62, "CAR", Rect(0, 74, 24, 92))], 90, BOUNDS) == [steady]


def test_a_text_that_was_followed_twice_is_one_caption() -> None:
    (caption,) = joined([_line(10, 50, "seen before"), _line(22, 50, "seen before")], 60, BOUNDS)
    assert (caption.start_frame, caption.end_frame, caption.text) == (10, 50, "seen before")


def test_lines_on_plates_of_their_own_stay_apart() -> None:
    upper = replace(_line(10, 50, "above", Rect(50, 50, 150, 68)), plate=PLATE.model_copy(update={"opacity": 0.3}))
    lower = replace(_line(10, 50, "below"), plate=PLATE)
    assert sorted(caption.text for caption in joined([upper, lower], 60, BOUNDS)) == ["above", "below"]


def test_a_plate_goes_on_over_a_cut_on_one_side_of_which_it_was_not_seen() -> None:
    first = replace(_line(10, 30, "over the cut"), plate=PLATE.model_copy(update={"end_frame": 30}))
    (caption,) = joined([first, _line(30, 50, "over the cut")], 60, BOUNDS)
    assert caption.plate == PLATE


def test_of_two_plates_that_share_only_some_time_one_is_filled() -> None:
    later = PLATE.model_copy(update={"start_frame": 30, "end_frame": 70})
    upper = replace(_line(10, 50, "above", Rect(50, 72, 150, 80)), plate=PLATE)
    lower = replace(_line(30, 70, "below", Rect(50, 84, 150, 92)), plate=later)
    captions = joined([upper, lower], 80, BOUNDS)
    assert sum(caption.plate is not None for caption in captions) == 1
    (without,) = (caption for caption in captions if caption.plate is None)
    assert without.rect == Rect(40, 70, 160, 95)
    assert (without.mask == 255).all()
