"""The upscale stage: decodes one segment, lays erase's patches over it, doubles it, and encodes it once."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from functools import partial

from domain.job import Stage
from domain.work_order import Segment
from gpu_worker.stages.encoding import Picture, counted, encode_piece, picture_format
from gpu_worker.stages.job import EraseRecord, Progress, StageJob, UpscaleRecord
from gpu_worker.stages.lookahead import run_abreast, run_ahead
from gpu_worker.upscaling.upscaler import Upscaler, open_upscaler
from gpu_worker.video.encoders import RateTarget
from gpu_worker.video.fields import deinterlace
from gpu_worker.video.frame import Frame, Planes
from gpu_worker.video.patches import PatchStream, patched
from gpu_worker.video.reader import FrameReader
from gpu_worker.video.source import VideoFacts, probe_video

_DECODED_AHEAD = 4
#: Pictures that go through the network at once. While the threads of one wait for each other at the end of a layer,
#: those of the other use the cores; on a GPU, one is brought there while the other is worked on.
_ABREAST = 2
_PIECE_NAME = "upscaled.mp4"


def upscale_segment(job: StageJob, index: int) -> None:
    """Leave the record of one segment, after its piece, unless it is there.

    Raises:
        BadSourceError: one of its subclasses, when the source cannot be decoded again.
        InvalidRequestError: when there is no upscaler of the name that was asked for.
    """
    if job.is_done(Stage.UPSCALE, index):
        return
    assert job.order.upscale is not None
    own = job.order.upscale_model
    name = job.upscaler_name if own is None else str(job.workspace.source(own))
    upscaler = open_upscaler(name, job.device)
    detection, segment = job.detection(), job.segment(index)
    path = job.workspace.source(job.order.source)
    facts = probe_video(path)
    total = segment.end_frame - segment.start_frame
    progress = Progress(job, Stage.UPSCALE, index, total)
    frames = _clean_frames(job, segment, FrameReader(path, facts), facts)
    piece, count = encode_piece(
        job,
        segment,
        counted(run_abreast(_tasks(run_ahead(frames, _DECODED_AHEAD), upscaler), _ABREAST), progress),
        (picture_format(facts, detection, upscaler.scale), RateTarget(job.order.upscale.bitrate_mbps)),
        _PIECE_NAME,
    )
    warnings = ("the video is interlaced and was deinterlaced before it was enlarged",)
    job.leave_record(
        UpscaleRecord(
            stage=Stage.UPSCALE,
            segment=index,
            seconds=progress.seconds,
            frames=count,
            warnings=() if facts.field_order == "progressive" else warnings,
            piece=piece,
            upscaler=upscaler.name,
            scale=upscaler.scale,
        )
    )
    progress.finish(count)


def _clean_frames(job: StageJob, segment: Segment, reader: FrameReader, facts: VideoFacts) -> Iterator[Frame]:
    frames: Iterator[Frame] = reader.segment(segment)
    if job.order.erase is not None:
        keys = job.workspace.keys
        record = EraseRecord.model_validate_json(job.workspace.read(keys.stage_record(Stage.ERASE, segment.index)))
        streams = [
            PatchStream(patch.box, job.workspace.fetch(keys.segment_file(segment.index, patch.name)))
            for patch in record.patches
        ]
        frames = patched(frames, streams, facts.bit_depth)
    if facts.field_order != "progressive":
        frames = deinterlace(frames, facts.field_order)
    return frames


def _tasks(frames: Generator[Frame], upscaler: Upscaler) -> Generator[Callable[[], Picture]]:
    """Yield the work on each frame, as ``run_abreast`` takes it; ends the decoder however it ends itself."""
    with closing(frames):
        for frame in frames:
            yield partial(_picture, upscaler.begin((frame.y, frame.u, frame.v), frame.bit_depth), frame.pts)


def _picture(double: Callable[[], Planes], pts: int) -> Picture:
    return double(), pts
