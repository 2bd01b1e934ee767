"""Opens the source of a job and reads the facts that every later stage agrees on; turns FFmpeg's errors into ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, TypeAlias

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.sidedata.sidedata import SideData
from av.sidedata.sidedata import Type as SideDataType
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from domain.containers import HEAD_BYTES, container_name
from domain.errors import SourceNotFoundError, UnreadableVideoError
from domain.job import SourceFacts
from gpu_worker.video.hdr import HdrMetadata, hdr_metadata
from media.container import main_video_stream, open_container

FieldOrder = Literal["progressive", "top_first", "bottom_first"]

MediaPacket: TypeAlias = "Packet[Any]"

#: Rates outside are artefacts of a container's clock (FLV and Matroska report 1000 frames a second).
_PLAUSIBLE_RATES = (Fraction(1), Fraction(240))
_FALLBACK_RATE = Fraction(25)
#: Frames looked at for the interlaced flag: film-to-video transfers open with progressive frames now and then.
_FRAMES_PROBED = 8
_BOTTOM_FIRST_ORDERS = frozenset({3, 5})  # AV_FIELD_BB, AV_FIELD_BT
_MATRIX_RGB = 0
_MATRIX_BT709 = 1
_MATRIX_UNSPECIFIED = 2
_MATRIX_SMPTE170M = 6
_HD_HEIGHT = 720
RANGE_LIMITED = 1
RANGE_FULL = 2


@dataclass(frozen=True, slots=True)
class ColourTags:
    """How the numbers of a picture mean colours: the code points of ITU-T H.273, ``colour_range`` 1 limited, 2 full."""

    primaries: int
    transfer: int
    matrix: int
    colour_range: int


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """What the file says about its video stream. Sizes in pixels as coded, before rotation.

    ``display_matrix`` is the stream's 3x3 matrix in FFmpeg's fixed-point form, None where there is none.
    ``rotation_degrees`` is the counter-clockwise turn for display; where ``mirrored``, the turned picture is then
    mirrored left to right. ``frame_rate`` is nominal: pts rule.
    """

    size_bytes: int
    container: str
    codec: str
    pixel_format: str
    width: int
    height: int
    bit_depth: Literal[8, 10]
    time_base: Fraction
    frame_rate: Fraction
    duration_seconds: float | None
    sample_aspect_ratio: Fraction | None
    colour: ColourTags
    display_matrix: tuple[int, ...] | None
    rotation_degrees: Literal[0, 90, 180, 270]
    mirrored: bool
    field_order: FieldOrder
    has_alpha: bool
    audio_codecs: tuple[str, ...]
    hdr: HdrMetadata | None = None

    def to_source_facts(self) -> SourceFacts:
        """Return the part of the facts that a work order carries."""
        return SourceFacts(
            size_bytes=self.size_bytes,
            container=self.container,
            video_codec=self.codec,
            pixel_format=self.pixel_format,
            width=self.width,
            height=self.height,
            rotation_degrees=self.rotation_degrees,
            duration_seconds=self.duration_seconds,
            frame_rate=str(self.frame_rate),
            audio_codecs=self.audio_codecs,
        )


@contextmanager
def open_source(path: Path) -> Iterator[InputContainer]:
    """Open a video file for reading.

    Raises:
        SourceNotFoundError: when there is no such file.
        UnreadableVideoError: when FFmpeg knows no container in it, or it is truncated.
    """
    if not path.is_file():
        raise SourceNotFoundError(f"there is no file {path}")
    with open_container(path, path.name) as container:
        yield container


def probe_video(path: Path) -> VideoFacts:
    """Read the facts of a file; decodes its first few frames, because headers do not tell everything.

    Raises:
        BadSourceError: one of its subclasses, when no frame of it can be shown.
    """
    with open_source(path) as container:
        stream = main_video_stream(container)
        stream.thread_type = "SLICE"  # frame threads would decode a dozen pictures more than are looked at
        frames = _first_frames(container, stream)
        if not frames:
            raise UnreadableVideoError(f"{path.name}: not one frame of the video stream can be decoded")
        first = frames[0]
        matrix = _display_matrix(first)
        rotation, mirrored = _orientation(matrix)
        assert stream.time_base is not None
        duration = container.duration
        return VideoFacts(
            size_bytes=path.stat().st_size,
            container=container_name(container.format.name, container.metadata.get("major_brand", ""), _head(path)),
            codec=stream.codec_context.name,
            pixel_format=first.format.name,
            width=first.width,
            height=first.height,
            bit_depth=10 if max(c.bits for c in first.format.components) > 8 else 8,
            time_base=stream.time_base,
            frame_rate=_nominal_rate(stream),
            duration_seconds=None if duration is None or duration <= 0 else duration / av.time_base,
            sample_aspect_ratio=stream.sample_aspect_ratio or None,
            colour=_colour_tags(first),
            display_matrix=matrix,
            rotation_degrees=rotation,
            mirrored=mirrored,
            field_order=_field_order(stream, frames),
            has_alpha=any(component.is_alpha for component in first.format.components),
            audio_codecs=tuple(s.codec_context.name for s in container.streams.audio if s.codec_context is not None),
            hdr=hdr_metadata(first),
        )


def _first_frames(container: InputContainer, stream: VideoStream) -> list[VideoFrame]:
    frames: list[VideoFrame] = []
    for packet in packets_until_damage(container, stream):
        try:
            frames += pictures_of(packet)
        except FFmpegError:
            continue
        if len(frames) >= _FRAMES_PROBED:
            break
    return frames


def packets_until_damage(container: InputContainer, *streams: Stream) -> Iterator[MediaPacket]:
    """Yield packets, and end where the container itself can no longer be read, as a player does."""
    packets = container.demux(*streams)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, FFmpegError):
            return
        yield packet


def pictures_of(packet: MediaPacket) -> list[VideoFrame]:
    """Decode one packet; raises FFmpeg's error where it is damaged."""
    return [picture for picture in packet.decode() if isinstance(picture, VideoFrame)]


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def _nominal_rate(stream: VideoStream) -> Fraction:
    low, high = _PLAUSIBLE_RATES
    for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        if rate is not None and low <= rate <= high:
            return rate
    return _FALLBACK_RATE


def _colour_tags(frame: VideoFrame) -> ColourTags:
    if frame.format.is_rgb or frame.format.has_palette:
        # Converted to YUV by us: by the matrix that players assume for the size where no tag says otherwise.
        matrix = _MATRIX_BT709 if frame.height >= _HD_HEIGHT else _MATRIX_SMPTE170M
        return ColourTags(frame.color_primaries, frame.color_trc, matrix, RANGE_LIMITED)
    full = frame.format.name.startswith("yuvj") or frame.color_range == RANGE_FULL
    matrix = _MATRIX_UNSPECIFIED if frame.colorspace == _MATRIX_RGB else frame.colorspace
    colour_range = RANGE_FULL if full else frame.color_range
    return ColourTags(frame.color_primaries, frame.color_trc, matrix, colour_range)


def _display_matrix(frame: VideoFrame) -> tuple[int, ...] | None:
    for entry in frame.side_data:
        # PyAV's stubs call the container a mapping; it iterates over entries.
        if isinstance(entry, SideData) and entry.type == SideDataType.DISPLAYMATRIX:
            return tuple(int(v) for v in np.frombuffer(bytes(entry), np.int32)[:9])
    return None


def _orientation(matrix: tuple[int, ...] | None) -> tuple[Literal[0, 90, 180, 270], bool]:
    """Split a display matrix into a counter-clockwise turn and a mirroring after it.

    The matrix maps a coded point (x, y), y downwards, to (a*x + c*y, b*x + d*y).
    """
    if matrix is None:
        return 0, False
    a, b, c, d = (int(np.sign(matrix[i])) for i in (0, 1, 3, 4))
    mirrored = a * d - b * c < 0
    if mirrored:
        a, c = -a, -c
    turns: dict[tuple[int, int], Literal[0, 90, 180, 270]] = {(1, 0): 0, (0, -1): 90, (-1, 0): 180, (0, 1): 270}
    return turns.get((a, b), 0), mirrored


def _field_order(stream: VideoStream, frames: list[VideoFrame]) -> FieldOrder:
    if not any(frame.interlaced_frame for frame in frames):
        return "progressive"
    return "bottom_first" if stream.codec_context.field_order in _BOTTOM_FIRST_ORDERS else "top_first"
