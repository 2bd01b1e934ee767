"""Removes overlays from a stream of frames: same frames, same order, and the patches that replace what was covered."""

from __future__ import annotations

import ctypes
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from domain.detection import Box, Renewal, Shot
from domain.job import Quality
from domain.renewals import LEND_FRAMES, RenewalFrame, Span, spans_of
from gpu_worker.fill.crew import Crew, FillRules, blended, open_crew
from gpu_worker.fill.lane import Done
from gpu_worker.fill.learned import LearnedFill
from gpu_worker.fill.overlays import Overlay, Subject, SubjectKind
from gpu_worker.fill.second_look import OverlayFill, SecondLook
from gpu_worker.fill.windows import plan_windows
from gpu_worker.inference.machine import core_count
from gpu_worker.video.frame import Frame, Patch
from gpu_worker.video.masks import Mask

__all__ = ["EraseReport", "Piece", "erase", "plan_windows"]

#: What is done in one frame without an overlay.
_NOTHING: list[list[Done]] = [[]]


@dataclass(frozen=True, slots=True)
class Piece:
    """Which frames of a video are made: its ``own`` are counted, ``shown`` are some more of the same shots.

    It begins at a shot's start or at a renewal; frames before and behind it are context.
    """

    own: range
    shown: range


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

    def add(self, crew: Crew) -> None:
        """Take in what became of the overlays of one crew, if its frames were of this piece at all."""
        self.review_seconds += crew.review_seconds
        self._add_fills(crew.fills)

    def add_part(self, part: EraseReport) -> None:
        """Take in what was done in a part of the piece; its frames are counted where all of the piece pass."""
        self.frames_changed += part.frames_changed
        self.pixels_masked += part.pixels_masked
        self.pixels_from_frames += part.pixels_from_frames
        self.pixels_seen_through += part.pixels_seen_through
        self.pixels_painted += part.pixels_painted
        self.outside_difference = max(self.outside_difference, part.outside_difference)
        self.seconds += part.seconds
        self.review_seconds += part.review_seconds
        self._add_fills(part.fills)

    def _add_fills(self, fills: Mapping[Subject, OverlayFill]) -> None:
        for subject, fill in fills.items():
            if fill.frames:
                self.fills.setdefault(subject, OverlayFill()).add(fill)

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
    renewals: tuple[Renewal | RenewalFrame, ...] = (),
    piece: Piece | None = None,
    report: EraseReport | None = None,
    window_frames: int | None = None,
    second_look: SecondLook | None = None,
    learned: LearnedFill | None = None,
    threads: int | None = None,
    tell_made_up: Callable[[int, Box, Mask], None] | None = None,
) -> Iterator[tuple[Frame, tuple[Patch, ...]]]:
    """Yield every frame with its patches, one per window that has an overlay on screen.

    Memory is bounded: at most ``window_frames + LEND_FRAMES`` frames and their motion are held at a time. Luma outside
    the overlays' masks is bit-identical to the frame's, and so is chroma more than ``CHROMA_BLEED`` samples away from
    them. No pixel comes from another shot, and nothing is remembered from one shot to the next, nor over a renewal:
    what comes out of a piece is what comes out of the whole video there.

    Args:
        frames: consecutive frames of the video, or of a piece of it with its context: before it as many as its renewal
            asks for, behind it as many as are taken. ``Frame.index`` counts from the video's first.
        overlays: what is to go, at least in all shots that ``frames`` are of; their numbers differ.
        shots: hard cuts are walls; frames outside all shots belong to none.
        quality: Premium looks twice: motion is estimated once more on the first result, and both estimates are used.
        renewals: frames at which the fill starts anew, of the whole video.
        piece: is made, if not all of ``frames`` is.
        report: is filled in while frames pass.
        window_frames: frames looked at together; by default as many as fit into half a gigabyte, at most 128.
        second_look: judges each overlay's result; what fails is filled again, at most twice, and the better one stays.
        learned: has its part in what is made up where no frame reveals anything; Premium has it repaint what cannot be
            held as well. Without it, that is filled from beside.
        threads: how many share the work, by default as many as there are cores; the result is the same.
        tell_made_up: is told each frame's number and what nothing showed of a patch's box, before it is yielded.
    """
    report = report if report is not None else EraseReport()
    stream = _Stream(iter(frames))
    first = stream.peek()
    if first is None:
        return
    piece = piece or Piece(range(first.index, sys.maxsize), range(first.index, sys.maxsize))
    with ThreadPoolExecutor(threads or core_count()) as pool:
        rules = FillRules(overlays, quality, pool, second_look, learned, window_frames)
        waiting = deque(span for span in spans_of(shots, renewals) if span.stop is None or span.stop > piece.own.start)
        crews: list[Crew] = []
        lent: deque[Frame] = deque(maxlen=LEND_FRAMES)
        while (frame := stream.peek()) is not None and frame.index < piece.shown.stop:
            crews = _relieved(crews, waiting, frame, (rules, report))
            core, results = [frame], _NOTHING
            if not any(crew.is_active(frame.index) for crew in crews):
                report.frames += frame.index in piece.own
            else:
                begun = time.perf_counter()
                _return_freed_memory()
                core, results = _filled(crews, stream, lent, _next_turn(crews, waiting, frame.index))
                _count(report, crews[0], [done for f, done in zip(core, results, strict=True) if f.index in piece.own])
                report.seconds += time.perf_counter() - begun
            for frame, done in zip(core, results, strict=True):
                stream.take()
                lent.append(frame)
                if frame.index not in piece.shown:
                    continue
                if tell_made_up is not None:
                    for each in done:
                        tell_made_up(frame.index, each.patch.box, each.made_up)
                yield frame, tuple(each.patch for each in done)
        _relieved(crews, deque(), None, (rules, report))


def _relieved(
    crews: list[Crew], waiting: deque[Span], frame: Frame | None, parts: tuple[FillRules, EraseReport]
) -> list[Crew]:
    """Return the crews at work on ``frame``; who has no more to do, which is all without a frame, is reported."""
    rules, report = parts
    staying = [] if frame is None else [c for c in crews if c.span.stop is None or frame.index < c.span.stop]
    for crew in crews:
        if crew not in staying:
            report.add(crew)
    while frame is not None and waiting and waiting[0].begin <= frame.index:
        staying.append(open_crew(waiting.popleft(), frame, rules))
    return staying


def _next_turn(crews: list[Crew], waiting: deque[Span], frame_index: int) -> int:
    """Return the next frame at which a crew begins, is seen for the first time, or is no more."""
    turns = [turn for crew in crews for turn in (crew.span.start, crew.span.stop) if turn is not None]
    turns += [span.begin for span in waiting]
    return min((turn for turn in turns if turn > frame_index), default=sys.maxsize)


def _filled(
    crews: list[Crew], stream: _Stream, lent: Iterable[Frame], turn: int
) -> tuple[list[Frame], list[list[Done]]]:
    """Return the next frames, none at or behind frame number ``turn``, and the results of their windows."""
    crew, frame = crews[0], stream.look(1, None)[0]
    before = [earlier for earlier in lent if earlier.index >= crew.span.shot_start]
    most = min(crew.length, crew.active_frames(frame.index, crew.length) + LEND_FRAMES)
    window = stream.look(most, crew.span.shot_stop)
    active = crew.active_frames(frame.index, len(window))
    # An overlay that does not end within the window is done by halves: the other half shows what is to come.
    count = min(active if active < crew.length else max(1, crew.length // 2), turn - frame.index)
    core = window[:count]
    results, *following = [each.fill(before, window, len(core)) for each in crews]
    for other, successor in zip(following, crews[1:], strict=True):
        results = [
            blended(old, new, successor.span.start - frame.index)
            for frame, old, new in zip(core, results, other, strict=True)
        ]
    return core, results


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


def _count(report: EraseReport, crew: Crew, results: Sequence[Sequence[Done]]) -> None:
    """Add what was done, frame by frame, to the report and to the crew's own account."""
    for done in results:
        report.frames += 1
        report.frames_changed += 1
        crew.count(done)
        for each in done:
            report.pixels_masked += each.pixels.masked
            report.pixels_from_frames += each.pixels.revealed
            report.pixels_seen_through += each.pixels.seen_through
            report.pixels_painted += each.pixels.painted
            report.outside_difference = max(report.outside_difference, each.outside_difference)
