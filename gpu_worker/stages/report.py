"""``report.json``: what a job did, in figures, and a sentence for everything that did not go as a user might expect."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from domain.detection import Detection
from domain.job import SourceFacts
from domain.work_order import WorkOrder
from gpu_worker.stages.job import EraseRecord, PieceFile, StageRecord
from gpu_worker.video.remux import RemuxReport
from gpu_worker.video.source import VideoFacts, probe_video


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class VideoSummary(_Record):
    """The video that was made. Sizes in pixels as coded; ``encoder`` is None where the source passed through."""

    width: int
    height: int
    video_codec: str
    pixel_format: str
    encoder: str | None
    size_bytes: int
    asked_bitrate_mbps: int | None
    video_bitrate_mbps: float
    audio_tracks: int
    subtitle_tracks: int


class EraseSummary(_Record):
    """What was removed. ``coverage`` is the share of covered pixels that other frames revealed; the rest is made up."""

    captions: int
    captions_read: int
    frames_changed: int
    pixels_masked: int
    pixels_from_frames: int
    coverage: float


class StageTime(_Record):
    """Wall time of one stage on one segment."""

    stage: str
    segment: int
    seconds: float
    frames: int
    frames_per_second: float


class Report(_Record):
    """The report of one job."""

    version: Literal[1] = 1
    source: SourceFacts
    result: VideoSummary
    erase: EraseSummary | None
    upscaler: str | None
    stages: tuple[StageTime, ...]
    warnings: tuple[str, ...]


def video_summary(
    path: Path, remux: RemuxReport, pieces: Sequence[PieceFile], facts: VideoFacts, order: WorkOrder
) -> VideoSummary:
    """Open the finished video again and describe it; falls short of nothing that was not measured."""
    result = probe_video(path) if pieces else facts
    seconds = remux.duration_seconds
    return VideoSummary(
        width=result.width,
        height=result.height,
        video_codec=result.codec,
        pixel_format=result.pixel_format,
        encoder=pieces[0].encoder if pieces else None,
        size_bytes=path.stat().st_size,
        asked_bitrate_mbps=None if order.upscale is None else order.upscale.bitrate_mbps,
        video_bitrate_mbps=round(remux.video_bytes * 8 / seconds / 1e6, 3) if seconds > 0 else 0.0,
        audio_tracks=remux.audio_tracks,
        subtitle_tracks=remux.subtitle_tracks,
    )


def erase_summary(detection: Detection, records: Sequence[EraseRecord]) -> EraseSummary:
    """Add up the segments."""
    masked = sum(record.pixels_masked for record in records)
    revealed = sum(record.pixels_from_frames for record in records)
    return EraseSummary(
        captions=len(detection.captions),
        captions_read=sum(bool(caption.text) for caption in detection.captions),
        frames_changed=sum(record.frames_changed for record in records),
        pixels_masked=masked,
        pixels_from_frames=revealed,
        coverage=round(revealed / masked, 4) if masked else 1.0,
    )


def stage_times(records: Sequence[StageRecord]) -> tuple[StageTime, ...]:
    """Return the wall time of every stage and segment."""
    return tuple(
        StageTime(
            stage=record.stage,
            segment=record.segment,
            seconds=round(record.seconds, 3),
            frames=record.frames,
            frames_per_second=round(record.frames / record.seconds, 2) if record.seconds > 0 else 0.0,
        )
        for record in records
    )
