"""The erase stage: captions and icons of one segment go. An upscale gets patches; else the piece is encoded here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from domain.detection import Box, Detection
from domain.job import Quality, Stage
from domain.work_order import Segment
from gpu_worker.fill.eraser import EraseReport, plan_windows
from gpu_worker.fill.learned import learned_fill_of
from gpu_worker.fill.overlays import Overlay, SubjectKind, overlays_of
from gpu_worker.stages.encoding import Picture, counted, encode_piece, picture_format
from gpu_worker.stages.filling import FillTask, fill_segment, mask_growth
from gpu_worker.stages.job import EraseRecord, PatchFile, Progress, StageJob
from gpu_worker.stages.report import fill_records
from gpu_worker.video.encoders import RateTarget
from gpu_worker.video.fields import context_frames
from gpu_worker.video.frame import Frame, Patch
from gpu_worker.video.patches import PatchWriter, apply_patches
from gpu_worker.video.remux import can_pass_through
from gpu_worker.video.source import VideoFacts, probe_video

_PIECE_NAME = "erased.mp4"


def erase_segment(job: StageJob, index: int) -> None:
    """Leave the record of one segment, after its patches or its piece, unless it is there.

    Raises:
        BadSourceError: one of its subclasses, when the source cannot be decoded again.
    """
    if job.is_done(Stage.ERASE, index):
        return
    assert job.order.erase is not None
    detection, segment = job.detection(), job.segment(index)
    path = job.workspace.source(job.order.source)
    facts = probe_video(path)
    total = segment.end_frame - segment.start_frame
    progress = Progress(job, Stage.ERASE, index, total)
    overlays = _overlays(detection, segment)
    shown = _shown(job, segment, facts)
    is_covered = any(overlay.start_frame < shown.stop and overlay.end_frame > shown.start for overlay in overlays)
    if _has_nothing_to_do(job, detection, (path, facts), is_covered=is_covered):
        record = EraseRecord(stage=Stage.ERASE, segment=index, seconds=0, frames=0, outcome="nothing")
    else:
        record = _erased(job, segment, (facts, detection, overlays), path, progress)
    job.leave_record(record.model_copy(update={"seconds": progress.seconds}))
    progress.finish(total)


def _erased(
    job: StageJob,
    segment: Segment,
    source: tuple[VideoFacts, Detection, tuple[Overlay, ...]],
    path: Path,
    progress: Progress,
) -> EraseRecord:
    assert job.order.erase is not None
    facts, detection, overlays = source
    task = FillTask(
        path=path,
        facts=facts,
        settings=job.order.erase,
        device=job.device,
        fill_model=_fill_model(job),
        detection=detection,
        overlays=overlays,
        segment=segment,
        shown=_shown(job, segment, facts),
    )
    report = EraseReport()
    with closing(fill_segment(task, report)) as changed:
        if job.order.upscale is not None:
            boxes = plan_windows(overlays, facts.width, facts.height, mask_growth(facts))
            record = _write_patches(job, segment, changed, (facts, boxes), progress)
        else:
            record = _write_piece(job, segment, changed, (facts, detection), progress)
    return record.model_copy(
        update={
            "frames_changed": report.frames_changed,
            "pixels_masked": report.pixels_masked,
            "pixels_from_frames": report.pixels_from_frames,
            "pixels_seen_through": report.pixels_seen_through,
            "pixels_painted": report.pixels_painted,
            "outside_difference": report.outside_difference,
            "fill_model": Path(task.fill_model).name or None,
            "captions": fill_records(report, SubjectKind.CAPTION),
            "icons": fill_records(report, SubjectKind.ICON),
        }
    )


def _overlays(detection: Detection, segment: Segment) -> tuple[Overlay, ...]:
    """Return what is to go from all shots that a piece has a part of: the fill's windows are those of whole shots."""
    shots = [
        shot
        for shot in detection.shots
        if shot.start_frame < segment.end_frame and shot.end_frame > segment.start_frame
    ]
    first, last = shots[0].start_frame, shots[-1].end_frame
    overlays = overlays_of(detection.captions, detection.icons)
    return tuple(overlay for overlay in overlays if overlay.start_frame < last and overlay.end_frame > first)


def _shown(job: StageJob, segment: Segment, facts: VideoFacts) -> range:
    """Return the frames that are made: where upscale looks at neighbours of the piece, these are made as well."""
    before, behind = (0, 0) if job.order.upscale is None else context_frames(segment, facts.field_order)
    return range(segment.start_frame - before, segment.end_frame + behind)


def _fill_model(job: StageJob) -> str:
    """Return the network of the job's quality, empty without one; a user's own one is for Premium alone."""
    assert job.order.erase is not None
    quality = Quality(job.order.erase.quality)
    own = job.fill_model if quality is Quality.PREMIUM else ""
    return own or learned_fill_of(quality) or ""


def _has_nothing_to_do(
    job: StageJob, detection: Detection, source: tuple[Path, VideoFacts], *, is_covered: bool
) -> bool:
    if job.order.upscale is not None:
        return not is_covered
    # Without an upscale all pieces must be encoded, or none: pieces of two encoders do not join.
    # A damaged source is encoded as well, so that what comes out is sound.
    return detection.nothing_found and detection.seekable and can_pass_through(*source)


def _write_patches(
    job: StageJob,
    segment: Segment,
    changed: Iterator[tuple[Frame, tuple[Patch, ...]]],
    layout: tuple[VideoFacts, tuple[Box, ...]],
    progress: Progress,
) -> EraseRecord:
    """Write what changes inside the boxes; ``layout`` has them after the video's facts."""
    facts, boxes = layout
    folder = job.workspace.scratch / f"patches-{segment.index:05d}"
    folder.mkdir(parents=True, exist_ok=True)
    frames = 0
    with PatchWriter(folder, facts.bit_depth, boxes) as writer:
        for frame, patches in changed:
            writer.write(frame, patches)
            frames += segment.start_frame <= frame.index < segment.end_frame
            progress.advance_to(frames)
    for stream in writer.streams:
        job.workspace.publish(stream.path, job.workspace.keys.segment_file(segment.index, stream.path.name))
    return EraseRecord(
        stage=Stage.ERASE,
        segment=segment.index,
        seconds=0,
        frames=frames,
        outcome="patches",
        patches=tuple(PatchFile(name=stream.path.name, box=stream.box) for stream in writer.streams),
    )


def _write_piece(
    job: StageJob,
    segment: Segment,
    changed: Iterator[tuple[Frame, tuple[Patch, ...]]],
    source: tuple[VideoFacts, Detection],
    progress: Progress,
) -> EraseRecord:
    facts, detection = source
    target = (picture_format(facts, detection, scale=1), RateTarget())
    piece, frames = encode_piece(job, segment, counted(_clean(changed), progress), target, _PIECE_NAME)
    warnings = []
    if (piece.width, piece.height) != (facts.width, facts.height):
        warnings.append(
            f"the picture was padded from {facts.width}x{facts.height} to {piece.width}x{piece.height}:"
            " H.264 in 4:2:0 has even sides"
        )
    if facts.field_order != target[0].coded_field_order:
        warnings.append("the video is interlaced, but was coded as progressive: its height is no multiple of 4")
    return EraseRecord(
        stage=Stage.ERASE,
        segment=segment.index,
        seconds=0,
        frames=frames,
        outcome="piece",
        piece=piece,
        warnings=tuple(warnings),
    )


def _clean(changed: Iterator[tuple[Frame, tuple[Patch, ...]]]) -> Iterator[Picture]:
    for frame, patches in changed:
        clean = apply_patches(frame, patches)
        yield (clean.y, clean.u, clean.v), clean.pts
