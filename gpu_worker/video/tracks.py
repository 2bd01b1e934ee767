"""The tracks beside the picture: audio packets byte for byte, subtitles as text, and a word on what MP4 cannot hold."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, TypeVar

import av
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition, Stream
from av.subtitles.stream import SubtitleStream

from gpu_worker.video.source import MediaPacket, packets_until_damage

_TEXT_SUBTITLES = frozenset({"srt", "subrip", "ass", "ssa", "webvtt", "text", "mov_text"})
#: The subtitle encoder wants a style sheet; players draw MP4 text in their own style.
_SUBTITLE_HEADER = (
    b"[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\n"
    b"Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, "
    b"Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, "
    b"MarginV, Encoding\n"
    b"Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1\n\n"
    b"[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
)
_ASS_TEXT_FIELD = 8
_ASS_OVERRIDE = re.compile(r"\{[^}]*\}")
_MARKUP_TAG = re.compile(r"<[^>]+>")
_CARRIED_STREAM_TAGS = ("language", "title", "handler_name")
_AAC_BITS_PER_CHANNEL = 96_000
_MILLISECOND = Fraction(1, 1000)

_S = TypeVar("_S", bound=Stream)


class Track(Protocol):
    """One output track. ``convert`` may be called with packets of its source stream in order, then ``finish`` once."""

    def convert(self, packet: MediaPacket) -> Iterator[MediaPacket]:
        """Turn one source packet into packets of the output."""
        ...

    def finish(self) -> Iterator[MediaPacket]:
        """Return what is still held back."""
        ...


@dataclass(slots=True)
class CopiedTrack:
    """Packets pass byte for byte; only their clock is shifted, and mended where it does not increase."""

    target: Stream
    shift: Fraction
    _last_dts: int | None = None

    def convert(self, packet: MediaPacket) -> Iterator[MediaPacket]:
        """Shift one packet; packets without a dts are the demuxer's end marks."""
        if packet.dts is None:
            return
        offset = round(self.shift / packet.time_base)
        dts = packet.dts - offset
        pts = dts if packet.pts is None else packet.pts - offset
        if self._last_dts is not None and dts <= self._last_dts:
            dts = self._last_dts + 1
        self._last_dts = dts
        packet.dts, packet.pts = dts, max(pts, dts)
        packet.stream = self.target
        yield packet

    def finish(self) -> Iterator[MediaPacket]:
        """Nothing is held back."""
        yield from ()


@dataclass(slots=True)
class ReencodedAudio:
    """Audio that MP4 has no place for becomes AAC; what cannot be decoded is left out, its time stays empty."""

    source: AudioStream
    target: AudioStream
    resampler: AudioResampler
    shift: Fraction
    damaged: int = 0

    def convert(self, packet: MediaPacket) -> Iterator[MediaPacket]:
        """Decode, resample and encode one packet."""
        try:
            frames = self.source.decode(packet)
        except FFmpegError:
            self.damaged += 1
            return
        for frame in frames:
            if frame.pts is not None and frame.time_base is not None:
                frame.pts -= round(self.shift / frame.time_base)
            for resampled in self.resampler.resample(frame):
                yield from self.target.encode(resampled)

    def finish(self) -> Iterator[MediaPacket]:
        """Flush resampler and encoder."""
        for resampled in self.resampler.resample(None):
            yield from self.target.encode(resampled)
        yield from self.target.encode(None)


@dataclass(slots=True)
class TextTrack:
    """SubRip, ASS or WebVTT lines become MP4 timed text."""

    target: SubtitleStream
    shift: Fraction
    codec: str

    def convert(self, packet: MediaPacket) -> Iterator[MediaPacket]:
        """Turn one cue into a sample of 3GPP timed text: a 16-bit length, then UTF-8."""
        text = plain_text(bytes(packet).decode("utf-8", "replace"), self.codec).encode()[:0xFFFF]
        if packet.pts is None or not text:
            return
        sample: MediaPacket = Packet(len(text).to_bytes(2, "big") + text)
        start = round((packet.pts * packet.time_base - self.shift) / _MILLISECOND)
        sample.pts = sample.dts = start
        sample.duration = round((packet.duration or 0) * packet.time_base / _MILLISECOND)
        sample.time_base = _MILLISECOND
        sample.stream = self.target
        yield sample

    def finish(self) -> Iterator[MediaPacket]:
        """Nothing is held back."""
        yield from ()


def plain_text(cue: str, codec: str) -> str:
    """Return the words of one subtitle cue without its format's markup."""
    if codec in {"ass", "ssa"}:
        fields = cue.split(",", _ASS_TEXT_FIELD)
        cue = _ASS_OVERRIDE.sub("", fields[-1]).replace(r"\N", "\n").replace(r"\n", "\n").replace(r"\h", " ")
    return _MARKUP_TAG.sub("", cue).strip()


def add_track(output: OutputContainer, source: Stream, shift: Fraction) -> tuple[Track | None, str | None]:
    """Make the output track for one source stream.

    Returns the track, or None where MP4 has no place for the stream, and a sentence for the report where the stream
    does not pass unchanged.
    """
    name = f"{source.type} stream {source.index}"
    codec = source.codec_context.name if source.codec_context is not None else "unknown"
    if source.type == "audio" and source.codec_context is not None:
        assert isinstance(source, AudioStream)
        if mp4_takes(source):
            return CopiedTrack(_described(output.add_stream_from_template(source, opaque=True), source), shift), None
        track = _reencoded(output, source, shift)
        if track is None:
            return None, f"{name} ({codec}) was left out: MP4 does not hold it and it cannot be decoded"
        return track, f"{name} ({codec}) was re-encoded to AAC: MP4 does not hold it"
    if source.type == "subtitle" and codec in _TEXT_SUBTITLES:
        assert isinstance(source, SubtitleStream)
        if codec == "mov_text":
            return CopiedTrack(_described(output.add_stream_from_template(source), source), shift), None
        target = output.add_stream("mov_text")
        assert isinstance(target, SubtitleStream)
        target.codec_context.subtitle_header = _SUBTITLE_HEADER
        target.codec_context.time_base = _MILLISECOND
        target.time_base = _MILLISECOND
        return TextTrack(_described(target, source), shift, codec), f"{name} ({codec}) became MP4 text without styles"
    return None, f"{name} ({codec}) was left out: MP4 does not hold it"


def mp4_takes(source: Stream) -> bool:
    """Ask FFmpeg's MP4 muxer whether it takes a copy of ``source``: a trial file with its first packet is the judge.

    The codec alone does not tell: PCM, for one, is refused when its channels have no layout, and only at the very end.
    """
    try:
        with (
            av.open(source.container.name, metadata_errors="replace") as container,
            av.open(io.BytesIO(), "w", format="mp4") as trial,
        ):
            stream = container.streams[source.index]
            target = trial.add_stream_from_template(stream, opaque=True)
            for packet in packets_until_damage(container, stream):
                if packet.dts is not None:
                    packet.stream = target
                    trial.mux(packet)
                    break
    except (FFmpegError, ValueError):
        return False
    return True


def _reencoded(output: OutputContainer, source: AudioStream, shift: Fraction) -> ReencodedAudio | None:
    codec = source.codec_context
    if not codec.sample_rate or not codec.layout.nb_channels:
        return None
    target = output.add_stream("aac", rate=codec.sample_rate)
    assert isinstance(target, AudioStream)
    layout = "mono" if codec.layout.nb_channels == 1 else "stereo"
    target.codec_context.layout = layout
    target.codec_context.bit_rate = _AAC_BITS_PER_CHANNEL * (1 if layout == "mono" else 2)
    resampler = AudioResampler(format="fltp", layout=layout, rate=codec.sample_rate)
    return ReencodedAudio(source, _described(target, source), resampler, shift)


def _described(target: _S, source: Stream) -> _S:
    for tag in _CARRIED_STREAM_TAGS:
        if tag in source.metadata:
            target.metadata[tag] = source.metadata[tag]
    target.disposition = source.disposition
    return target


def earliest_start(container: InputContainer) -> Fraction:
    """Return when the first sound or picture of a file starts, in seconds; 0 where it is not after zero.

    Broadcast streams start anywhere on their clock. All tracks move by the same amount, so that they stay in step.
    """
    starts = [
        stream.start_time * stream.time_base
        for stream in container.streams
        if stream.type in {"audio", "video"}
        and stream.start_time is not None
        and stream.time_base is not None
        # Cover pictures have no place on the timeline.
        and not stream.disposition & Disposition.attached_pic
    ]
    return max(Fraction(0), min(starts, default=Fraction(0)))
