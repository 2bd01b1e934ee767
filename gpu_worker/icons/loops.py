"""Marks that turn or pulse: inside a place that stays, the picture repeats, whatever goes on around it.

A loop has no edge that stays, so it is looked for in time: each pixel's course is compared with itself some frames
later, in pieces of the video of some seconds, at a size at which that costs little. A picture that repeats as a whole,
and a thing that moves to and fro before a camera that stands still, prove nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.icons.sample import Scale, shrunk
from gpu_worker.video.frame import Frame
from gpu_worker.video.rect import Rect

#: Longest side at which courses are compared.
_LONGEST_SIDE = 160
#: Frames of a piece of the video: at most, and without which nothing is told; and pieces that are looked at: the first,
#: and whenever twice as many have passed.
_WINDOW_FRAMES, _MIN_FRAMES = 256, 90
#: The shortest loop, in frames; the longest is seen three times.
_SHORTEST, _ROUNDS = 8, 3
#: What is around is taken away over so many pixels: light that changes is no course.
_AROUND_PIXELS = 9
#: A course is one of at least so many levels.
_MIN_LEVELS = 3.0
#: It repeats if it correlates with itself by this much a round later, and a second one; and has differed in between.
_REPEATS, _REPEATS_AGAIN, _DIFFERS_BY, _ABOUT = 0.65, 0.55, 0.4, 0.1
#: Where the picture around repeats by this much too, it is no mark that does.
_MAX_AROUND = 0.3
#: Share of the picture's energy that changes, from which it moves as a whole. Before a camera that stands still lamps
#: and wheels go round as well: there a mark is what repeats by this much, frame by frame, in a corner: its middle lies
#: no further from the picture's sides than this share of it.
_RESTLESS = 0.6
_EXACTLY, _CORNER_SHARE = 0.8, 0.3
#: ... and that changes for this share of the round, by at least this share of the largest step's energy.
_STEPS, _STEP_SHARE = 0.4, 0.03
#: Lags that are tried, those of most pixels first.
_TRIED_LAGS = 3
#: What changes by less than this share of the strongest is no part of a loop.
_FAINT_SHARE = 0.06
#: Least pixels of a loop, and its largest share of the picture's width, height and area.
_MIN_PIXELS = 10
_MAX_WIDTH, _MAX_HEIGHT, _MAX_AREA = 0.4, 0.35, 0.06

_Courses = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Loop:
    """A place that repeats: ``rect`` in pixels of the video, ``period`` in frames, ``likeness`` of its rounds, 0-1.

    ``looks`` (period, h, w) is what it shows in each frame of a round in coarse, of the pixels of ``coarse``; the first
    look is that of frame ``first_frame``. ``is_calm`` says that the picture around it stands still.
    """

    rect: Rect
    coarse: Rect
    period: int
    likeness: float
    looks: _Courses
    first_frame: int
    is_calm: bool

    def phase_of(self, index: int) -> int:
        """Return which look a frame has."""
        return (index - self.first_frame) % self.period

    def gain_in(self, course: _Courses, index: int) -> float:
        """Return how much of a frame's look is seen in its coarse picture: 1 where it is as strong as it was found."""
        look = self.looks[self.phase_of(index)]
        return float((course[self.coarse.slices] * look).sum()) / max(1e-3, float((look * look).sum()))


class Loops:
    """Looks for loops in the frames of a video, which are given in order."""

    def __init__(self, width: int, height: int) -> None:
        share = min(1.0, _LONGEST_SIDE / max(width, height))
        self.scale = Scale((width, height), (max(1, round(width * share)), max(1, round(height * share))))
        self._courses: list[_Courses] = []
        self._first = 0
        self._windows = 0
        self._due = 1
        self._found: list[Loop] = []

    def process_frame(self, frame: Frame) -> None:
        """Take the next frame."""
        if not self._courses:
            self._first = frame.index
        self._courses.append(course_of(frame, self.scale))
        if len(self._courses) == _WINDOW_FRAMES:
            self._end_window()

    def flush(self) -> list[Loop]:
        """End the video, and return what repeats."""
        if len(self._courses) >= _MIN_FRAMES and not self._windows:
            self._end_window()
        return self._found

    def _end_window(self) -> None:
        self._windows += 1
        if self._windows == self._due:
            self._due *= 2
            for loop in _loops_in(np.stack(self._courses), self._first, self.scale):
                if not any(loop.rect.meet(other.rect).area > 0 for other in self._found):
                    self._found.append(loop)
        self._courses = []


def course_of(frame: Frame, scale: Scale) -> _Courses:
    """Return a frame as courses are compared in it: luma (h, w) in coarse, without what is around each pixel."""
    luma = shrunk(frame.y, scale.small, frame.bit_depth)
    return np.asarray(luma - cv2.blur(luma, (_AROUND_PIXELS, _AROUND_PIXELS)), dtype=np.float32)


def _loops_in(courses: _Courses, first_frame: int, scale: Scale) -> list[Loop]:
    changes = courses - courses.mean(axis=0)
    power = (changes**2).mean(axis=0)
    is_calm = bool(power.sum() < _RESTLESS * (courses**2).mean(axis=0).sum())
    likeness = _likeness_by_lag(changes)
    # Peaks before which the pixel was different; of those that are about as high, the first: two rounds are one twice.
    before = np.minimum.accumulate(likeness, axis=0)
    peaks = np.where(likeness - before >= _DIFFERS_BY, likeness, np.float32(-1))
    peaks[1:-1][(likeness[1:-1] < likeness[:-2]) | (likeness[1:-1] < likeness[2:])] = -1
    candidates = peaks[_SHORTEST:-1]
    highest = candidates.max(axis=0)
    repeating = (power >= _MIN_LEVELS**2) & (highest >= _REPEATS)
    lags = _SHORTEST + (candidates >= highest - _ABOUT).argmax(axis=0)
    votes = np.bincount(lags[repeating], minlength=1)
    loops: list[Loop] = []
    for lag in np.argsort(-votes)[:_TRIED_LAGS]:
        if votes[lag] < _MIN_PIXELS // 2:
            break
        # Both halves of a turn may look alike, but for some of it.
        for rounds in (1, 2):
            if rounds * lag < len(likeness):
                more = _loops_of(
                    int(rounds * lag), likeness, power, courses, first_frame=first_frame, scale=scale, is_calm=is_calm
                )
                loops = _larger_of(loops, more)
        if loops:
            break
    return loops


def _larger_of(loops: list[Loop], more: list[Loop]) -> list[Loop]:
    """Return loops with those of another period, where they are larger by a quarter than those that they lie on."""
    chosen = list(loops)
    for loop in more:
        same = [other for other in chosen if loop.rect.meet(other.rect).area > 0]
        if all(loop.rect.area > 1.25 * other.rect.area for other in same):
            chosen = [other for other in chosen if not any(other is one for one in same)] + [loop]
    return chosen


def _likeness_by_lag(changes: _Courses) -> _Courses:
    """Return how like itself each pixel with those next to it is, after each number of frames (lags, h, w), -1 to 1."""
    count, height, width = changes.shape
    longest = count // _ROUNDS
    likeness = np.empty((longest + 1, height, width), np.float32)
    energy = cv2.blur((changes**2).sum(axis=0), (3, 3)) / count
    for row in range(height):
        spectrum = np.fft.rfft(changes[:, row], 2 * count, axis=0)
        likeness[:, row] = np.fft.irfft(np.abs(spectrum) ** 2, axis=0)[: longest + 1]
    for lag in range(longest + 1):
        likeness[lag] = cv2.blur(likeness[lag], (3, 3)) / (count - lag) / np.maximum(energy, 1.0)
    return likeness


def _loops_of(
    lag: int,
    likeness: _Courses,
    power: NDArray[np.float32],
    courses: _Courses,
    *,
    first_frame: int,
    scale: Scale,
    is_calm: bool,
) -> list[Loop]:
    there = likeness[lag] >= _REPEATS
    if 2 * lag < len(likeness):
        there &= likeness[2 * lag] >= _REPEATS_AGAIN
    there &= power >= _MIN_LEVELS**2
    joined = cv2.morphologyEx(there.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    count, labels = cv2.connectedComponents(joined)
    height, width = there.shape
    bounds = Rect(0, 0, width, height)
    loops = []
    for label in range(1, count):
        mine = there & (labels == label)
        if mine.sum() < _MIN_PIXELS:
            continue
        # What is around was taken away: beside a loop that leaves a faint copy of it.
        mine &= power >= _FAINT_SHARE * np.percentile(power[mine], 90)
        x, y, wide, high = cv2.boundingRect(mine.astype(np.uint8))
        rect = Rect(x, y, x + wide, y + high)
        if mine.sum() < _MIN_PIXELS or wide > _MAX_WIDTH * width or high > _MAX_HEIGHT * height:
            continue
        if rect.area > _MAX_AREA * bounds.area or rect.grow(1, bounds).area < (wide + 2) * (high + 2):
            continue
        ring = np.zeros_like(there)
        ring[rect.grow(max(6, high), bounds).slices] = True
        ring[rect.grow(3, bounds).slices] = False
        around = float((likeness[lag] * power)[ring].sum() / max(1e-3, float(power[ring].sum())))
        is_lively = float(np.median(power[ring])) >= _MIN_LEVELS**2
        alike = float((likeness[lag] * power)[mine].sum() / power[mine].sum())
        coarse = rect.grow(2, bounds)
        looks = np.stack([courses[(slice(phase, None, lag), *coarse.slices)].mean(axis=0) for phase in range(lag)])
        is_surely_a_mark = alike >= _EXACTLY and _is_in_corner(rect, bounds) and _changes_all_along(looks)
        stands_still = is_calm or not is_lively
        if (is_lively and around > _MAX_AROUND) or (stands_still and not is_surely_a_mark):
            continue
        factor = scale.factor
        full = Rect(*(round(side * factor) for side in (coarse.x0, coarse.y0, coarse.x1, coarse.y1)))
        loops.append(Loop(full, coarse, lag, alike, looks, first_frame, stands_still))
    return loops


def _changes_all_along(looks: _Courses) -> bool:
    """Tell whether a round's looks (n, h, w) go over into each other: a lamp has but two of them."""
    steps = ((np.roll(looks, -1, axis=0) - looks) ** 2).sum(axis=(1, 2))
    return bool((steps >= _STEP_SHARE * steps.max()).mean() >= _STEPS)


def _is_in_corner(rect: Rect, bounds: Rect) -> bool:
    x, y = (rect.x0 + rect.x1) / 2 / bounds.width, (rect.y0 + rect.y1) / 2 / bounds.height
    return max(min(x, 1 - x), min(y, 1 - y)) <= _CORNER_SHARE
