"""Fills one segment, in this process alone or with parts of it in others: Python does one thing at a time in each.

What comes out is the same: a part begins where the fill forgets what was before (docs/adr/0015).
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Protocol

import cv2

from domain.detection import Box, Detection
from domain.job import EraseSettings, Quality
from domain.planning import parts_of
from domain.renewals import merged
from domain.work_order import Segment
from gpu_worker.captions.detector import TextDetector
from gpu_worker.captions.finder import DETECTION_MODEL
from gpu_worker.fill.eraser import EraseReport, Piece, erase, plan_windows
from gpu_worker.fill.learned import open_learned_fill
from gpu_worker.fill.overlays import Overlay, SubjectKind
from gpu_worker.fill.second_look import SecondLook
from gpu_worker.fill.windows import CHROMA_BLEED, context_pixels
from gpu_worker.inference.machine import core_count, free_memory
from gpu_worker.inference.session import Device, open_session
from gpu_worker.review.judge import Judge
from gpu_worker.review.larger_mask import larger_mask
from gpu_worker.stages.lookahead import run_ahead, run_streams_abreast
from gpu_worker.stages.scope import kept_boxes
from gpu_worker.video.frame import Frame, Patch, with_rows_alone
from gpu_worker.video.halo import codec_halo
from gpu_worker.video.reader import FrameReader
from gpu_worker.video.source import VideoFacts

_DECODED_AHEAD = 8
#: A part is entered at a keyframe, and all from there is decoded: shorter ones would cost more than they bring.
_LEAST_PART_SECONDS = 3.0
#: What a process begins with takes as long as filling so many frames.
_LEAST_FRAMES = 50
#: A fill at 1080p takes less, in Premium as well.
_PROCESS_BYTES = 1_200_000_000
_MOST_PROCESSES = 8
#: Patches of a part that may wait until those before it are through.
_WAITING_BYTES = 64_000_000
_END_SECONDS = 5.0

#: A frame's number, and its patches.
Patched = tuple[int, tuple[Patch, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class FillTask:
    """One segment and how it is filled: all that another process has to know.

    ``fill_model`` is the name or path of the network that takes part, empty without one. ``shown`` are the frames that
    are made: the segment's own, and neighbours of it where they are needed.
    """

    path: Path
    facts: VideoFacts
    settings: EraseSettings
    device: Device
    fill_model: str
    detection: Detection
    overlays: tuple[Overlay, ...]
    segment: Segment
    shown: range

    def is_covered(self, frame_index: int) -> bool:
        """Tell whether anything of a frame is filled."""
        return any(overlay.is_on(frame_index) for overlay in self.overlays)

    def shown_of(self, part: Segment) -> range:
        """Return the frames that are made of a part: the neighbours of the segment are its outer parts'."""
        begins, ends = part.start_frame == self.segment.start_frame, part.end_frame == self.segment.end_frame
        return range(
            self.shown.start if begins else part.start_frame,
            self.shown.stop if ends else part.end_frame,
        )


def fill_segment(
    task: FillTask, report: EraseReport, processes: int | None = None
) -> Generator[tuple[Frame, tuple[Patch, ...]]]:
    """Yield the shown frames with their patches, as ``erase`` does; ``report`` is complete at the end.

    This process is one of at most so many ``processes``, by default of as many as pay.

    Raises:
        BadSourceError: one of its subclasses, when the source cannot be decoded again.
        ModelError: when a network cannot be opened.
        ChildProcessError: when another process was ended, for want of memory most likely.
    """
    parts = [
        part
        for part in parts_of(task.segment, task.detection, _LEAST_PART_SECONDS)
        if any(map(task.is_covered, task.shown_of(part)))
    ]
    count = min(len(parts), processes) if processes else _process_count(task, len(parts))
    if count <= 1:
        yield from _Filler(task, core_count()).filled(task.segment, report)
        return
    reports = [EraseReport() for _ in parts]
    threads = max(1, core_count() // count)
    here = _Filler(task, threads)
    others = [_Remote(task, threads) for _ in range(count - 1)]
    # The other processes end before the threads that wait for them: none of those would end sooner.
    with (
        closing(_patches([here, *others], parts, reports, _waiting_frames(task))) as patches,
        _ended_at_last(others),
        closing(_frames(task)) as frames,
    ):
        for frame in frames:
            report.frames += task.segment.start_frame <= frame.index < task.segment.end_frame
            if task.is_covered(frame.index):
                index, of_frame = next(patches)
                assert index == frame.index
                yield frame, of_frame
            else:
                yield frame, ()
        # What is left is only how each part ends.
        assert next(patches, None) is None
    for of_part in reports:
        report.add_part(of_part)


def _process_count(task: FillTask, parts: int) -> int:
    """Return how many processes fill, this one among them."""
    covered = sum(map(task.is_covered, task.shown))
    affordable = 1 + free_memory() // _PROCESS_BYTES
    return max(1, min(core_count(), _MOST_PROCESSES, parts, covered // _LEAST_FRAMES, affordable))


def _waiting_frames(task: FillTask) -> int:
    """Return of how many frames the patches may wait."""
    pixels = sum(box.width * box.height for box in plan_windows(task.overlays, task.facts.width, task.facts.height))
    return max(1, _WAITING_BYTES // (pixels * 3 // 2 * (1 if task.facts.bit_depth == 8 else 2)))


def _frames(task: FillTask) -> Generator[Frame]:
    """Yield the shown frames as they are."""
    own = range(task.segment.start_frame, task.segment.end_frame)
    reader = FrameReader(task.path, task.facts)
    before, behind = own.start - task.shown.start, task.shown.stop - own.stop
    with closing(run_ahead(reader.segment(task.segment, before, behind), _DECODED_AHEAD)) as frames:
        yield from frames


class _Fills(Protocol):
    """Fills parts, one at a time."""

    def fill(self, part: Segment, report: EraseReport) -> Iterator[Patched]:
        """Yield the patches of each covered frame of a part; ``report`` is complete at the end."""
        ...


def _patches(
    fillers: Sequence[_Fills], parts: Sequence[Segment], reports: Sequence[EraseReport], depth: int
) -> Generator[Patched]:
    """Yield the patches of all parts in order; whoever is idle takes the next part."""
    idle: SimpleQueue[_Fills] = SimpleQueue()
    for filler in fillers:
        idle.put(filler)

    def of_part(part: Segment, report: EraseReport) -> Iterator[Patched]:
        filler = idle.get()
        try:
            yield from filler.fill(part, report)
        finally:
            idle.put(filler)

    streams = [partial(of_part, part, report) for part, report in zip(parts, reports, strict=True)]
    return run_streams_abreast(streams, len(fillers), depth)


@contextmanager
def _ended_at_last(others: Sequence[_Remote]) -> Iterator[None]:
    try:
        yield
    finally:
        for other in others:
            other.end()


class _Filler:
    """Fills in this process."""

    def __init__(self, task: FillTask, threads: int) -> None:
        self._task = task
        self._threads = threads
        self._rows = _rows_looked_at(task)
        self._learned = open_learned_fill(task.fill_model, task.device, threads) if task.fill_model else None
        self._second_look = open_second_look(task.settings, task.facts, task.device, threads)

    def filled(
        self, part: Segment, report: EraseReport, rows: Sequence[range] = ()
    ) -> Generator[tuple[Frame, tuple[Patch, ...]]]:
        """Yield the shown frames of a part with their patches; with ``rows``, nothing but these of each frame."""
        task = self._task
        reader = FrameReader(task.path, task.facts)
        # The fill itself knows how far it must look beyond the part.
        with closing(run_ahead(reader.segment(part, part.lead_frames, sys.maxsize), _DECODED_AHEAD)) as frames:
            yield from erase(
                (with_rows_alone(frame, rows) for frame in frames) if rows else frames,
                task.overlays,
                task.detection.shots,
                Quality(task.settings.quality),
                renewals=task.detection.renewals,
                piece=Piece(range(part.start_frame, part.end_frame), task.shown_of(part)),
                report=report,
                second_look=self._second_look,
                learned=self._learned,
                threads=self._threads,
            )

    def fill(self, part: Segment, report: EraseReport) -> Iterator[Patched]:
        """Yield the patches of each covered frame of a part."""
        with closing(self.filled(part, report, self._rows)) as filled:
            for frame, patches in filled:
                if self._task.is_covered(frame.index):
                    yield frame.index, patches


def _rows_looked_at(task: FillTask) -> tuple[range, ...]:
    """Return the rows of a frame that the fill and the second look may look at, in order and apart."""
    width, height = task.facts.width, task.facts.height
    growth = mask_growth(task.facts) + 2 * CHROMA_BLEED
    spans = []
    for overlay in task.overlays:
        # The judge looks less than a line's height around what it judges.
        reach = growth + max(context_pixels(width, height), min(overlay.box.width, overlay.box.height))
        spans.append((max(0, overlay.box.y0 - reach) // 2 * 2, min(height, overlay.box.y1 + reach)))
    return tuple(range(*span) for span in merged(spans))


def mask_growth(facts: VideoFacts) -> int:
    """Return by how many pixels a mask may grow on each side once its result was looked at."""
    return codec_halo(min(facts.width, facts.height))


def open_second_look(
    settings: EraseSettings, facts: VideoFacts, device: Device, threads: int | None = None
) -> SecondLook:
    """Return how results are looked at again: captions with their finder's detector, and never over a kept pixel.

    The detector is opened for the first caption; a ``ModelError`` may come of it.
    """
    growth = mask_growth(facts)
    wanted = {SubjectKind.CAPTION: settings.captions, SubjectKind.ICON: settings.icons}
    # What is not to be touched at some moment of the video is not grown into at any.
    kept = tuple(box for asked in wanted.values() if asked is not None for box in kept_boxes(asked.keep, facts))

    def enlarge(overlay: Overlay, missed: tuple[Box, ...]) -> Overlay | None:
        asked = wanted[overlay.subject.kind]
        # Whoever erases a whole region has said where it ends.
        if asked is None or asked.erase_everything:
            return None
        return larger_mask(overlay, growth, (facts.width, facts.height), missed, kept)

    judge = Judge(lambda: TextDetector(open_session(DETECTION_MODEL, device, threads)), facts.rotation_degrees)
    return SecondLook(judge.judge, enlarge, growth)


class _Remote:
    """Fills in a process of its own, which ends with this one."""

    def __init__(self, task: FillTask, threads: int) -> None:
        # A fork would copy locks that other threads hold.
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, task, threads), daemon=True)
        self._process.start()
        theirs.close()

    def fill(self, part: Segment, report: EraseReport) -> Iterator[Patched]:
        """Yield the patches of each covered frame of a part.

        Raises:
            ChildProcessError: when the process was ended.
        """
        try:
            self._connection.send(part)
            while isinstance(said := self._connection.recv(), tuple):
                yield said
        except (EOFError, ConnectionError) as error:
            self._process.join(_END_SECONDS)
            raise ChildProcessError(
                f"a process that fills ended with {self._process.exitcode}: was there too little memory?"
            ) from error
        if isinstance(said, BaseException):
            raise said
        report.add_part(said)

    def end(self) -> None:
        """End the process, whatever it does; who waits for it gets an error."""
        self._process.kill()
        self._process.join(_END_SECONDS)


def _serve(connection: Connection, task: FillTask, threads: int) -> None:
    """Fill the parts that come, and send the patches of each, then its report or what went wrong."""
    # Whoever interrupts means the process that started this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()
    cv2.setNumThreads(threads)
    try:
        filler = _Filler(task, threads)
        while True:
            report = EraseReport()
            for patched in filler.fill(connection.recv(), report):
                connection.send(patched)
            connection.send(report)
    except (EOFError, ConnectionError):
        pass
    except Exception as error:  # noqa: BLE001  it is raised again in the process that asked
        error.add_note("".join(traceback.format_exception(error)))
        connection.send(error)


def _end_with_parent() -> None:
    """End this process at once when the one that started it is gone, however that came."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
