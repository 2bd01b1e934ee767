"""The upscale stage: decodes one segment, lays erase's patches over it, doubles it, and encodes it once."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from functools import partial

from domain.detection import Shot
from domain.job import Stage, UpscaleSettings
from domain.work_order import Segment
from gpu_worker.inference.session import Device
from gpu_worker.stages.encoding import Picture, counted, encode_piece, picture_format
from gpu_worker.stages.job import EraseRecord, Progress, StageJob, UpscaleRecord
from gpu_worker.stages.lookahead import run_abreast, run_ahead
from gpu_worker.upscaling.upscaler import Upscaler, open_upscaler, pictures_abreast
from gpu_worker.video.encoders import Preset, RateTarget
from gpu_worker.video.fields import context_frames, deinterlace
from gpu_worker.video.frame import Frame, Planes
from gpu_worker.video.hdr import hdr_name
from gpu_worker.video.patches import PatchStream, patched
from gpu_worker.video.reader import FrameReader
from gpu_worker.video.source import VideoFacts, probe_video

_DECODED_AHEAD = 4
#: What the encoder may spend beside each network on the same cores, so that it takes less than a tenth of them: at
#: 640x360 the networks take 160, 490 and 1,300 ms of a core for a picture, these presets 12, 30 and 55 for its double.
_PRESETS: dict[str, Preset] = {"fast": "superfast", "normal": "faster", "premium": "medium"}
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
    upscaler = open_upscaler(_upscaler_name(job, job.order.upscale), job.device)
    detection, segment = job.detection(), job.segment(index)
    path = job.workspace.source(job.order.source)
    facts = probe_video(path)
    total = segment.end_frame - segment.start_frame
    progress = Progress(job, Stage.UPSCALE, index, total)
    target = RateTarget(job.order.upscale.bitrate_mbps, _preset(upscaler.name, job.device))
    piece, count = encode_piece(
        job,
        segment,
        counted(doubled_pictures(job, segment, FrameReader(path, facts), upscaler), progress),
        (picture_format(facts, detection, upscaler.scale), target),
        _PIECE_NAME,
    )
    job.leave_record(
        UpscaleRecord(
            stage=Stage.UPSCALE,
            segment=index,
            seconds=progress.seconds,
            frames=count,
            warnings=_warnings(facts),
            piece=piece,
            upscaler=upscaler.name,
            scale=upscaler.scale,
        )
    )
    progress.finish(count)


def doubled_pictures(job: StageJob, segment: Segment, reader: FrameReader, upscaler: Upscaler) -> Iterable[Picture]:
    """Return the pictures of one segment as they go to the encoder: erased, where that was asked for, and doubled."""
    frames = clean_frames(job, segment, reader, job.detection().shots)
    return run_abreast(_tasks(run_ahead(frames, _DECODED_AHEAD), upscaler), pictures_abreast(job.device))


def _warnings(facts: VideoFacts) -> tuple[str, ...]:
    warnings = []
    if facts.field_order != "progressive":
        warnings.append("the video is interlaced and was deinterlaced before it was enlarged")
    hdr = hdr_name(facts.colour.transfer)
    if hdr is not None:
        light = "with the light levels that it names" if facts.hdr is not None else "it names no light levels"
        warnings.append(f"the video is HDR ({hdr}) and stays so, {light}: a player without HDR shows it pale")
    if facts.bit_depth > 8:
        warnings.append("the video has more than 8 bits and is H.264 High 10, which not every player takes")
    return tuple(warnings)


def _upscaler_name(job: StageJob, settings: UpscaleSettings) -> str:
    """Return which upscaler to open: the network that the job names, the worker's own order, or the job's quality."""
    if job.order.upscale_model is not None:
        return str(job.workspace.source(job.order.upscale_model))
    return job.upscaler_name or settings.quality.value


def _preset(upscaler_name: str, device: Device) -> Preset:
    # A GPU is through with a picture before any preset is.
    return "superfast" if device.is_gpu else _PRESETS.get(upscaler_name, "veryfast")


def clean_frames(job: StageJob, segment: Segment, reader: FrameReader, shots: tuple[Shot, ...]) -> Generator[Frame]:
    """Yield the frames of one segment as they are enlarged: without what erase took away, and without fields."""
    facts = reader.facts
    frames: Iterator[Frame] = reader.segment(segment, *context_frames(segment, facts.field_order))
    if job.order.erase is not None:
        keys = job.workspace.keys
        record = EraseRecord.model_validate_json(job.workspace.read(keys.stage_record(Stage.ERASE, segment.index)))
        streams = [
            PatchStream(patch.box, job.workspace.fetch(keys.segment_file(segment.index, patch.name)))
            for patch in record.patches
        ]
        frames = patched(frames, streams, facts.bit_depth)
    if facts.field_order != "progressive":
        frames = deinterlace(frames, facts.field_order, shots)
    return (frame for frame in frames if segment.start_frame <= frame.index < segment.end_frame)


def _tasks(frames: Generator[Frame], upscaler: Upscaler) -> Generator[Callable[[], Picture]]:
    """Yield the work on each frame, as ``run_abreast`` takes it; ends the decoder however it ends itself."""
    with closing(frames):
        for frame in frames:
            yield partial(_picture, upscaler.begin((frame.y, frame.u, frame.v), frame.bit_depth), frame.pts)


def _picture(double: Callable[[], Planes], pts: int) -> Picture:
    return double(), pts
