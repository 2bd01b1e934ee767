"""Whose mark an icon is where no library knows it."""

import pytest

from domain.detection import IconBehaviour
from domain.job import IconKind
from gpu_worker.icons.kind import is_caption_like, judged_kind
from gpu_worker.video.rect import Rect

TOP_RIGHT = Rect(1100, 40, 1240, 110)


@pytest.mark.parametrize(
    ("behaviour", "place", "size", "kind"),
    [
        (IconBehaviour.STILL, TOP_RIGHT, (1280, 720), IconKind.TV),
        (IconBehaviour.STILL, Rect(40, 620, 180, 690), (1280, 720), IconKind.TV),
        (IconBehaviour.JUMPING, TOP_RIGHT, (1280, 720), IconKind.INTERNET),
        (IconBehaviour.STILL, Rect(600, 40, 700, 80), (720, 1280), IconKind.INTERNET),
        (IconBehaviour.STILL, Rect(560, 330, 720, 390), (1280, 720), IconKind.INTERNET),
    ],
)
def test_kind_by_place_and_behaviour(behaviour, place, size, kind):
    judged, confidence = judged_kind(behaviour, place, size, is_translucent=False)
    assert judged is kind
    assert 0.5 < confidence < 1


def test_a_translucent_bug_is_the_likelier_a_station():
    opaque, veiled = (judged_kind(IconBehaviour.STILL, TOP_RIGHT, (1280, 720), is_translucent=it)[1] for it in (0, 1))
    assert veiled > opaque


@pytest.mark.parametrize(
    ("place", "seconds", "like"),
    [
        (Rect(400, 620, 880, 670), 4.0, True),
        (Rect(400, 30, 880, 80), 4.0, True),
        # It stays for longer than anybody reads.
        (Rect(400, 620, 880, 670), 20.0, False),
        # In a corner, and in the middle of the picture.
        (Rect(40, 620, 340, 670), 4.0, False),
        (Rect(400, 330, 880, 380), 4.0, False),
        # No line.
        (Rect(600, 600, 680, 680), 4.0, False),
    ],
)
def test_a_line_in_the_middle_that_is_not_there_for_long_is_like_a_caption(place, seconds, like):
    assert is_caption_like(place, (1280, 720), seconds) is like
