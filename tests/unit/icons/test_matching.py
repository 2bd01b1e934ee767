"""What the library sees in a picture: a mark in any colour, size and strength, and nothing where there is none."""

import cv2
import numpy as np
import pytest

from domain.job import IconKind
from gpu_worker.icons.library import library_entry, platform_marks
from gpu_worker.icons.matching import seen_in
from gpu_worker.icons.sample import gradients_of
from gpu_worker.video.rect import Rect
from tests.unit.captions.drawn import texture
from tests.unit.icons.drawn import alpha_at, logo, png_of

SIZE = (480, 270)


def bilibili():
    return next(mark for mark in platform_marks() if mark.name == "Bilibili")


def picture_with(entry, height, level, opacity=1.0, place=(390, 16)):
    picture = texture(*SIZE).astype(np.float32)
    width = round(height * entry.picture.shape[1] / entry.picture.shape[0])
    alpha = opacity * alpha_at(entry, width, height)
    x, y = place
    part = picture[y : y + height, x : x + width]
    part[...] = (1 - alpha) * part + alpha * level
    return cv2.GaussianBlur(picture, (0, 0), 0.6), Rect(x, y, x + width, y + height)


@pytest.mark.parametrize(("height", "level", "opacity"), [(28, 235, 1.0), (36, 16, 1.0), (41, 235, 0.6)])
def test_a_mark_is_seen_light_or_dark_and_in_any_size(height, level, opacity):
    picture, rect = picture_with(bilibili(), height, level, opacity)
    (match,) = seen_in(gradients_of([picture]), platform_marks())
    assert match.entry.name == "Bilibili"
    assert match.rect.meet(rect).area > 0.85 * rect.area
    assert match.rect.area < 1.2 * rect.area


def test_nothing_is_seen_where_nothing_is():
    entries = (*platform_marks(), library_entry("Ring TV", IconKind.TV, png_of(logo())))
    assert seen_in(gradients_of([texture(*SIZE).astype(np.float32)]), entries) == []


def test_a_mark_away_from_the_corners_is_seen_in_an_area_only():
    picture, _ = picture_with(bilibili(), 32, 235, place=(225, 118))
    gradients = gradients_of([picture])
    assert seen_in(gradients, (bilibili(),)) == []
    (match,) = seen_in(gradients, (bilibili(),), (Rect(190, 90, 300, 180),))
    assert match.entry.name == "Bilibili"


def test_a_picture_larger_than_the_frame_fits_nowhere():
    wide = np.full((20, 1000, 4), 255, np.uint8)
    entry = library_entry("Bar", IconKind.TV, png_of(wide))
    assert seen_in(gradients_of([texture(60, 40).astype(np.float32)]), (entry,)) == []
