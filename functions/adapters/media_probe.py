"""Opens a source for ProbeSource and tells what it is, or why it cannot work.

Reads the container's tables and decodes one picture; the rest of the file stays where it is. The only user of PyAV
among the functions: ProbeSource carries it as a layer.
"""

from __future__ import annotations

from itertools import islice
from typing import BinaryIO, Literal

from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from domain.containers import HEAD_BYTES, container_name
from domain.errors import UnreadableVideoError
from domain.job import SourceFacts
from media.container import main_video_stream, open_container

# A broadcast recording may begin in the middle of a group of pictures; what shows nothing for this long is no video.
_PACKETS_UNTIL_PICTURE = 600
_MICROSECONDS = 1_000_000


def probe(file: BinaryIO, size_bytes: int) -> SourceFacts:
    """Read the facts of a video file.

    Raises:
        UnreadableVideoError: not a video, truncated, or not one picture can be decoded.
        NoVideoStreamError: sound only.
        UnsupportedCodecError: no decoder is known.
        EncryptedSourceError: the file says that it is encrypted.
    """
    head = file.read(HEAD_BYTES)
    file.seek(0)
    with open_container(file, "the source") as container:
        stream = main_video_stream(container)
        stream.thread_type = "SLICE"  # frame threads would decode a dozen pictures more than the one looked at
        _refuse_truncated(stream, size_bytes)
        picture = _first_picture(container, stream)
        duration = container.duration
        return SourceFacts(
            size_bytes=size_bytes,
            container=container_name(container.format.name, container.metadata.get("major_brand", ""), head),
            video_codec=stream.codec_context.codec.canonical_name,
            pixel_format=picture.format.name,
            width=picture.width,
            height=picture.height,
            rotation_degrees=_quarter_turn(picture.rotation),
            duration_seconds=duration / _MICROSECONDS if duration is not None and duration > 0 else None,
            frame_rate=None if stream.average_rate is None else str(stream.average_rate),
            audio_codecs=tuple(
                sound.codec_context.codec.canonical_name for sound in container.streams.audio if sound.codec_context
            ),
        )


def _refuse_truncated(stream: VideoStream, size_bytes: int) -> None:
    # Containers with a table of their packets tell where the last one ends; a cut-off upload ends before.
    last = max((entry.pos + entry.size for entry in stream.index_entries), default=0)
    if last > size_bytes:
        raise UnreadableVideoError(
            f"the source is truncated: its video goes on to byte {last}, the file ends at {size_bytes}"
        )


def _first_picture(container: InputContainer, stream: VideoStream) -> VideoFrame:
    packets = container.demux(stream)
    try:
        for packet in islice(packets, _PACKETS_UNTIL_PICTURE):
            try:
                pictures = packet.decode()
            except FFmpegError:
                continue  # damaged; a later one may do
            if pictures:
                return pictures[0]
    except FFmpegError as error:
        raise UnreadableVideoError(f"the source cannot be read: {error.strerror}") from error
    raise UnreadableVideoError("not one picture of the source's video stream can be decoded")


def _quarter_turn(degrees: int) -> Literal[0, 90, 180, 270]:
    turns: tuple[Literal[0, 90, 180, 270], ...] = (0, 90, 180, 270)
    return turns[round(degrees / 90) % 4]
