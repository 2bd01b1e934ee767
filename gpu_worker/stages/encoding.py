"""Encodes the changed pictures of one segment into its piece: the end of erase and of upscale alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from domain.detection import Detection
from domain.work_order import Segment
from gpu_worker.stages.job import PieceFile, Progress, StageJob, true_frame_rate
from gpu_worker.stages.lookahead import run_ahead
from gpu_worker.video.encoders import RateTarget
from gpu_worker.video.frame import Planes
from gpu_worker.video.source import VideoFacts
from gpu_worker.video.writer import PictureFormat, PieceWriter

#: Pictures that may wait for the encoder. An enlarged 1080p picture in ten bits has 50 MB.
_WAITING_PICTURES = 3

#: Planes of one picture, and its pts on the source's clock.
Picture = tuple[Planes, int]


def picture_format(facts: VideoFacts, detection: Detection, scale: int) -> PictureFormat:
    """Return the format of a piece: the source's, ``scale`` times as large.

    An enlarged picture is progressive: it was deinterlaced before.
    """
    enlarged = PictureFormat(
        width=facts.width * scale,
        height=facts.height * scale,
        bit_depth=facts.bit_depth,
        time_base=facts.time_base,
        frame_rate=true_frame_rate(detection, facts),
        sample_aspect_ratio=facts.sample_aspect_ratio,
        colour=facts.colour,
        field_order=facts.field_order,
        hdr=facts.hdr,
    )
    return enlarged if scale == 1 else replace(enlarged, field_order="progressive")


def encode_piece(
    job: StageJob, segment: Segment, pictures: Iterable[Picture], target: tuple[PictureFormat, RateTarget], name: str
) -> tuple[PieceFile, int]:
    """Encode and publish one piece, and return it with its number of frames.

    ``pictures`` are made in a thread of their own, a few ahead of the encoder.
    """
    fmt, rate = target
    path = job.workspace.scratch / f"{segment.index:05d}-{name}"
    with PieceWriter(path, fmt, rate) as writer:
        for planes, pts in run_ahead(pictures, _WAITING_PICTURES):
            writer.write(planes, pts)
    piece = PieceFile(
        name=name,
        start_pts=segment.start_pts,
        width=fmt.coded_width,
        height=fmt.coded_height,
        encoder=writer.encoder,
    )
    job.workspace.publish(path, job.workspace.keys.segment_file(segment.index, name))
    return piece, writer.frame_count


def counted(pictures: Iterable[Picture], progress: Progress) -> Iterable[Picture]:
    """Pass pictures through and report each."""
    for done, picture in enumerate(pictures, 1):
        yield picture
        progress.advance_to(done)
