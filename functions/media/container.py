"""Opens a video and chooses its stream; turns FFmpeg's errors into ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.stream import VideoStream

from domain.errors import EncryptedSourceError, NoVideoStreamError, UnreadableVideoError, UnsupportedCodecError

_ENCRYPTED_TAGS = frozenset({"encv", "drmi"})


@contextmanager
def open_container(file: Path | BinaryIO, name: str) -> Iterator[InputContainer]:
    """Open a video for reading; ``name`` is what the error calls it.

    Raises:
        UnreadableVideoError: when FFmpeg knows no container in it.
    """
    try:
        # Tags in a legacy encoding are no reason to refuse a video.
        container = av.open(file, "r", metadata_errors="replace")
    except FFmpegError as error:
        raise UnreadableVideoError(f"{name} is not a readable video: {error.strerror}") from error
    with container:
        yield container


def main_video_stream(container: InputContainer) -> VideoStream:
    """Return the stream that FFmpeg would choose; never a cover picture.

    Raises:
        NoVideoStreamError: when the file has no video.
        UnsupportedCodecError: when FFmpeg has no decoder for it.
        EncryptedSourceError: when the file says that it is encrypted.
    """
    if "encryption" in container.metadata:  # how FFmpeg reports the encryption objects of an ASF header
        raise EncryptedSourceError("the source is encrypted (DRM); give an unprotected copy")
    stream = container.streams.best("video")
    if stream is None or stream.disposition & Disposition.attached_pic:
        if any(not other.disposition & Disposition.attached_pic for other in container.streams.video):
            raise UnsupportedCodecError("no decoder is known for the source's video stream")
        raise NoVideoStreamError("the source has no video stream")
    assert isinstance(stream, VideoStream)
    if stream.codec_context is None:
        raise UnsupportedCodecError("no decoder is known for the source's video stream")
    if stream.codec_context.codec_tag in _ENCRYPTED_TAGS:
        raise EncryptedSourceError("the source's video stream is encrypted (DRM); give an unprotected copy")
    return stream
