"""Which lines of a whole picture are captions: they stand where texts come and go over a picture that goes on.

Text of the scene comes and goes with the scene: at a cut, behind what moves, or with the camera. A score bar or a logo
stays. A slide's lines change all at once, with the slide.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import cv2
import numpy as np

from gpu_worker.captions.joining import Caption, come_and_go_together, is_aligned, same_text, stand_alike
from gpu_worker.captions.plate import Crossing
from gpu_worker.video.rect import Rect

#: A picture that goes on changes by less than this around a text that comes or goes, in levels, and by less than this
#: share of what the text changes.
_MAX_AROUND_LEVELS = 8.0
_MAX_AROUND_SHARE = 0.12
#: What comes must change the picture by this much, in levels, to be told from noise.
_MIN_INK_LEVELS = 20.0
#: Lines are brought down to about this height in pixels, at which their strokes still differ from their background.
_LINE_HEIGHT = 12
#: A second band, of another language say, is on screen at least this share of the time that the first one is.
_MIN_TIME_SHARE = 0.5


def is_laid_over(crossings: Iterable[Crossing], text: Rect) -> bool:
    """Tell whether a text came or went while the picture around it went on; ``text`` is where it stands in them."""
    return any(_goes_on(crossing, text) for crossing in crossings)


def _goes_on(crossing: Crossing, text: Rect) -> bool:
    bounds = crossing.within.bounds
    scale = max(2, text.line_height // _LINE_HEIGHT)
    size = (max(1, bounds.width // scale), max(1, bounds.height // scale))
    without, within = (
        cv2.resize(picture.y, size, interpolation=cv2.INTER_AREA) for picture in (crossing.without, crossing.within)
    )
    change = cv2.absdiff(without, within)
    around = np.ones(change.shape, dtype=bool)
    around[text.grow(text.line_height // 2, bounds).shrunk(scale).slices] = False
    if not around.any():
        return False
    ink = float(np.percentile(change[text.shrunk(scale).slices], 90))
    return ink >= _MIN_INK_LEVELS and float(change[around].mean()) < min(_MAX_AROUND_LEVELS, _MAX_AROUND_SHARE * ink)


@dataclass(slots=True)
class _Place:
    """Lines that stand at the same height in the same size of type."""

    lines: list[Caption] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Time on screen."""
        return sum(line.duration_seconds for line in self.lines)

    @property
    def changes(self) -> bool:
        """Tell whether different texts follow each other."""
        return any(
            not same_text(first.text, second.text)
            and (first.end_frame <= second.start_frame or second.end_frame <= first.start_frame)
            for number, first in enumerate(self.lines)
            for second in self.lines[:number]
        )


def of_the_caption_bands(lines: list[Caption]) -> list[Caption]:
    """Return the lines that are captions, wherever they stand in the picture.

    Captions change at a steady place, and at least one of them comes or goes in the midst of a shot. Where nothing
    changes, a text that came or went in the midst of a shot is one.
    """
    places: list[_Place] = []
    for line in sorted((line for line in lines if line.is_laid_over), key=lambda line: -line.duration_seconds):
        for place in places:
            if stand_alike(line, place.lines[0]) and is_aligned(line, place.lines[0]):
                place.lines.append(line)
                break
        else:
            places.append(_Place([line]))
    for line in lines:
        for place in places:
            if not line.is_laid_over and stand_alike(line, place.lines[0]) and is_aligned(line, place.lines[0]):
                place.lines.append(line)
                break
    changing = [place for place in places if place.changes] or places
    most = max((place.seconds for place in changing), default=0.0)
    chosen = [line for place in changing if place.seconds >= _MIN_TIME_SHARE * most for line in place.lines]
    return chosen + [
        line
        for line in lines
        if not any(line is other for other in chosen) and any(come_and_go_together(line, other) for other in chosen)
    ]
