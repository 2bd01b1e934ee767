"""``report.json``: what a job did, in figures, and a sentence for everything that did not go as a user might expect."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from domain.detection import Box, CaptionEvent, Detection, IconBehaviour, IconTrack
from domain.job import IconKind, SourceFacts
from domain.strict import Strict
from domain.work_order import WorkOrder
from gpu_worker.fill.eraser import EraseReport
from gpu_worker.fill.overlays import SubjectKind
from gpu_worker.fill.second_look import Redone
from gpu_worker.review.judge import severities
from gpu_worker.stages.job import EraseRecord, FillRecord, PieceFile, StageRecord
from gpu_worker.video.rect import Rect
from gpu_worker.video.remux import RemuxReport
from gpu_worker.video.source import VideoFacts, probe_video

#: What a figure beyond its gate means to a viewer.
_RESIDUAL_SHOWS = {
    SubjectKind.CAPTION: "something like text is still there",
    SubjectKind.ICON: "edges of it are still there",
}
_SHOWS = {
    "ghost_levels": "a ghost of it may be seen",
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


class IconPlaceReport(Strict):
    """Where an icon stood, and when. The box holds all places of a mark that moved without a pause."""

    start_frame: int
    end_frame: int
    box: Box


class IconReport(Strict):
    """One icon: whose, where and when it stood, and how its removal was judged."""

    index: int
    kind: IconKind
    name: str | None
    confidence: float
    kind_confidence: float
    behaviour: IconBehaviour
    places: tuple[IconPlaceReport, ...]
    recovered_share: float
    unmatted_share: float
    filled_share: float
    residual_edges: float
    ghost_levels: float
    seam: float
    flicker: float
    redone: Redone
    passed: bool


class PixelSources(Strict):
    """Where the pixels of all captions and icons came from, as shares of them; all together they are 1.

    ``frames``: other frames showed them. ``through``: worked out from what came through. ``network``: a network made
    them up. ``beside``: filled from their surroundings.
    """

    frames: float
    through: float
    network: float
    beside: float


class EraseSummary(Strict):
    """What was removed. ``coverage`` is the share of filled pixels that other frames revealed; the rest is made up."""

    captions: int
    captions_read: int
    captions_redone: int
    captions_failed: int
    icons: int
    icons_redone: int
    icons_failed: int
    frames_changed: int
    pixels_masked: int
    pixels_from_frames: int
    coverage: float
    sources: PixelSources | None
    outside_difference: int
    fill_model: str | None
    events: tuple[CaptionReport, ...]
    icon_tracks: tuple[IconReport, ...]


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


def fill_records(report: EraseReport, kind: SubjectKind) -> tuple[FillRecord, ...]:
    """Return what became of each caption, or each icon, of a segment, by their index."""
    return tuple(
        FillRecord(
            index=index,
            frames=fill.frames,
            pixels_masked=fill.pixels.masked,
            pixels_from_frames=fill.pixels.revealed,
            pixels_seen_through=fill.pixels.seen_through,
            residual=fill.verdict.residual,
            ghost_levels=fill.verdict.ghost_levels,
            seam=fill.verdict.seam,
            flicker=fill.verdict.flicker,
            redone=fill.redone,
            passed=fill.verdict.passed,
        )
        for index, fill in report.of(kind).items()
        if fill.verdict is not None
    )


def erase_summary(detection: Detection, records: Sequence[EraseRecord]) -> EraseSummary:
    """Add up the segments; what crosses their border is as good as its worst part."""
    masked = sum(record.pixels_masked for record in records)
    revealed = sum(record.pixels_from_frames for record in records)
    of_captions = _by_index(caption for record in records for caption in record.captions)
    of_icons = _by_index(icon for record in records for icon in record.icons)
    events = tuple(
        _caption_report(caption, of_captions[caption.index])
        for caption in detection.captions
        if caption.index in of_captions
    )
    tracks = tuple(_icon_report(icon, of_icons[icon.index]) for icon in detection.icons if icon.index in of_icons)
    return EraseSummary(
        captions=len(detection.captions),
        captions_read=sum(bool(caption.text) for caption in detection.captions),
        captions_redone=sum(event.redone is not Redone.NONE for event in events),
        captions_failed=sum(not event.passed for event in events),
        icons=len(detection.icons),
        icons_redone=sum(track.redone is not Redone.NONE for track in tracks),
        icons_failed=sum(not track.passed for track in tracks),
        frames_changed=sum(record.frames_changed for record in records),
        pixels_masked=masked,
        pixels_from_frames=revealed,
        coverage=_share(revealed, masked, of_nothing=1.0),
        sources=_sources(records),
        outside_difference=max((record.outside_difference for record in records), default=0),
        fill_model=next((record.fill_model for record in records if record.fill_model is not None), None),
        events=events,
        icon_tracks=tracks,
    )


def _sources(records: Sequence[EraseRecord]) -> PixelSources | None:
    masked = sum(record.pixels_masked for record in records)
    frames = sum(record.pixels_from_frames for record in records)
    through = sum(record.pixels_seen_through for record in records)
    network = sum(record.pixels_painted for record in records)
    whole = masked + through
    if not whole:
        return None
    parts = (frames, through, network, masked - frames - network)
    shares = [_share(part, whole, of_nothing=0.0) for part in parts]
    return PixelSources(frames=shares[0], through=shares[1], network=shares[2], beside=shares[3])


def _by_index(records: Iterable[FillRecord]) -> dict[int, list[FillRecord]]:
    parts: dict[int, list[FillRecord]] = {}
    for record in records:
        parts.setdefault(record.index, []).append(record)
    return parts


def erase_warnings(summary: EraseSummary) -> tuple[str, ...]:
    """Return a sentence for each caption or icon whose removal may be seen, and one if anything else was changed."""
    warnings = [
        f"caption {event.index} ({event.start_seconds:.2f}-{event.end_seconds:.2f} s"
        + (f', "{" ".join(event.text.split())}"' if event.text else "")
        + f"): {_what_shows(SubjectKind.CAPTION, event, event.residual_text)}"
        for event in summary.events
        if not event.passed
    ]
    warnings += [
        f"icon {track.index} ({track.name or track.kind}, frames"
        f" {track.places[0].start_frame}-{track.places[-1].end_frame}):"
        f" {_what_shows(SubjectKind.ICON, track, track.residual_edges)}"
        for track in summary.icon_tracks
        if not track.passed
    ]
    if summary.outside_difference:
        warnings.append(
            f"pixels outside the captions and icons were changed by up to {summary.outside_difference} levels"
        )
    return tuple(warnings)


def summary_lines(summary: EraseSummary | None, warnings: Sequence[str]) -> tuple[str, ...]:
    """Return what the command line prints of a report: what became of captions and icons, and all warnings."""
    lines = []
    if summary is not None:
        counted = (
            ("captions", summary.captions, summary.captions_redone, summary.captions_failed),
            ("icons", summary.icons, summary.icons_redone, summary.icons_failed),
        )
        lines += [
            f"{count} {what if count > 1 else what.removesuffix('s')} removed; {redone} filled again,"
            f" {failed} may still be seen"
            for what, count, redone, failed in counted
            if count
        ]
        if lines:
            lines.append(_sources_line(summary))
    return (*lines, *(f"warning: {warning}" for warning in warnings))


def _sources_line(summary: EraseSummary) -> str:
    line = f"{100 * summary.coverage:.0f} % of the covered pixels come from other frames"
    painted = 0.0 if summary.sources is None else summary.sources.network
    return f"{line}, {100 * painted:.0f} % from {summary.fill_model}" if painted else line


def _what_shows(kind: SubjectKind, judged: CaptionReport | IconReport, residual: float) -> str:
    found = severities(
        kind, residual=residual, ghost_levels=judged.ghost_levels, seam=judged.seam, flicker=judged.flicker
    )
    words = {"residual": _RESIDUAL_SHOWS[kind], **_SHOWS}
    # Figures are rounded here: of one that is on its gate, the largest is meant.
    bar = min(1.0, max(found.values()))
    return " and ".join(words[name] for name in words if found[name] >= bar)


def _caption_report(caption: CaptionEvent, parts: Sequence[FillRecord]) -> CaptionReport:
    masked = sum(part.pixels_masked for part in parts)
    unmatted = sum(part.pixels_seen_through for part in parts)
    worst = _worst(parts)
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
        residual_text=worst.residual,
        ghost_levels=worst.ghost_levels,
        seam=worst.seam,
        flicker=worst.flicker,
        redone=worst.redone,
        passed=worst.passed,
    )


def _icon_report(icon: IconTrack, parts: Sequence[FillRecord]) -> IconReport:
    masked = sum(part.pixels_masked for part in parts)
    recovered = sum(part.pixels_from_frames for part in parts)
    unmatted = sum(part.pixels_seen_through for part in parts)
    worst = _worst(parts)
    return IconReport(
        index=icon.index,
        kind=icon.kind,
        name=icon.name,
        confidence=icon.confidence,
        kind_confidence=icon.kind_confidence,
        behaviour=icon.behaviour,
        places=_joined_places(icon),
        recovered_share=_share(recovered, masked + unmatted, of_nothing=0.0),
        unmatted_share=_share(unmatted, masked + unmatted, of_nothing=0.0),
        filled_share=_share(masked - recovered, masked + unmatted, of_nothing=0.0),
        residual_edges=worst.residual,
        ghost_levels=worst.ghost_levels,
        seam=worst.seam,
        flicker=worst.flicker,
        redone=worst.redone,
        passed=worst.passed,
    )


def _joined_places(icon: IconTrack) -> tuple[IconPlaceReport, ...]:
    """Return an icon's places in order; those of a mark that moves are one as long as it does not pause or jump."""
    joined: list[tuple[int, int, Rect]] = []
    for place in sorted(icon.places, key=lambda place: (place.start_frame, place.y, place.x)):
        mark = icon.marks[place.mark]
        rect = Rect(place.x, place.y, place.x + mark.width, place.y + mark.height)
        if icon.behaviour is IconBehaviour.MOVING and joined and joined[-1][1] == place.start_frame:
            start, _, before = joined.pop()
            joined.append((start, place.end_frame, before.join(rect)))
        else:
            joined.append((place.start_frame, place.end_frame, rect))
    return tuple(IconPlaceReport(start_frame=start, end_frame=end, box=rect.to_box()) for start, end, rect in joined)


def _worst(parts: Sequence[FillRecord]) -> FillRecord:
    """Return the first part with the worst of all figures, rounded."""
    return parts[0].model_copy(
        update={
            "residual": round(max(part.residual for part in parts), 4),
            "ghost_levels": round(max(part.ghost_levels for part in parts), 2),
            "seam": round(max(part.seam for part in parts), 2),
            "flicker": round(max(part.flicker for part in parts), 2),
            "redone": max((part.redone for part in parts), key=list(Redone).index),
            "passed": all(part.passed for part in parts),
        }
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
