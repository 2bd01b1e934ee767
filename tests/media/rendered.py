"""Small videos with known content, written with PyAV: sources of the media tests, and a look into their outputs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

#: Presentation steps of a video with a variable frame rate, in ticks of 1/90000 s.
VFR_STEPS = (3000, 3003, 6000, 1500, 4500)


@dataclass(frozen=True)
class Source:
    """What to render.

    ``shots`` are frame numbers at which the picture changes altogether; ``bar`` is a white bar ``x0, y0, x1, y1`` burnt
    into the frames of ``bar_frames``; ``words`` are a caption at the bottom of those of ``words_frames``;
    ``fade_frames`` are dark, with ``is_black`` all are black. ``soft`` textures have nothing that looks like text.
    Every other line of an ``interlaced`` picture is half a frame later than the rest. ``quarter_turns`` turn the
    picture clockwise before it is coded; ``width`` and ``height`` are the coded one's.
    """

    name: str = "source.mp4"
    frames: int = 48
    width: int = 96
    height: int = 64
    codec: str = "libx264"
    options: dict[str, str] = field(default_factory=lambda: {"preset": "ultrafast", "crf": "10", "bf": "2"})
    pixel_format: str = "yuv420p"
    time_base: Fraction = Fraction(1, 90_000)
    steps: tuple[int, ...] = (3000,)
    first_pts: int = 0
    shots: tuple[int, ...] = (16, 32)
    rotation: tuple[float, bool] | None = None
    sample_aspect_ratio: Fraction | None = None
    colour: tuple[int, int, int, int] | None = None
    interlaced: bool = False
    speed: int = 2
    bar: tuple[int, int, int, int] | None = None
    bar_frames: tuple[int, int] = (0, 0)
    words: str = ""
    words_frames: tuple[int, int] = (0, 0)
    fade_frames: tuple[int, int] = (0, 0)
    is_black: bool = False
    soft: bool = False
    quarter_turns: int = 0
    audio: tuple[str, ...] = ("aac",)
    subtitles: tuple[str, ...] = ()
    chapters: tuple[str, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)


def render(folder: Path, source: Source) -> Path:
    """Write the video and return its path."""
    path = folder / source.name
    with av.open(str(path), "w") as out:
        video = _video_stream(out, source)
        audios = [_audio_stream(out, codec) for codec in source.audio]
        texts = [_text_stream(out) for _ in source.subtitles]
        out.metadata.update(source.tags)
        if source.chapters:
            out.set_chapters(
                [
                    {
                        "id": number,
                        "start": 500 * number,
                        "end": 500 * (number + 1),
                        "time_base": Fraction(1, 1000),
                        "metadata": {"title": title},
                    }
                    for number, title in enumerate(source.chapters)
                ]
            )
        pts = source.first_pts
        for index in range(source.frames):
            picture = av.VideoFrame.from_ndarray(picture_at(source, index), format="yuv420p")
            picture = picture.reformat(format=source.pixel_format)
            picture.pts, picture.time_base = pts, source.time_base
            out.mux(video.encode(picture))
            pts += source.steps[index % len(source.steps)]
        out.mux(video.encode(None))
        for number, stream in enumerate(audios):
            _encode_noise(out, stream, float((pts - source.first_pts) * source.time_base), seed=number)
        for stream, text in zip(texts, source.subtitles, strict=True):
            _write_text(out, stream, text)
    return path


def picture_at(source: Source, index: int) -> NDArray[np.uint8]:
    """The I420 picture of one frame: a texture of its shot that moves ``speed`` columns a frame."""
    shot = sum(index >= cut for cut in source.shots)
    rng = np.random.default_rng(shot)
    width, height = source.width + source.width % 2, source.height + source.height % 2
    if source.quarter_turns % 2:
        width, height = height, width
    coarse = rng.integers(30, 220, (height // 8 + 1, width // 8 + 1), np.uint8)
    if source.soft:
        coarse = cv2.GaussianBlur(coarse, (5, 5), 0)
        luma = cv2.resize(coarse, (8 * coarse.shape[1], 8 * coarse.shape[0]), interpolation=cv2.INTER_CUBIC)
    else:
        luma = np.kron(coarse, np.ones((8, 8), np.uint8))
    luma = luma[:height, :width]
    second_field = np.roll(luma, source.speed * index + source.speed // 2, axis=1)[1::2]
    luma = np.roll(luma, source.speed * index, axis=1)
    if source.interlaced:
        luma[1::2] = second_field
    if source.bar is not None and source.bar_frames[0] <= index < source.bar_frames[1]:
        x0, y0, x1, y1 = source.bar
        luma[y0:y1, x0:x1] = 235
    if source.words and source.words_frames[0] <= index < source.words_frames[1]:
        luma = _with_words(luma, source.words)
    if source.fade_frames[0] <= index < source.fade_frames[1]:
        luma = luma // 4  # a flash of darkness
    if source.is_black:
        luma = np.full_like(luma, 16)
    luma = np.rot90(luma, -source.quarter_turns)
    chroma = np.full((luma.shape[0] // 2, luma.shape[1]), 70 + 50 * (shot % 3), np.uint8)
    return np.vstack([luma, chroma])


def _with_words(luma: NDArray[np.uint8], words: str) -> NDArray[np.uint8]:
    height, width = luma.shape
    picture = Image.fromarray(luma)
    place, font = (width // 2, round(0.93 * height)), ImageFont.load_default(height // 10)
    ImageDraw.Draw(picture).text(place, words, fill=235, stroke_fill=16, stroke_width=1, anchor="ms", font=font)
    return np.asarray(picture)


def _video_stream(out: Any, source: Source) -> Any:
    stream = out.add_stream(source.codec, rate=30, options=dict(source.options))
    stream.width, stream.height = source.width, source.height
    stream.pix_fmt = source.pixel_format
    codec = stream.codec_context
    codec.time_base = source.time_base
    stream.time_base = source.time_base
    if source.sample_aspect_ratio is not None:
        codec.sample_aspect_ratio = source.sample_aspect_ratio
    if source.colour is not None:
        codec.color_primaries, codec.color_trc, codec.colorspace, codec.color_range = source.colour
    if source.interlaced:
        from av.codec.context import Flags

        codec.flags |= Flags.interlaced_dct | Flags.interlaced_me
    if source.rotation is not None:
        degrees, mirrored = source.rotation
        stream.set_display_rotation(degrees, hflip=mirrored)
    return stream


def _audio_stream(out: Any, codec: str) -> Any:
    stream = out.add_stream(codec, rate=48_000)
    stream.codec_context.layout = "stereo"
    return stream


def _encode_noise(out: Any, stream: Any, seconds: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    sample_format = stream.codec_context.format.name
    for start in range(0, int(seconds * 48_000), 1024):
        noise = rng.standard_normal((2, 1024)).astype(np.float32) * 0.1
        frame = av.AudioFrame.from_ndarray(noise, format="fltp", layout="stereo")
        frame.sample_rate = 48_000
        frame.pts, frame.time_base = start, Fraction(1, 48_000)
        for resampled in av.AudioResampler(format=sample_format, layout="stereo", rate=48_000).resample(frame):
            out.mux(stream.encode(resampled))
    out.mux(stream.encode(None))


def _text_stream(out: Any) -> Any:
    from gpu_worker.video.tracks import _SUBTITLE_HEADER

    stream = out.add_stream("mov_text")
    stream.codec_context.subtitle_header = _SUBTITLE_HEADER
    stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
    stream.metadata["language"] = "fre"
    return stream


def _write_text(out: Any, stream: Any, text: str) -> None:
    packet = av.Packet(len(text.encode()).to_bytes(2, "big") + text.encode())
    packet.pts = packet.dts = 200
    packet.duration, packet.time_base, packet.stream = 700, Fraction(1, 1000), stream
    out.mux(packet)


@dataclass(frozen=True)
class Seen:
    """What a file turned out to hold."""

    seconds: tuple[Fraction, ...]
    size: tuple[int, int]
    luma_digests: tuple[str, ...]
    audio: tuple[tuple[str, tuple[tuple[Fraction, str], ...]], ...]
    subtitles: tuple[tuple[str, ...], ...]
    chapters: tuple[str, ...]
    tags: dict[str, str]


def audio_bytes(path: Path) -> list[tuple[str, bytes]]:
    """Return codec and bytes of every audio track; PCM has no packets of its own, so they are joined."""
    return [(codec, b"".join(data for _, data in packets)) for codec, packets in _packets(path, "audio")]


def _packets(path: Path, kind: str) -> list[tuple[str, list[tuple[Fraction, bytes]]]]:
    tracks = []
    with av.open(str(path), metadata_errors="replace") as container:
        indices = [stream.index for stream in container.streams if stream.type == kind]
    for index in indices:
        with av.open(str(path), metadata_errors="replace") as container:
            stream = container.streams[index]
            codec = stream.codec_context.name if stream.codec_context is not None else "unknown"
            packets = [
                (packet.dts * packet.time_base, bytes(packet))
                for packet in container.demux(stream)
                if packet.dts is not None
            ]
        tracks.append((codec, packets))
    return tracks


def _first_plane(frame: av.VideoFrame) -> bytes:
    """Luma without the padding of its lines; PyAV makes no array of odd sides in 4:2:0."""
    plane = frame.planes[0]
    data, used = memoryview(plane), plane.width * (1 + (frame.format.components[0].bits > 8))
    return b"".join(data[start : start + used] for start in range(0, plane.height * plane.line_size, plane.line_size))


def look(path: Path) -> Seen:
    """Open a video again: every frame decoded, every audio packet hashed."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [
            (frame.pts * frame.time_base, hashlib.sha256(_first_plane(frame)).hexdigest())
            for frame in container.decode(stream)
        ]
        size = (stream.width, stream.height)
    with av.open(str(path)) as container:
        chapters = tuple(chapter["metadata"].get("title", "") for chapter in container.chapters())
        tags = dict(container.metadata)
    return Seen(
        seconds=tuple(at for at, _ in frames),
        size=size,
        luma_digests=tuple(digest for _, digest in frames),
        audio=tuple(
            (codec, tuple((at, hashlib.sha256(data).hexdigest()) for at, data in packets))
            for codec, packets in _packets(path, "audio")
        ),
        subtitles=tuple(
            tuple(data[2:].decode() for _, data in packets if len(data) > 2)
            for _, packets in _packets(path, "subtitle")
        ),
        chapters=chapters,
        tags=tags,
    )
