"""Marks that turn or pulse: inside a place that stays, the picture repeats, whatever goes on around it.

A loop has no edge that stays, so it is looked for in time: how each pixel changes from frame to frame is compared with
itself some frames later, in pieces of the video of some seconds, at a size at which that costs little. What is behind
changes as well, but not the same way again, and a cut only once. A picture that repeats as a whole, and a thing that
moves to and fro before a camera that stands still, prove nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.icons.sample import Scale, shrunk
from gpu_worker.icons.shapes import reached_from
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
#: Mean square of changes, in squared levels, below which they are none.
_STILL = 0.25
#: A pixel changes if it does so by at least so many levels from frame to frame, as root mean square.
_MIN_LEVELS = 1.0
#: What is around moves if it differs from its mean by at least so many levels.
_LIVELY_LEVELS = 3.0
#: It repeats if it correlates with itself by this much a round later, and a second one; and has differed in between.
_REPEATS, _REPEATS_AGAIN, _DIFFERS_BY, _ABOUT = 0.55, 0.45, 0.4, 0.1
#: What hangs together with pixels that repeat is part of the mark from here on: it is seen there for part of a round.
_PARTLY_REPEATS = 0.35
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

    ``turns`` (period, h, w) is how it changes up to each frame of a round in coarse, in the pixels of ``coarse``; the
    first one is that of frame ``first_frame``. ``is_calm`` says that the picture around it stands still.
    """

    rect: Rect
    coarse: Rect
    period: int
    likeness: float
    turns: _Courses
    first_frame: int
    is_calm: bool

    def phase_of(self, index: int) -> int:
        """Return which part of a round a frame shows."""
        return (index - self.first_frame) % self.period

    def gain_in(self, change: _Courses, index: int) -> float:
        """Return how much of its turn up to a frame is in what changed in coarse: 1 for as strong as it was found."""
        turn = self.turns[self.phase_of(index)]
        return float((change[self.coarse.slices] * turn).sum()) / max(1e-3, float((turn * turn).sum()))


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
    seen = _Changes.of(courses, first_frame)
    likeness = seen.likeness
    # Peaks before which the pixel was different; of those that are about as high, the first: two rounds are one twice.
    before = np.minimum.accumulate(likeness, axis=0)
    peaks = np.where(likeness - before >= _DIFFERS_BY, likeness, np.float32(-1))
    peaks[1:-1][(likeness[1:-1] < likeness[:-2]) | (likeness[1:-1] < likeness[2:])] = -1
    candidates = peaks[_SHORTEST:-1]
    highest = candidates.max(axis=0)
    repeating = (seen.power >= _MIN_LEVELS**2) & (highest >= _REPEATS)
    lags = _SHORTEST + (candidates >= highest - _ABOUT).argmax(axis=0)
    votes = np.bincount(lags[repeating], minlength=1)
    loops: list[Loop] = []
    for lag in np.argsort(-votes)[:_TRIED_LAGS]:
        if votes[lag] < _MIN_PIXELS // 2:
            break
        # Both halves of a turn may look alike, but for some of it.
        for rounds in (1, 2):
            if rounds * lag < len(likeness):
                loops = _larger_of(loops, _loops_of(int(rounds * lag), seen, scale))
        if loops:
            break
    return loops


@dataclass(frozen=True, slots=True, eq=False)
class _Changes:
    """How the pixels of a piece of the video change: ``steps`` (n, h, w), the first one up to frame ``first_frame``.

    ``power`` (h, w) is their mean square, ``likeness`` (lags, h, w) how like itself each pixel changes so many frames
    later. ``spread`` (h, w) is the variance of each pixel, and ``is_calm`` says that most of the picture stands still.
    """

    steps: _Courses
    power: NDArray[np.float32]
    likeness: _Courses
    spread: NDArray[np.float32]
    first_frame: int
    is_calm: bool

    @classmethod
    def of(cls, courses: _Courses, first_frame: int) -> _Changes:
        """Return the changes of courses (n + 1, h, w), of which the first is that of frame ``first_frame``."""
        steps, spread = np.diff(courses, axis=0), courses.var(axis=0)
        is_calm = bool(spread.sum() < _RESTLESS * (courses**2).mean(axis=0).sum())
        return cls(steps, (steps**2).mean(axis=0), _likeness_by_lag(steps), spread, first_frame + 1, is_calm)

    def repeating_after(self, lag: int) -> NDArray[np.bool_]:
        """Return which pixels (h, w) repeat, and what hangs together with them and does so in part."""
        surely, partly = self.likeness[lag] >= _REPEATS, self.likeness[lag] >= _PARTLY_REPEATS
        if 2 * lag < len(self.likeness):
            surely &= self.likeness[2 * lag] >= _REPEATS_AGAIN
        changing = self.power >= _MIN_LEVELS**2
        return reached_from(surely & changing, partly & changing)


def _larger_of(loops: list[Loop], more: list[Loop]) -> list[Loop]:
    """Return loops with those of another period, where they are larger by a quarter than those that they lie on."""
    chosen = list(loops)
    for loop in more:
        same = [other for other in chosen if loop.rect.meet(other.rect).area > 0]
        if all(loop.rect.area > 1.25 * other.rect.area for other in same):
            chosen = [other for other in chosen if not any(other is one for one in same)] + [loop]
    return chosen


def _likeness_by_lag(changes: _Courses) -> _Courses:
    """Return how like itself each pixel with its neighbours changes so many frames later (lags, h, w), -1 to 1."""
    count, height, width = changes.shape
    longest = count // _ROUNDS
    likeness = np.empty((longest + 1, height, width), np.float32)
    energy = cv2.blur((changes**2).sum(axis=0), (3, 3)) / count
    for row in range(height):
        spectrum = np.fft.rfft(changes[:, row], 2 * count, axis=0)
        likeness[:, row] = np.fft.irfft(np.abs(spectrum) ** 2, axis=0)[: longest + 1]
    for lag in range(longest + 1):
        likeness[lag] = cv2.blur(likeness[lag], (3, 3)) / (count - lag) / np.maximum(energy, _STILL)
    return likeness


def _loops_of(lag: int, seen: _Changes, scale: Scale) -> list[Loop]:
    power = seen.power
    there = seen.repeating_after(lag)
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
        # After half a round, a picture that repeats as a whole may not look like itself; after twice as long it does.
        around = max(_mean_likeness(each, power, ring) for each in seen.likeness[lag::lag][:2])
        is_lively = float(np.median(seen.spread[ring])) >= _LIVELY_LEVELS**2
        alike = _mean_likeness(seen.likeness[lag], power, mine)
        coarse = rect.grow(2, bounds)
        turns = np.stack([seen.steps[(slice(phase, None, lag), *coarse.slices)].mean(axis=0) for phase in range(lag)])
        is_surely_a_mark = alike >= _EXACTLY and _is_in_corner(rect, bounds) and _changes_all_along(turns)
        stands_still = seen.is_calm or not is_lively
        if (is_lively and around > _MAX_AROUND) or (stands_still and not is_surely_a_mark):
            continue
        factor = scale.factor
        full = Rect(*(round(side * factor) for side in (coarse.x0, coarse.y0, coarse.x1, coarse.y1)))
        loops.append(Loop(full, coarse, lag, alike, turns, seen.first_frame, stands_still))
    return loops


def _mean_likeness(likeness: _Courses, power: NDArray[np.float32], where: NDArray[np.bool_]) -> float:
    """Return how like themselves some pixels (h, w) change, each weighted by how much it does."""
    return float((likeness * power)[where].sum() / max(1e-3, float(power[where].sum())))


def _changes_all_along(turns: _Courses) -> bool:
    """Tell whether a round's looks go over into each other, of whose changes (n, h, w) are told: a lamp has but two."""
    energies = (turns**2).sum(axis=(1, 2))
    return bool((energies >= _STEP_SHARE * energies.max()).mean() >= _STEPS)


def _is_in_corner(rect: Rect, bounds: Rect) -> bool:
    x, y = (rect.x0 + rect.x1) / 2 / bounds.width, (rect.y0 + rect.y1) / 2 / bounds.height
    return max(min(x, 1 - x), min(y, 1 - y)) <= _CORNER_SHARE
