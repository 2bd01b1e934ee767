"""Whose mark an icon is where no library knows it: judged by where it stands, what it does and the picture's shape.

Stations keep their bug still in a corner of a wide picture, above all an upper one; many are translucent or animated.
Platforms stamp what is downloaded from them: the mark wanders so that it cannot be cropped away, and the picture is
often upright.
"""

from __future__ import annotations

from domain.detection import IconBehaviour
from domain.job import IconKind
from gpu_worker.video.rect import Rect

#: A corner reaches so far into the picture: share of its width and of its height.
_CORNER_SHARE = 0.35
#: A caption stands in the middle of the picture, to this share of its width, in the lower or the upper third; it is so
#: many times as wide as high, and goes after so many seconds.
_CENTRED_SHARE, _THIRD = 0.06, 1 / 3
_LINE_ASPECT, _CAPTION_SECONDS = 3.0, 8.0
_RESTLESS = frozenset({IconBehaviour.JUMPING, IconBehaviour.MOVING})


def judged_kind(
    behaviour: IconBehaviour, place: Rect, shown_size: tuple[int, int], *, is_translucent: bool
) -> tuple[IconKind, float]:
    """Return the likelier kind, and how likely it is, 0.5-1.

    Args:
        behaviour: what the icon does.
        place: where it stands most of the time, in pixels of the picture as displayed.
        shown_size: width and height of that picture.
        is_translucent: whether the picture shines through it.
    """
    width, height = shown_size
    if behaviour in _RESTLESS:
        return IconKind.INTERNET, 0.85
    if height > width:
        return IconKind.INTERNET, 0.75
    beside = min(place.x0, width - place.x1) <= _CORNER_SHARE * width - place.width
    at_top, at_bottom = place.y1 <= _CORNER_SHARE * height, place.y0 >= (1 - _CORNER_SHARE) * height
    if not beside or not (at_top or at_bottom):
        return IconKind.INTERNET, 0.6
    likely = 0.7 if at_top else 0.6
    return IconKind.TV, likely + 0.1 * (is_translucent or behaviour is IconBehaviour.ANIMATED)


def is_caption_like(place: Rect, shown_size: tuple[int, int], seconds: float) -> bool:
    """Tell whether a mark that stands still looks like a line of text that will go, or would if the video went on.

    In a short video a caption may stand from the first frame to the last, as a mark does.

    Args:
        place: where it stands, in pixels of the picture as displayed.
        shown_size: width and height of that picture.
        seconds: for which it is seen at a time.
    """
    width, height = shown_size
    centred = abs(place.x0 + place.x1 - width) / 2 <= _CENTRED_SHARE * width
    aside = place.y0 >= (1 - _THIRD) * height or place.y1 <= _THIRD * height
    is_line = place.width >= _LINE_ASPECT * place.height
    return centred and aside and is_line and seconds <= _CAPTION_SECONDS
