"""``report.json``: what a job did, in figures, and a sentence for everything that did not go as a user might expect."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from domain.detection import Box, CaptionEvent, Detection
from domain.job import SourceFacts
from domain.strict import Strict
from domain.work_order import WorkOrder
from gpu_worker.fill.eraser import EraseReport
from gpu_worker.fill.second_look import Redone
from gpu_worker.review.judge import severities
from gpu_worker.stages.job import CaptionRecord, EraseRecord, PieceFile, StageRecord
from gpu_worker.video.remux import RemuxReport
from gpu_worker.video.source import VideoFacts, probe_video

#: What a figure beyond its gate means to a viewer.
_SHOWS = {
    "residual_text": "something like text is still there",
    "ghost_levels": "a ghost of the letters may be seen",
    "seam": "the edge of what was filled may be seen",
    "flicker": "what was filled flickers",
}


class VideoSummary(Strict):
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


class CaptionReport(Strict):
    """One caption: where and when it stood, and how its removal was judged. ``docs/report.md`` explains the figures."""

    index: int
    start_frame: int
    end_frame: int
    start_seconds: float
    end_seconds: float
    box: Box
    text: str
    coverage: float
    unmatted_share: float
    residual_text: float
    ghost_levels: float
    seam: float
    flicker: float
    redone: Redone
    passed: bool


class EraseSummary(Strict):
    """What was removed. ``coverage`` is the share of covered pixels that other frames revealed; the rest is made up."""

    captions: int
    captions_read: int
    captions_redone: int
    captions_failed: int
    frames_changed: int
    pixels_masked: int
    pixels_from_frames: int
    coverage: float
    outside_difference: int
    fill_model: str | None
    events: tuple[CaptionReport, ...]


class StageTime(Strict):
    """Wall time of one stage on one segment."""

    stage: str
    segment: int
    seconds: float
    frames: int
    frames_per_second: float


class Report(Strict):
    """The report of one job."""

    version: Literal[2] = 2
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


def caption_records(report: EraseReport) -> tuple[CaptionRecord, ...]:
    """Return what became of each caption of a segment, by their index."""
    return tuple(
        CaptionRecord(
            index=index,
            frames=caption.frames,
            pixels_masked=caption.pixels_masked,
            pixels_from_frames=caption.pixels_from_frames,
            pixels_seen_through=caption.pixels_seen_through,
            residual_text=caption.verdict.residual_text,
            ghost_levels=caption.verdict.ghost_levels,
            seam=caption.verdict.seam,
            flicker=caption.verdict.flicker,
            redone=caption.redone,
            passed=caption.verdict.passed,
        )
        for index, caption in sorted(report.captions.items())
        if caption.verdict is not None
    )


def erase_summary(detection: Detection, records: Sequence[EraseRecord]) -> EraseSummary:
    """Add up the segments; a caption that crosses their border is as good as its worst part."""
    masked = sum(record.pixels_masked for record in records)
    revealed = sum(record.pixels_from_frames for record in records)
    parts: dict[int, list[CaptionRecord]] = {}
    for record in records:
        for caption in record.captions:
            parts.setdefault(caption.index, []).append(caption)
    events = tuple(
        _caption_report(caption, parts[caption.index]) for caption in detection.captions if caption.index in parts
    )
    return EraseSummary(
        captions=len(detection.captions),
        captions_read=sum(bool(caption.text) for caption in detection.captions),
        captions_redone=sum(event.redone is not Redone.NONE for event in events),
        captions_failed=sum(not event.passed for event in events),
        frames_changed=sum(record.frames_changed for record in records),
        pixels_masked=masked,
        pixels_from_frames=revealed,
        coverage=_share(revealed, masked, of_nothing=1.0),
        outside_difference=max((record.outside_difference for record in records), default=0),
        fill_model=next((record.fill_model for record in records if record.fill_model is not None), None),
        events=events,
    )


def erase_warnings(summary: EraseSummary) -> tuple[str, ...]:
    """Return a sentence for each caption whose removal may be seen, and one if anything else was changed."""
    warnings = [
        f"caption {event.index} ({event.start_seconds:.2f}-{event.end_seconds:.2f} s"
        + (f', "{" ".join(event.text.split())}"' if event.text else "")
        + f"): {' and '.join(_what_shows(event))}"
        for event in summary.events
        if not event.passed
    ]
    if summary.outside_difference:
        warnings.append(f"pixels outside the captions were changed by up to {summary.outside_difference} levels")
    return tuple(warnings)


def summary_lines(summary: EraseSummary | None, warnings: Sequence[str]) -> tuple[str, ...]:
    """Return what the command line prints of a report: what became of the captions, and all warnings."""
    lines = [f"warning: {warning}" for warning in warnings]
    if summary is not None and summary.captions:
        lines.insert(
            0,
            f"{summary.captions} captions removed, {100 * summary.coverage:.0f} % of their pixels from other frames;"
            f" {summary.captions_redone} filled again, {summary.captions_failed} may still be seen",
        )
    return tuple(lines)


def _what_shows(event: CaptionReport) -> list[str]:
    found = severities(event.residual_text, event.ghost_levels, event.seam, event.flicker)
    # Figures are rounded here: of one that is on its gate, the largest is meant.
    bar = min(1.0, max(found.values()))
    return [words for name, words in _SHOWS.items() if found[name] >= bar]


def _caption_report(caption: CaptionEvent, parts: Sequence[CaptionRecord]) -> CaptionReport:
    masked = sum(part.pixels_masked for part in parts)
    unmatted = sum(part.pixels_seen_through for part in parts)
    return CaptionReport(
        index=caption.index,
        start_frame=caption.start_frame,
        end_frame=caption.end_frame,
        start_seconds=round(caption.start_seconds, 3),
        end_seconds=round(caption.end_seconds, 3),
        box=caption.box,
        text=caption.text,
        coverage=_share(sum(part.pixels_from_frames for part in parts), masked, of_nothing=1.0),
        unmatted_share=_share(unmatted, masked + unmatted, of_nothing=0.0),
        residual_text=round(max(part.residual_text for part in parts), 4),
        ghost_levels=round(max(part.ghost_levels for part in parts), 2),
        seam=round(max(part.seam for part in parts), 2),
        flicker=round(max(part.flicker for part in parts), 2),
        redone=max((part.redone for part in parts), key=list(Redone).index),
        passed=all(part.passed for part in parts),
    )


def _share(part: int, whole: int, *, of_nothing: float) -> float:
    return round(part / whole, 4) if whole else of_nothing


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
