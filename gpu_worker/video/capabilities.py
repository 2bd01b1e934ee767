"""What this machine's FFmpeg can really do, tried and not read from a list: for ``doctor``."""

from __future__ import annotations

from fractions import Fraction

from av.codec.codec import Codec, UnknownCodecError
from av.codec.context import CodecContext
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

#: Without one of these no job can end well.
_NEEDED_DECODERS = ("h264", "hevc", "libdav1d", "vp8", "vp9", "mpeg2video", "mpeg4", "prores", "ffv1")
_NEEDED_ENCODERS = ("libx264", "ffv1")


def missing_codecs() -> tuple[str, ...]:
    """Return the needed encoders that fail to encode a picture and the needed decoders that are not there."""
    decoders = (f"decoder {name}" for name in _NEEDED_DECODERS if not _has_decoder(name))
    encoders = (f"encoder {name}" for name in _NEEDED_ENCODERS if not encodes(name))
    return (*decoders, *encoders)


def encodes(name: str) -> bool:
    """Tell whether an encoder takes a picture; being compiled in says nothing of the device it needs."""
    try:
        codec = CodecContext.create(name, "w")
        assert isinstance(codec, VideoCodecContext)
        codec.width, codec.height, codec.pix_fmt = 256, 256, "yuv420p"
        codec.time_base = Fraction(1, 25)
        picture = VideoFrame(256, 256, "yuv420p")
        picture.pts = 0
        codec.encode(picture)
    except (FFmpegError, UnknownCodecError):
        return False
    return True


def _has_decoder(name: str) -> bool:
    try:
        Codec(name, "r")
    except UnknownCodecError:
        return False
    return True
