"""The assemble stage: joins the pieces, brings the rest of the source along, and publishes the result as a whole."""

from __future__ import annotations

from pathlib import Path

from domain.detection import Detection
from domain.job import Stage
from domain.work_order import ResultFiles, ResultManifest
from gpu_worker.stages import before_after
from gpu_worker.stages.captions_text import to_json, to_srt, to_vtt
from gpu_worker.stages.job import EraseRecord, PieceFile, Progress, StageJob, StageRecord, UpscaleRecord
from gpu_worker.stages.report import Report, erase_summary, erase_warnings, stage_times, video_summary
from gpu_worker.video.remux import Piece, RemuxReport, join_pieces, pass_through
from gpu_worker.video.source import VideoFacts, probe_video


def assemble(job: StageJob) -> None:
    """Publish the result files and, last of all, the manifest, unless it is there.

    Raises:
        BadSourceError: one of its subclasses, when the source cannot be read again.
    """
    keys = job.workspace.keys
    if job.workspace.exists(keys.result_manifest):
        return
    detection = job.detection()
    progress = Progress(job, Stage.ASSEMBLE, 0, detection.frame_count)
    path = job.workspace.source(job.order.source)
    facts = probe_video(path)
    erased, upscaled = _records(job)
    pieces = [record.piece for record in upscaled or erased if record.piece is not None]
    video = job.workspace.scratch / "video.mp4"
    remux = _remux(job, pieces, (path, facts), video, progress)
    summary = video_summary(video, remux, pieces, facts, job.order)
    files = _publish_captions(job, detection, (path, facts), video)
    record = StageRecord(
        stage=Stage.ASSEMBLE, seconds=progress.seconds, frames=detection.frame_count, warnings=remux.warnings
    )
    records = [_detect_record(job), *erased, *upscaled, record]
    erasure = None if job.order.erase is None else erase_summary(detection, erased)
    warnings = [warning for record in records for warning in record.warnings]
    if erasure is not None:
        warnings += erase_warnings(erasure)
    report = Report(
        source=facts.to_source_facts(),
        result=summary,
        erase=erasure,
        upscaler=upscaled[0].upscaler if upscaled else None,
        stages=stage_times(records),
        warnings=tuple(dict.fromkeys(warnings)),
    )
    files = files.model_copy(update={"video": keys.result("video.mp4"), "report": keys.result("report.json")})
    job.workspace.write(files.report, report.model_dump_json(indent=1).encode())
    job.workspace.publish(video, files.video)
    job.leave_record(record)
    manifest = ResultManifest(
        files=files,
        nothing_found=job.order.erase is not None and detection.nothing_found,
        width=summary.width,
        height=summary.height,
        duration_seconds=remux.duration_seconds,
        frame_count=detection.frame_count,
        upscaler=report.upscaler,
        machine_seconds=sum(time.seconds for time in report.stages),
    )
    job.workspace.write(keys.result_manifest, manifest.model_dump_json().encode())
    progress.finish(detection.frame_count)


def _records(job: StageJob) -> tuple[list[EraseRecord], list[UpscaleRecord]]:
    segments = range(len(job.plan().segments))

    def records_of(stage: Stage) -> list[bytes]:
        return [job.workspace.read(job.workspace.keys.stage_record(stage, index)) for index in segments]

    erased = [] if job.order.erase is None else records_of(Stage.ERASE)
    upscaled = [] if job.order.upscale is None else records_of(Stage.UPSCALE)
    return (
        [EraseRecord.model_validate_json(record) for record in erased],
        [UpscaleRecord.model_validate_json(record) for record in upscaled],
    )


def _detect_record(job: StageJob) -> StageRecord:
    return StageRecord.model_validate_json(job.workspace.read(job.workspace.keys.stage_record(Stage.DETECT)))


def _remux(
    job: StageJob, pieces: list[PieceFile], source: tuple[Path, VideoFacts], video: Path, progress: Progress
) -> RemuxReport:
    path, facts = source
    if not pieces:
        return pass_through(path, facts, video, progress.advance_to)
    keys = job.workspace.keys
    return join_pieces(
        [
            Piece(job.workspace.fetch(keys.segment_file(index, piece.name)), piece.start_pts)
            for index, piece in enumerate(pieces)
        ],
        path,
        facts,
        video,
        scale=1 if job.order.upscale is None else job.order.upscale.factor,
        on_packet=progress.advance_to,
    )


def _publish_captions(job: StageJob, detection: Detection, source: tuple[Path, VideoFacts], video: Path) -> ResultFiles:
    """Publish what an erase leaves beside the video, and the before/after picture of any job that changed something."""
    keys = job.workspace.keys
    files = ResultFiles(video="", report="")
    if job.order.erase is not None:
        texts = {
            "captions_srt": ("captions.srt", to_srt(detection.captions)),
            "captions_vtt": ("captions.vtt", to_vtt(detection.captions)),
            "captions_json": ("captions.json", to_json(detection.captions, source[1])),
        }
        for name, text in texts.values():
            job.workspace.write(keys.result(name), text.encode())
        files = files.model_copy(update={field: keys.result(name) for field, (name, _) in texts.items()})
    if not detection.nothing_found or job.order.upscale is not None:
        picture = job.workspace.scratch / "before_after.png"
        before_after.draw(source, video, before_after.moments(detection), picture)
        key = keys.result("before_after.png")
        job.workspace.publish(picture, key)
        files = files.model_copy(update={"before_after": key})
    return files
