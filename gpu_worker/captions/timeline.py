"""When each line of text is on screen: detected four times a second, followed frame by frame at its ends."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.captions.band import Picture
from gpu_worker.captions.detector import TextLine
from gpu_worker.captions.plate import Crossing
from gpu_worker.video.rect import Rect

_SAMPLE_PERIOD_SECONDS = 0.25
#: How far back a caption's first frame is looked for: the detector may miss it once while it fades in.
_HISTORY_SECONDS = 0.75
_MAX_HISTORY_FRAMES = 64
#: Correlation with the text's own strokes: above, the text is there; other text on the same line stays under 0.4.
_PRESENT_CORRELATION = 0.6
# A text that fades keeps its shape while its contrast falls: both bounds must hold for a frame to belong to a fade.
_FADING_CORRELATION = 0.3
_FADING_GAIN = 0.06
#: From one frame of a fade to the next the contrast falls at least by this factor; a still background does not.
_FADING_STEP = 0.98
#: A text that ends at more than this contrast was switched off, not faded out.
_FADED_GAIN = 0.6
_MAX_FRAMES_UNSEEN = 4
#: A text of this contrast, relative to what it settles at, has come in full.
_FULL_GAIN = 0.9
#: What a line may stand on is looked for this many line heights above and below: there may be lines beside it.
_SURROUNDINGS = 3.5
#: A text that another one is set over is followed by what still shows of it, if that is this share of its strokes.
_MIN_SHARE_BESIDE = 0.12
#: A line of which this share lies inside a text's rectangle is that text; what covers it reaches out of it.
_MOSTLY = 0.7
_WHOLLY = 0.9
_MAX_SAMPLES = 12


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """One frame of a band."""

    frame_index: int
    seconds: float
    picture: Picture


@dataclass(frozen=True, slots=True, eq=False)
class TrackedLine:
    """A line of text with its life: frames ``start_frame`` to ``end_frame`` (exclusive).

    It is there in full from ``full_start_frame`` to ``full_end_frame`` (exclusive) and fades in and out around that.
    ``samples`` show ``sample_rect`` of the band at moments spread over that life; ``crossings`` show ``surroundings``
    where it came and where it went, as far as the video shows that.
    """

    rect: Rect
    start_frame: int
    end_frame: int
    start_seconds: float
    end_seconds: float
    full_start_frame: int
    full_end_frame: int
    sample_rect: Rect
    samples: tuple[Picture, ...]
    surroundings: Rect
    crossings: tuple[Crossing, ...]
    score: float


class Strokes:
    """What a text looks like apart from its background: signed thin structures, and where they are.

    The template is the running mean over the text's life, in which a moving background fades away.
    """

    def __init__(self, picture: Picture, rect: Rect) -> None:
        self.rect = rect
        size = max(5, round(0.4 * rect.line_height) | 1)
        self._kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (size, size))
        self._template = self._hat(picture)
        self._count = 1
        self._weigh()

    def compare(self, picture: Picture, part: NDArray[np.bool_] | None = None) -> tuple[float, float]:
        """Return the correlation of a picture with the text (-1..1) and its contrast relative to the template's.

        ``part`` (h, w): the only strokes to look at.
        """
        hat = self._hat(picture)[self._where if part is None else part]
        hat -= hat.mean()
        centred = self._centred if part is None else self._template[part] - self._template[part].mean()
        product = float(hat @ centred)
        energy = float(centred @ centred) + 1e-3
        return product / float(np.sqrt((float(hat @ hat) + 1e-3) * energy)), product / energy

    def beside(self, covers: tuple[Rect, ...]) -> NDArray[np.bool_] | None:
        """Return where (h, w) strokes lie outside of some rectangles; None where that is too little to go by."""
        where = self._where.copy()
        for cover in covers:
            common = self.rect.meet(cover)
            # What lies wholly inside is what still shows of this text.
            if 0 < common.area < _WHOLLY * cover.area:
                where[
                    common.y0 - self.rect.y0 : common.y1 - self.rect.y0,
                    common.x0 - self.rect.x0 : common.x1 - self.rect.x0,
                ] = False
        if not _MIN_SHARE_BESIDE <= where.sum() / max(1, self._where.sum()) < 1:
            return None
        return where

    def learn(self, picture: Picture) -> None:
        """Take another moment of the same text into the template."""
        self._count = min(self._count + 1, 8)
        self._template += (self._hat(picture) - self._template) / self._count
        self._weigh()

    def _hat(self, picture: Picture) -> NDArray[np.float32]:
        part = picture.y[self.rect.y0 : self.rect.y1, self.rect.x0 : self.rect.x1]
        bright = cv2.morphologyEx(part, cv2.MORPH_TOPHAT, self._kernel)
        dark = cv2.morphologyEx(part, cv2.MORPH_BLACKHAT, self._kernel)
        return np.asarray(cv2.subtract(bright, dark, dtype=cv2.CV_32F), dtype=np.float32)

    def _weigh(self) -> None:
        magnitude = np.minimum(np.abs(self._template), 255).astype(np.uint8)
        threshold, _ = cv2.threshold(magnitude, 0, 255, cv2.THRESH_OTSU)
        strokes = (magnitude > threshold).astype(np.uint8)
        reach = max(3, round(0.15 * self.rect.line_height) | 1)
        self._where = cv2.dilate(strokes, np.ones((reach, reach), np.uint8)).astype(bool)
        inside = self._template[self._where]
        self._centred = inside - inside.mean()


@dataclass(slots=True, eq=False)
class _Track:
    strokes: Strokes
    score: float
    start_frame: int
    start_seconds: float
    last: Moment
    sample_rect: Rect
    surroundings: Rect
    #: From the first frame to the one in which it was detected, with its contrast; empty once it has settled.
    coming: list[tuple[Moment, float]]
    before: Picture | None
    full_start_frame: int
    #: The last moment at which the text was seen in full.
    full: Moment
    samples: list[Picture] = field(default_factory=list)
    crossings: list[Crossing] = field(default_factory=list)
    stride: int = 1
    seen: int = 0
    is_covered: bool = False

    def keep_sample(self, picture: Picture) -> None:
        """Keep moments evenly spread over a life of unknown length: when full, every other goes."""
        if self.seen % self.stride == 0:
            self.samples.append(picture.crop(self.sample_rect))
            if len(self.samples) > _MAX_SAMPLES:
                self.samples = self.samples[::2]
                self.stride *= 2
        self.seen += 1

    def settle(self, gain: float) -> None:
        """Find the first frame in which the text is there in full, given the contrast to which it has come."""
        if not self.coming:
            return
        faint = [number for number, (_, seen) in enumerate(self.coming) if seen < _FULL_GAIN * gain]
        first = faint[-1] + 1 if faint else 0
        full = self.coming[min(first, len(self.coming) - 1)][0]
        # Frames before the first one measured belong to the fade, too faint as they are.
        self.full_start_frame = full.frame_index if first else self.start_frame
        if self.before is not None:
            self.crossings.append(Crossing(self.before, full.picture.crop(self.surroundings)))
        self.coming = []
        self.before = None


class Timeline:
    """Follows the lines of text of one band; memory is bounded by the history and by the lines on screen.

    Args:
        find_lines: the text detector.
        is_wanted: tells whether a line at a rectangle and a time is to be followed at all.
        on_ended: takes each line once it has left the screen, in the order of leaving.
    """

    def __init__(
        self,
        find_lines: Callable[[Picture], tuple[TextLine, ...]],
        is_wanted: Callable[[Rect, float], bool],
        on_ended: Callable[[TrackedLine], None],
    ) -> None:
        self._find_lines = find_lines
        self._is_wanted = is_wanted
        self._on_ended = on_ended
        self._history: deque[Moment] = deque(maxlen=_MAX_HISTORY_FRAMES)
        self._tracks: list[_Track] = []
        self._next_sample_seconds = 0.0
        self._sampled_frame = -1

    def process(self, moment: Moment) -> None:
        """Take the next frame of the band."""
        # A history full of unsampled frames (very high frame rates) must be looked at before it forgets the first.
        unsampled = moment.frame_index - self._sampled_frame
        self._history.append(moment)
        if moment.seconds >= self._next_sample_seconds - 1e-6 or unsampled >= _MAX_HISTORY_FRAMES // 2:
            self._sample(moment)
            while self._history[0].seconds < moment.seconds - _HISTORY_SECONDS:
                self._history.popleft()

    def flush(self, end_frame: int, end_seconds: float) -> None:
        """End what is still on screen; ``end_frame`` is the number of frames of the video."""
        if self._history and self._history[-1].frame_index > self._sampled_frame:
            self._sample(self._history[-1])
        for track in self._tracks:
            self._end(track, end_frame, end_seconds, end_frame)
        self._tracks.clear()
        self._history.clear()

    def _sample(self, moment: Moment) -> None:
        lines = self._find_lines(moment.picture)
        covers = tuple(line.rect for line in lines)
        self._tracks = [track for track in self._tracks if self._follow(track, moment, covers)]
        for line in lines:
            if self._is_wanted(line.rect, moment.seconds) and not self._is_followed(line.rect):
                self._begin(line, moment)
        self._sampled_frame = moment.frame_index
        self._next_sample_seconds = moment.seconds + _SAMPLE_PERIOD_SECONDS

    def _is_followed(self, rect: Rect) -> bool:
        return any(
            track.strokes.rect.meet(rect).area > (_WHOLLY if track.is_covered else _MOSTLY) * rect.area
            for track in self._tracks
        )

    def _begin(self, line: TextLine, moment: Moment) -> None:
        strokes = Strokes(moment.picture, line.rect)
        walk = _Walk(strokes, moment)
        unseen = 0
        for earlier in reversed(self._history):
            if earlier.frame_index >= moment.frame_index:
                continue
            if not self._is_wanted(line.rect, earlier.seconds):
                break
            if not walk.goes_on(earlier):
                unseen = walk.frames_unseen
                break
        start_frame = max(0, walk.last.frame_index - unseen)
        start_seconds = max(0.0, walk.last.seconds - unseen * walk.seconds_per_frame)
        rect = line.rect
        margin = round(0.35 * rect.line_height) + 8
        grown = rect.grow(margin, moment.picture.bounds)
        sample_rect = Rect(grown.x0 // 2 * 2, grown.y0 // 2 * 2, grown.x1, grown.y1)
        surroundings = _surroundings(rect, moment.picture.bounds)
        before = self._moment(start_frame - 1)
        track = _Track(
            strokes=strokes,
            score=line.score,
            start_frame=start_frame,
            start_seconds=start_seconds,
            last=moment,
            sample_rect=sample_rect,
            surroundings=surroundings,
            coming=[*reversed(walk.steps), (moment, 1.0)],
            before=None if before is None else before.picture.crop(surroundings),
            full_start_frame=start_frame,
            full=moment,
        )
        track.keep_sample(moment.picture)
        self._tracks.append(track)

    def _follow(self, track: _Track, moment: Moment, covers: tuple[Rect, ...]) -> bool:
        """Return whether the text is still there; where not, find its last frame and end it."""
        correlation, gain = track.strokes.compare(moment.picture)
        if correlation > _PRESENT_CORRELATION and self._is_wanted(track.strokes.rect, moment.seconds):
            self._settle(track, gain)
            # A text caught while it fades in would else be compared with its own faint beginning.
            if gain > _FULL_GAIN:
                track.strokes.learn(moment.picture)
                track.full = moment
            track.keep_sample(moment.picture)
            track.last = moment
            track.is_covered = False
            return True
        walk = _Walk(track.strokes, track.last, track.strokes.beside(covers))
        for later in self._history:
            if later.frame_index <= track.last.frame_index:
                continue
            if not self._is_wanted(track.strokes.rect, later.seconds):
                self._end(track, later.frame_index, later.seconds, later.frame_index)
                return False
            if not walk.goes_on(later):
                unseen = walk.frames_unseen
                end_frame = later.frame_index + unseen
                full = self._gone(track, walk, end_frame)
                self._end(track, end_frame, later.seconds + unseen * walk.seconds_per_frame, full)
                return False
        track.last = moment
        track.is_covered = walk.is_covered
        return True

    def _settle(self, track: _Track, gain: float) -> None:
        if track.coming and track.coming[-1][1] < _FULL_GAIN * gain:
            # It was detected before it had come in full.
            detected = track.coming[-1][0].frame_index
            later = [moment for moment in self._history if moment.frame_index > detected]
            track.coming += [(moment, track.strokes.compare(moment.picture)[1]) for moment in later]
        track.settle(gain)

    def _gone(self, track: _Track, walk: _Walk, end_frame: int) -> int:
        """Note what the band looks like without a text that went; return the end of the frames that have it full."""
        full = track.full
        gains = {step.frame_index: gain for step, gain in walk.steps}
        for moment in self._history:
            if full.frame_index < moment.frame_index <= walk.last.frame_index:
                gain = gains.get(moment.frame_index) or track.strokes.compare(moment.picture)[1]
                if gain < _FULL_GAIN:
                    break
                full = moment
        without = self._moment(end_frame)
        if without is not None and not walk.is_covered:
            place = track.surroundings
            track.crossings.append(Crossing(without.picture.crop(place), full.picture.crop(place)))
        # Where nothing was seen of a fade, there was none.
        return full.frame_index + 1

    def _moment(self, frame_index: int) -> Moment | None:
        return next((moment for moment in self._history if moment.frame_index == frame_index), None)

    def _end(self, track: _Track, end_frame: int, end_seconds: float, full_end_frame: int) -> None:
        track.settle(1.0)
        self._on_ended(
            TrackedLine(
                rect=track.strokes.rect,
                start_frame=track.start_frame,
                end_frame=end_frame,
                start_seconds=track.start_seconds,
                end_seconds=end_seconds,
                full_start_frame=track.full_start_frame,
                full_end_frame=full_end_frame,
                sample_rect=track.sample_rect,
                samples=tuple(track.samples),
                surroundings=track.surroundings,
                crossings=tuple(track.crossings),
                score=track.score,
            )
        )


class _Walk:
    """Goes from a frame with a text, frame by frame in either direction, to where the text ends, in full or fading."""

    def __init__(self, strokes: Strokes, start: Moment, beside: NDArray[np.bool_] | None = None) -> None:
        self._strokes = strokes
        self._beside = beside
        self._gains = [1.0]
        #: The frames gone through, nearest first, and the contrast of the text in each.
        self.steps: list[tuple[Moment, float]] = []
        #: Whether another text was set over this one, of which only a part was still to be seen.
        self.is_covered = False
        self.last = start
        self.seconds_per_frame = 0.0

    def goes_on(self, moment: Moment) -> bool:
        """Tell whether the next frame shows the text too."""
        correlation, gain = self._strokes.compare(moment.picture)
        fades = correlation > _FADING_CORRELATION and _FADING_GAIN < gain < self._gains[-1] * _FADING_STEP
        if correlation <= _PRESENT_CORRELATION and not fades:
            return self._shows_beside(moment)
        self._gains = [self._gains[-1], gain]
        self.steps.append((moment, gain))
        self.seconds_per_frame = abs(moment.seconds - self.last.seconds)
        self.last = moment
        return True

    def _shows_beside(self, moment: Moment) -> bool:
        if self._beside is None:
            return False
        correlation, _ = self._strokes.compare(moment.picture, self._beside)
        if correlation <= _PRESENT_CORRELATION:
            return False
        self.is_covered = True
        self.last = moment
        return True

    @property
    def frames_unseen(self) -> int:
        """Frames beyond the last one seen on which a fade that keeps its pace leaves a trace too faint to measure."""
        step = self._gains[0] - self._gains[-1]
        if self._gains[-1] > _FADED_GAIN or step <= 0:
            return 0
        return min(_MAX_FRAMES_UNSEEN, max(0, round(self._gains[-1] / step) - 1))


def _surroundings(rect: Rect, bounds: Rect) -> Rect:
    """Return the part of the band in which a plate behind a line may lie: as long as it gets, and some lines high."""
    reach = round(_SURROUNDINGS * rect.line_height)
    if rect.width >= rect.height:
        grown = Rect(0, rect.y0 - reach, bounds.x1, rect.y1 + reach).meet(bounds)
    else:
        grown = Rect(rect.x0 - reach, 0, rect.x1 + reach, bounds.y1).meet(bounds)
    return Rect(grown.x0 // 2 * 2, grown.y0 // 2 * 2, grown.x1, grown.y1)
