"""Removes captions from a stream of frames: same frames, same order, and the patches that replace what was covered."""

from __future__ import annotations

import ctypes
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from domain.detection import Box, CaptionEvent, Shot
from domain.job import Quality
from gpu_worker.fill.chunk import Filled, Surroundings, fill_chunk
from gpu_worker.fill.motion import MotionEstimator, PairMotion, View
from gpu_worker.fill.windows import Occlusion, Window, plan_windows
from gpu_worker.video.frame import Frame, Patch, Plane

__all__ = ["EraseReport", "erase", "plan_windows"]

#: Frames without caption on each side of a caption that lend their pixels: one shows all, a few outvote its noise.
LEND_FRAMES = 3
#: Frames held at once: as many as fit into this, and no more than it takes to see a caption of four seconds whole.
_MEMORY_BYTES = 500_000_000
_MAX_WINDOW_FRAMES = 128
_MIN_WINDOW_FRAMES = 32
#: Per pixel of a window's surroundings: two flows of two float16, the luma filled for them, the planes twice, the mask.
_BYTES_PER_SURROUNDING_PIXEL = 14


@dataclass(slots=True)
class EraseReport:
    """What the fill did; complete once the iterator is exhausted. Pixels are luma pixels, summed over frames."""

    frames: int = 0
    frames_changed: int = 0
    pixels_masked: int = 0
    pixels_from_frames: int = 0
    seconds: float = 0.0

    @property
    def pixels_from_beside(self) -> int:
        """Masked pixels that no frame revealed, filled from their surroundings."""
        return self.pixels_masked - self.pixels_from_frames

    @property
    def coverage(self) -> float:
        """Share of masked pixels that true pixels of other frames fill; 1.0 when nothing was masked."""
        return self.pixels_from_frames / self.pixels_masked if self.pixels_masked else 1.0


@dataclass(slots=True, eq=False)
class _Lane:
    """One window and what it remembers from chunk to chunk: bounded by a chunk's length."""

    window: Window
    estimator: MotionEstimator
    second_estimator: MotionEstimator | None
    views: dict[int, View] = field(default_factory=dict)
    motions: dict[int, PairMotion] = field(default_factory=dict)
    #: The last frame filled, which lends the pixels that were revealed before it.
    carried: tuple[int, Surroundings] | None = None

    def forget_before(self, frame_index: int) -> None:
        self.views = {index: view for index, view in self.views.items() if index >= frame_index - 1}
        self.motions = {index: motion for index, motion in self.motions.items() if index >= frame_index}


def erase(
    frames: Iterable[Frame],
    events: tuple[CaptionEvent, ...],
    shots: tuple[Shot, ...],
    quality: Quality = Quality.NORMAL,
    *,
    report: EraseReport | None = None,
    window_frames: int | None = None,
) -> Iterator[tuple[Frame, tuple[Patch, ...]]]:
    """Yield every frame with its patches, one per window that has a caption on screen.

    Memory is bounded: at most ``window_frames + LEND_FRAMES`` frames and their motion are held at a time. Luma outside
    the captions' masks is bit-identical to the frame's, and so is chroma more than ``CHROMA_BLEED`` samples away from
    them. No pixel comes from another shot.

    Args:
        frames: consecutive frames of the video or of a piece of it; ``Frame.index`` counts from the video's first.
        events: captions, with masks.
        shots: hard cuts are walls; frames outside all shots belong to none.
        quality: Premium looks twice: motion is estimated once more on the first result, and both estimates are used.
        report: is filled in while frames pass.
        window_frames: frames looked at together; by default as many as fit into half a gigabyte, at most 128.

    Raises:
        ValueError: when an event's mask cannot be decoded.
    """
    report = report if report is not None else EraseReport()
    stream = _Stream(iter(frames))
    first = stream.peek()
    if first is None:
        return
    lanes = [
        _lane(Window(box, events, first.width, first.height), quality)
        for box in plan_windows(events, first.width, first.height)
    ]
    length = window_frames or _affordable_frames(first, lanes)
    starts = sorted(shot.start_frame for shot in shots)
    lent: deque[Frame] = deque(maxlen=LEND_FRAMES)
    while (frame := stream.peek()) is not None:
        report.frames += 1
        if not any(lane.window.is_active(frame.index) for lane in lanes):
            stream.take()
            lent.append(frame)
            yield frame, ()
            continue
        begun = time.perf_counter()
        wall = next((start for start in starts if start > frame.index), None)
        here = next((start for start in reversed(starts) if start <= frame.index), 0)
        before = [earlier for earlier in lent if earlier.index >= here]
        _return_freed_memory()
        window = stream.look(min(length, _active_frames(frame.index, length, lanes) + LEND_FRAMES), wall)
        active = _active_frames(frame.index, len(window), lanes)
        # A caption that does not end within the window is done by halves: the other half shows what is to come.
        core = window[: active if active < length else max(1, length // 2)]
        results = [_fill_lane(lane, before, window, len(core), report) for lane in lanes]
        report.seconds += time.perf_counter() - begun
        report.frames += len(core) - 1
        report.frames_changed += len(core)
        for position, done in enumerate(core):
            stream.take()
            lent.append(done)
            yield done, tuple(result[position] for result in results if position in result)


def _return_freed_memory() -> None:
    """Hand back what is free: glibc keeps it per thread, and what detection or the last window left is never reused."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


class _Stream:
    """Frames that can be looked at before they are taken."""

    def __init__(self, frames: Iterator[Frame]) -> None:
        self._frames = frames
        self._waiting: deque[Frame] = deque()

    def peek(self) -> Frame | None:
        ahead = self.look(1, None)
        return ahead[0] if ahead else None

    def look(self, count: int, wall: int | None) -> list[Frame]:
        """Return up to ``count`` next frames, none at or behind frame number ``wall``."""
        while len(self._waiting) < count and (wall is None or not self._waiting or self._waiting[-1].index < wall):
            frame = next(self._frames, None)
            if frame is None:
                break
            self._waiting.append(frame)
        near = list(self._waiting)[:count]
        return near if wall is None else [frame for frame in near if frame.index < wall]

    def take(self) -> None:
        self._waiting.popleft()


def _lane(window: Window, quality: Quality) -> _Lane:
    size = window.surroundings.height, window.surroundings.width
    premium = quality is Quality.PREMIUM
    return _Lane(
        window=window,
        estimator=MotionEstimator(*size, thorough=premium),
        second_estimator=MotionEstimator(*size, thorough=True, holes_are_seen=True) if premium else None,
    )


def _affordable_frames(frame: Frame, lanes: list[_Lane]) -> int:
    """Return how many frames may be looked at together; 10-bit planes take twice the room."""
    surroundings = sum(lane.window.surroundings.width * lane.window.surroundings.height for lane in lanes)
    bytes_per_frame = frame.y.nbytes + frame.u.nbytes + frame.v.nbytes
    bytes_per_frame += surroundings * (_BYTES_PER_SURROUNDING_PIXEL + 3 * (frame.y.itemsize - 1))
    return max(_MIN_WINDOW_FRAMES, min(_MAX_WINDOW_FRAMES, _MEMORY_BYTES // bytes_per_frame))


def _active_frames(first_index: int, limit: int, lanes: list[_Lane]) -> int:
    """Return for how many frames on end, up to ``limit``, a caption is on screen."""
    for count in range(limit):
        if not any(lane.window.is_active(first_index + count) for lane in lanes):
            return count
    return limit


def _fill_lane(
    lane: _Lane, before: list[Frame], window: list[Frame], core_length: int, report: EraseReport
) -> dict[int, Patch]:
    """Return the patches of one window by position in the core."""
    patches: dict[int, Patch] = {}
    active = [position for position in range(core_length) if lane.window.is_active(window[position].index)]
    for run in _runs(active):
        cut_frames, first = _with_lenders(lane, before, window, run)
        filled = _fill_run(lane, cut_frames, first, run)
        for position, result in zip(range(run.start, run.stop), filled, strict=True):
            mask = result.surroundings.occlusion.mask
            report.pixels_masked += int(mask.sum())
            report.pixels_from_frames += int((mask & result.revealed).sum())
            patches[position] = _patch(lane.window, result.surroundings)
        last = window[run.stop - 1]
        lane.carried = (last.index, _lender(filled[-1]))
        lane.forget_before(last.index + 1)
    return patches


def _runs(positions: list[int]) -> list[range]:
    runs: list[range] = []
    for position in positions:
        if runs and runs[-1].stop == position:
            runs[-1] = range(runs[-1].start, position + 1)
        else:
            runs.append(range(position, position + 1))
    return runs


def _with_lenders(
    lane: _Lane, before: list[Frame], window: list[Frame], run: range
) -> tuple[list[tuple[int, Surroundings]], int]:
    """Return the frames of a run with those that lend it pixels, and the position of the run's first among them."""
    earlier = (before + window[: run.start])[-LEND_FRAMES:]
    until = run.stop
    while until < len(window) and lane.window.is_active(window[until].index):
        until += 1
    later = window[run.stop : min(len(window), until + LEND_FRAMES)]
    frames = [(frame.index, _surroundings(lane.window, frame)) for frame in earlier]
    if frames and lane.carried is not None and lane.carried[0] == frames[-1][0]:
        # What was filled a moment ago knows the pixels that were revealed long ago; older frames add nothing.
        frames = [lane.carried]
    first = len(frames)
    frames += [(frame.index, _surroundings(lane.window, frame)) for frame in window[run.start : run.stop] + later]
    return frames, first


def _fill_run(lane: _Lane, frames: list[tuple[int, Surroundings]], first: int, run: range) -> list[Filled]:
    wanted = range(first, first + len(run))
    pictures = [surroundings for _, surroundings in frames]
    motions = []
    for (index, earlier), (next_index, later) in pairwise(frames):
        if next_index not in lane.motions:
            view = lane.views.get(index) or earlier.view()
            lane.views[next_index] = later.view()
            lane.motions[next_index] = lane.estimator.estimate(view, lane.views[next_index])
        motions.append(lane.motions[next_index])
    if lane.second_estimator is None:
        return fill_chunk(pictures, [motions], wanted)
    guides = [
        View(_luma8(result.surroundings), result.surroundings.occlusion)
        for result in fill_chunk(pictures, [motions], range(len(pictures)))
    ]
    second = [lane.second_estimator.estimate(*pair) for pair in pairwise(guides)]
    return fill_chunk(pictures, [motions, second], wanted)


def _luma8(surroundings: Surroundings) -> NDArray[np.uint8]:
    return (surroundings.y >> (surroundings.bit_depth - 8)).astype(np.uint8)


def _lender(filled: Filled) -> Surroundings:
    """Return a filled frame as a source: covered only where nothing was revealed."""
    done = filled.surroundings
    return Surroundings(done.y, done.u, done.v, done.bit_depth, Occlusion(~filled.revealed))


def _cut(planes: tuple[Plane, Plane, Plane], box: Box) -> tuple[Plane, Plane, Plane]:
    luma = (slice(box.y0, box.y1), slice(box.x0, box.x1))
    chroma = (slice(box.y0 // 2, (box.y1 + 1) // 2), slice(box.x0 // 2, (box.x1 + 1) // 2))
    y, u, v = planes
    return y[luma].copy(), u[chroma].copy(), v[chroma].copy()


def _surroundings(window: Window, frame: Frame) -> Surroundings:
    planes = _cut((frame.y, frame.u, frame.v), window.surroundings)
    return Surroundings(*planes, frame.bit_depth, window.occlusion(frame.index))


def _patch(window: Window, filled: Surroundings) -> Patch:
    around, box = window.surroundings, window.box
    inner = Box(x0=box.x0 - around.x0, y0=box.y0 - around.y0, x1=box.x1 - around.x0, y1=box.y1 - around.y0)
    return Patch(box, *_cut(filled.planes, inner))
