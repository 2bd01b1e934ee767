"""Removes overlays from a stream of frames: same frames, same order, and the patches that replace what was covered."""

from __future__ import annotations

import ctypes
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from domain.detection import Box, Shot
from domain.job import Quality
from gpu_worker.fill.lane import LEND_FRAMES, Done, Lane, Method, fill_lane, open_lane
from gpu_worker.fill.learned import LearnedFill
from gpu_worker.fill.overlays import Overlay, Subject, SubjectKind
from gpu_worker.fill.redo import Chunk, review
from gpu_worker.fill.second_look import OverlayFill, SecondLook
from gpu_worker.fill.windows import Window, plan_windows
from gpu_worker.inference.session import core_count
from gpu_worker.video.frame import Frame, Patch
from gpu_worker.video.masks import Mask

__all__ = ["EraseReport", "erase", "plan_windows"]

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


@dataclass(slots=True)
class EraseReport:
    """What the fill did; complete once the iterator is exhausted. Pixels are luma pixels, summed over frames.

    ``pixels_painted`` are those of the masked that a network made up. ``pixels_seen_through`` lay behind veils and were
    worked out from what came through; they are not among the masked. ``fills`` tell the same of each caption and icon.
    ``outside_difference`` is the largest change, in levels, of a sample that no mask covers; ``review_seconds`` is the
    part of ``seconds`` that the second look took, refilling included.
    """

    frames: int = 0
    frames_changed: int = 0
    pixels_masked: int = 0
    pixels_from_frames: int = 0
    pixels_seen_through: int = 0
    pixels_painted: int = 0
    outside_difference: int = 0
    seconds: float = 0.0
    review_seconds: float = 0.0
    fills: dict[Subject, OverlayFill] = field(default_factory=dict)

    def of(self, kind: SubjectKind) -> dict[int, OverlayFill]:
        """Return what became of all captions, or of all icons, by their index."""
        return {subject.index: fill for subject, fill in sorted(self.fills.items()) if subject.kind is kind}

    @property
    def pixels_from_beside(self) -> int:
        """Masked pixels that no frame revealed, filled from their surroundings."""
        return self.pixels_masked - self.pixels_from_frames

    @property
    def coverage(self) -> float:
        """Share of masked pixels that true pixels of other frames fill; 1.0 when nothing was masked."""
        return self.pixels_from_frames / self.pixels_masked if self.pixels_masked else 1.0


def erase(
    frames: Iterable[Frame],
    overlays: tuple[Overlay, ...],
    shots: tuple[Shot, ...],
    quality: Quality = Quality.NORMAL,
    *,
    report: EraseReport | None = None,
    window_frames: int | None = None,
    second_look: SecondLook | None = None,
    learned: LearnedFill | None = None,
    tell_made_up: Callable[[int, Box, Mask], None] | None = None,
) -> Iterator[tuple[Frame, tuple[Patch, ...]]]:
    """Yield every frame with its patches, one per window that has an overlay on screen.

    Memory is bounded: at most ``window_frames + LEND_FRAMES`` frames and their motion are held at a time. Luma outside
    the overlays' masks is bit-identical to the frame's, and so is chroma more than ``CHROMA_BLEED`` samples away from
    them. No pixel comes from another shot.

    Args:
        frames: consecutive frames of the video or of a piece of it; ``Frame.index`` counts from the video's first.
        overlays: what is to go; their numbers differ.
        shots: hard cuts are walls; frames outside all shots belong to none.
        quality: Premium looks twice: motion is estimated once more on the first result, and both estimates are used.
        report: is filled in while frames pass.
        window_frames: frames looked at together; by default as many as fit into half a gigabyte, at most 128.
        second_look: judges each overlay's result; what fails is filled again, at most twice, and the better one stays.
        learned: has its part in what is made up where no frame reveals anything; Premium has it repaint what cannot be
            held as well. Without it, that is filled from beside.
        tell_made_up: is told each frame's number and what nothing showed of a patch's box, before it is yielded.
    """
    report = report if report is not None else EraseReport()
    stream = _Stream(iter(frames))
    first = stream.peek()
    if first is None:
        return
    with ThreadPoolExecutor(core_count()) as pool:
        lanes = [
            open_lane(Window(box, overlays, first.width, first.height), _METHODS[quality], pool, learned)
            for box in plan_windows(overlays, first.width, first.height, second_look.growth if second_look else 0)
        ]
        length = window_frames or _affordable_frames(first, lanes, quality)
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
            # An overlay that does not end within the window is done by halves: the other half shows what is to come.
            core = window[: active if active < length else max(1, length // 2)]
            results = []
            for lane in lanes:
                carried, held = lane.carried, lane.held
                done = fill_lane(lane, before, window, range(len(core)))
                if second_look is not None:
                    looked = time.perf_counter()
                    review(lane, Chunk(before, window, carried, held), done, (overlays, second_look), report.fills)
                    report.review_seconds += time.perf_counter() - looked
                results.append(done)
            _count(report, results)
            report.seconds += time.perf_counter() - begun
            report.frames += len(core) - 1
            report.frames_changed += len(core)
            for position, frame in enumerate(core):
                for result in results:
                    if position in result and tell_made_up is not None:
                        tell_made_up(frame.index, result[position].patch.box, result[position].made_up)
                stream.take()
                lent.append(frame)
                yield frame, tuple(result[position].patch for result in results if position in result)


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


def _affordable_frames(frame: Frame, lanes: list[Lane], quality: Quality) -> int:
    """Return how many frames may be looked at together; 10-bit planes take twice the room."""
    estimates, motion = (2, _MOTION_BYTES_THOROUGH) if quality is Quality.PREMIUM else (1, _MOTION_BYTES)
    bytes_per_frame = float(frame.y.nbytes + frame.u.nbytes + frame.v.nbytes)
    for lane in lanes:
        box, around = lane.window.box, lane.window.surroundings
        bytes_per_frame += around.width * around.height * (_PLANE_BYTES * frame.y.itemsize + estimates * motion)
        bytes_per_frame += box.width * box.height * estimates * _TRAIL_BYTES
    return max(_MIN_WINDOW_FRAMES, min(_MAX_WINDOW_FRAMES, int(_MEMORY_BYTES / bytes_per_frame)))


def _active_frames(first_index: int, limit: int, lanes: list[Lane]) -> int:
    """Return for how many frames on end, up to ``limit``, an overlay is on screen."""
    for count in range(limit):
        if not any(lane.window.is_active(first_index + count) for lane in lanes):
            return count
    return limit


def _count(report: EraseReport, results: list[dict[int, Done]]) -> None:
    """Add what was done to the report."""
    for result in results:
        for done in result.values():
            report.pixels_masked += done.pixels.masked
            report.pixels_from_frames += done.pixels.revealed
            report.pixels_seen_through += done.pixels.seen_through
            report.pixels_painted += done.pixels.painted
            for subject, pixels in done.pixels_of.items():
                fill = report.fills.setdefault(subject, OverlayFill())
                fill.frames += 1
                fill.pixels += pixels
            report.outside_difference = max(report.outside_difference, done.outside_difference)
