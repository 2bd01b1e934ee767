"""The windows of one shot as they are filled between two renewals, and how two such fills are shown as one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np

from domain.job import Quality
from domain.renewals import BLEND_FRAMES, SETTLED_FRAMES, Span
from gpu_worker.fill.lane import Done, Lane, Method, fill_lane, open_lane
from gpu_worker.fill.learned import LearnedFill
from gpu_worker.fill.overlays import Overlay, Subject
from gpu_worker.fill.redo import Chunk, review
from gpu_worker.fill.second_look import OverlayFill, SecondLook
from gpu_worker.fill.windows import Window, plan_windows
from gpu_worker.video.frame import Frame, Patch, Plane

#: Frames held at once: as many as fit into this, and no more than it takes to see a caption of four seconds whole.
_MEMORY_BYTES = 500_000_000
_MAX_WINDOW_FRAMES = 128
_MIN_WINDOW_FRAMES = 12
#: Per pixel of a window's surroundings: the planes twice and once filled, and for each estimate of motion two flows of
#: two float16 for every 2x2 block (for every pixel in Premium) and the luma that they are estimated on.
_PLANE_BYTES = 4.5
_MOTION_BYTES = 2.25
_MOTION_BYTES_THOROUGH = 9
#: Per pixel of a window's box and each estimate: where it comes from, in the frames behind it.
_TRAIL_BYTES = 14
_METHODS = {Quality.NORMAL: Method.NORMAL, Quality.PREMIUM: Method.PREMIUM}


@dataclass(frozen=True, slots=True)
class FillRules:
    """How a video is filled: all that is to go from it, and what ``erase`` was told of the way to do it."""

    overlays: tuple[Overlay, ...]
    quality: Quality
    pool: Executor
    second_look: SecondLook | None
    learned: LearnedFill | None
    window_frames: int | None


@dataclass(slots=True, eq=False)
class Crew:
    """One lane for each window of a shot. It remembers nothing of what was before its span begins.

    ``length`` is how many frames are looked at together, which like the windows is one for all spans of a shot.
    ``fills`` tell of each overlay what became of it in this span.
    """

    span: Span
    overlays: tuple[Overlay, ...]
    lanes: list[Lane]
    length: int
    second_look: SecondLook | None
    fills: dict[Subject, OverlayFill] = field(default_factory=dict)
    review_seconds: float = 0.0

    def is_active(self, frame_index: int) -> bool:
        """Tell whether any overlay is on screen."""
        return any(lane.window.is_active(frame_index) for lane in self.lanes)

    def active_frames(self, first_index: int, limit: int) -> int:
        """Return for how many frames on end, up to ``limit``, an overlay is on screen."""
        for count in range(limit):
            if not self.is_active(first_index + count):
                return count
        return limit

    def fill(self, before: list[Frame], frames: list[Frame], count: int) -> list[list[Done]]:
        """Return what the first ``count`` of neighbouring frames become: for each, one result a window with overlays.

        ``before`` are the last frames in front of them within the shot; those behind the first ``count`` only lend.
        """
        results = []
        for lane in self.lanes:
            chunk = Chunk(before, frames, lane.carried, lane.held)
            done = fill_lane(lane, before, frames, range(count))
            if self.second_look is not None:
                begun = time.perf_counter()
                review(lane, chunk, done, (self.overlays, self.second_look), self.fills)
                self.review_seconds += time.perf_counter() - begun
            results.append(done)
        return [[done[position] for done in results if position in done] for position in range(count)]

    def count(self, done: Sequence[Done]) -> None:
        """Put the results of one frame on the account of their overlays."""
        for result in done:
            for subject, pixels in result.pixels_of.items():
                fill = self.fills.setdefault(subject, OverlayFill())
                fill.frames += 1
                fill.pixels += pixels


def open_crew(span: Span, frame: Frame, rules: FillRules) -> Crew:
    """Return the crew of a span; ``frame`` is any of the video."""
    stop = span.shot_stop
    # Of the whole shot, so that all spans have the same windows, of the same length.
    overlays = tuple(
        overlay
        for overlay in rules.overlays
        if overlay.end_frame > span.shot_start and (stop is None or overlay.start_frame < stop)
    )
    growth = rules.second_look.growth if rules.second_look else 0
    lanes = [
        open_lane(Window(box, overlays, frame.width, frame.height), _METHODS[rules.quality], rules.pool, rules.learned)
        for box in plan_windows(overlays, frame.width, frame.height, growth)
    ]
    length = rules.window_frames or _affordable_frames(frame, lanes, rules.quality)
    return Crew(span, overlays, lanes, length, rules.second_look)


def _affordable_frames(frame: Frame, lanes: list[Lane], quality: Quality) -> int:
    """Return how many frames may be looked at together; 10-bit planes take twice the room."""
    estimates, motion = (2, _MOTION_BYTES_THOROUGH) if quality is Quality.PREMIUM else (1, _MOTION_BYTES)
    bytes_per_frame = float(frame.y.nbytes + frame.u.nbytes + frame.v.nbytes)
    for lane in lanes:
        box, around = lane.window.box, lane.window.surroundings
        bytes_per_frame += around.width * around.height * (_PLANE_BYTES * frame.y.itemsize + estimates * motion)
        bytes_per_frame += box.width * box.height * estimates * _TRAIL_BYTES
    return max(_MIN_WINDOW_FRAMES, min(_MAX_WINDOW_FRAMES, int(_MEMORY_BYTES / bytes_per_frame)))


def blended(old: Sequence[Done], new: Sequence[Done], frames_left: int) -> list[Done]:
    """Return one frame's results, on the way from a crew to the one that takes over after ``frames_left`` frames."""
    parts = BLEND_FRAMES + 1
    share = min(parts, max(0, parts + SETTLED_FRAMES - frames_left))
    return [replace(o, patch=_mixed(o.patch, n.patch, share, parts)) for o, n in zip(old, new, strict=True)]


def _mixed(old: Patch, new: Patch, share: int, parts: int) -> Patch:
    def mixed(before: Plane, after: Plane) -> Plane:
        total = before.astype(np.uint32) * np.uint32(parts - share) + after.astype(np.uint32) * np.uint32(share)
        return cast("Plane", ((total + np.uint32(parts // 2)) // np.uint32(parts)).astype(before.dtype))

    return Patch(old.box, mixed(old.y, new.y), mixed(old.u, new.u), mixed(old.v, new.v))
