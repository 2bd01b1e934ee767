"""One job as its stages see it: the order, the workspace, and the records by which each stage tells the next one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal, Protocol

from domain.detection import Box, CaptionEvent, Detection, IconTrack
from domain.job import CaptionBand, CaptionErasure, IconErasure, Stage
from domain.progress import StageProgress
from domain.strict import Strict
from domain.work_order import Plan, Segment, WorkOrder
from gpu_worker.captions.finder import CaptionFinder
from gpu_worker.fill.second_look import Redone
from gpu_worker.icons.finder import IconFinder
from gpu_worker.icons.library import LibraryEntry
from gpu_worker.inference.session import Device
from gpu_worker.stages.icon_scope import icon_areas
from gpu_worker.video.frame import Frame
from gpu_worker.video.source import VideoFacts
from gpu_worker.workspace import Workspace

#: Progress is read by people; each report is a request to S3.
_REPORT_INTERVAL_SECONDS = 1.0


class Finder(Protocol):
    """What detect feeds frame by frame."""

    def process_frame(self, frame: Frame, seconds: float) -> None:
        """Take the next frame, shown ``seconds`` after the first."""
        ...

    def flush(self) -> tuple[CaptionEvent, ...]:
        """Return all captions."""
        ...


#: Facts of the video, where to look and where not to, and the device; regions as they lie before a mirror.
FinderFactory = Callable[[VideoFacts, CaptionErasure, Device], Finder]


def open_caption_finder(facts: VideoFacts, settings: CaptionErasure, device: Device) -> Finder:
    """Return PP-OCR's finder for a video."""
    return CaptionFinder(
        facts.width,
        facts.height,
        facts.rotation_degrees,
        settings.regions,
        float(facts.frame_rate),
        keep=settings.keep,
        anywhere=settings.band is CaptionBand.ANYWHERE,
        device=device,
    )


class IconsFinder(Protocol):
    """What detect feeds frame by frame where icons are to go."""

    def process_frame(self, frame: Frame, seconds: float) -> None:
        """Take the next frame, shown ``seconds`` after the first."""
        ...

    def flush(self) -> tuple[IconTrack, ...]:
        """Return all icons."""
        ...


#: Facts of the video, what to look for and where, what returns the video's frames once more, and the known marks.
IconFinderFactory = Callable[
    [VideoFacts, IconErasure, Callable[[], Iterable[Frame]], tuple[LibraryEntry, ...]], IconsFinder
]


def open_icon_finder(
    facts: VideoFacts,
    settings: IconErasure,
    again: Callable[[], Iterable[Frame]],
    library: tuple[LibraryEntry, ...],
) -> IconsFinder:
    """Return the finder of a video's icons."""
    return IconFinder(facts, settings.kinds, again, areas=icon_areas(settings.regions, facts), library=library)


@dataclass(frozen=True, slots=True)
class StageJob:
    """Everything that a stage is given.

    ``upscaler_name`` is what doubles: a name, a path that ends in .onnx, or empty: the order's quality decides.
    ``fill_model`` is the network that Premium repaints with: a name, a path that ends in .onnx, or empty for the
    catalogue's best, if it lists any.
    """

    workspace: Workspace
    order: WorkOrder
    report_progress: Callable[[StageProgress], None]
    device: Device = Device.CPU
    upscaler_name: str = ""
    fill_model: str = ""
    open_finder: FinderFactory = open_caption_finder
    open_icon_finder: IconFinderFactory = open_icon_finder

    def detection(self) -> Detection:
        """Return what detect found."""
        return Detection.model_validate_json(self.workspace.read(self.workspace.keys.detection))

    def plan(self) -> Plan:
        """Return the segments."""
        return Plan.model_validate_json(self.workspace.read(self.workspace.keys.plan))

    def segment(self, index: int) -> Segment:
        """Return one segment."""
        return self.plan().segments[index]

    def is_done(self, stage: Stage, segment: int = 0) -> bool:
        """Tell whether a stage left its record, which it does last of all."""
        return self.workspace.exists(self.workspace.keys.stage_record(stage, segment))

    def leave_record(self, record: StageRecord) -> None:
        """Mark a stage as done."""
        key = self.workspace.keys.stage_record(record.stage, record.segment)
        self.workspace.write(key, record.model_dump_json().encode())


@dataclass(slots=True)
class Progress:
    """Reports how far a stage is, at most once a second."""

    job: StageJob
    stage: Stage
    segment: int
    total: int
    clock: Callable[[], float] = time.monotonic
    _started: float = field(init=False)
    _reported: float | None = field(init=False, default=None)
    _done: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._started = self.clock()

    @property
    def seconds(self) -> float:
        """Wall time since the stage began."""
        return self.clock() - self._started

    def advance_to(self, done: int) -> None:
        """Say that ``done`` frames are through."""
        self._done = done
        now = self.clock()
        if self._reported is None or now - self._reported >= _REPORT_INTERVAL_SECONDS:
            self._reported = now
            self._report(done, finished=False)

    def go_on(self) -> None:
        """Say that work goes on though no further frame is through: who says nothing for long is ended."""
        self.advance_to(self._done)

    def finish(self, done: int) -> None:
        """Say that the stage is through."""
        self._report(done, finished=True)

    def _report(self, done: int, *, finished: bool) -> None:
        total = max(1, self.total, done)
        self.job.report_progress(
            StageProgress(stage=self.stage, segment=self.segment, done=done, total=total, finished=finished)
        )


class StageRecord(Strict):
    """What one stage did on one segment. ``seconds`` is its wall time; ``frames`` passed through it."""

    stage: Stage
    segment: int = 0
    seconds: float
    frames: int
    warnings: tuple[str, ...] = ()


class PieceFile(Strict):
    """An encoded piece: its name among the segment's files, and where its first frame is on the source's clock."""

    name: str
    start_pts: int
    width: int
    height: int
    encoder: str


class PatchFile(Strict):
    """The patches of one window: their name among the segment's files, and the window."""

    name: str
    box: Box


class FillRecord(Strict):
    """What became of one caption or icon in one segment; pixels are luma pixels, summed over frames.

    The figures are the worst of its parts, as ``review.judge`` measures them; ``redone`` is the attempt that was kept.
    """

    index: int
    frames: int
    pixels_masked: int
    pixels_from_frames: int
    pixels_seen_through: int = 0
    residual: float
    ghost_levels: float
    seam: float
    flicker: float
    redone: Redone
    passed: bool


class EraseRecord(StageRecord):
    """What erase left: nothing to change, patches for upscale, or the encoded piece. Pixels are summed over frames.

    ``outside_difference`` is the largest change, in levels, of a sample outside all masks, before encoding.
    ``pixels_seen_through`` came through veils and are not among the masked; ``pixels_painted`` of these were made up by
    the network ``fill_model``, which is None without one.
    """

    outcome: Literal["nothing", "patches", "piece"]
    patches: tuple[PatchFile, ...] = ()
    piece: PieceFile | None = None
    frames_changed: int = 0
    pixels_masked: int = 0
    pixels_from_frames: int = 0
    pixels_seen_through: int = 0
    pixels_painted: int = 0
    outside_difference: int = 0
    fill_model: str | None = None
    captions: tuple[FillRecord, ...] = ()
    icons: tuple[FillRecord, ...] = ()


class UpscaleRecord(StageRecord):
    """What upscale left."""

    piece: PieceFile
    upscaler: str
    scale: int


def true_frame_rate(detection: Detection, facts: VideoFacts) -> Fraction:
    """Return the average rate that was really seen; an encoder's rate control reckons with it.

    A container's own figure stands where it agrees within a thousandth: it is the exact one (30000/1001).
    """
    if detection.frame_count < 2 or detection.duration_seconds <= 0:
        return facts.frame_rate
    seen = Fraction(detection.frame_count / detection.duration_seconds).limit_denominator(1000)
    return facts.frame_rate if abs(seen / facts.frame_rate - 1) < Fraction(1, 1000) else max(seen, Fraction(1, 1000))
