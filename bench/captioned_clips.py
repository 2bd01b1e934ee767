"""Captions drawn over clean clips, with the truth beside them: what the erase bench runs on."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from gpu_worker.video.frame import Frame, Plane

_ENCODE_RATE = 25
_FONT_FOLDERS = (Path("/usr/share/fonts"), Path.home() / ".local/share/fonts")


@dataclass(frozen=True, slots=True)
class Case:
    """A part of a clean clip. ``kind`` groups cases in the summary."""

    kind: str
    file: str
    start: int
    frames: int


@dataclass(frozen=True, slots=True)
class Style:
    """How a caption is drawn; ``fade_frames`` in and out, ``box`` behind the text as opacity."""

    text: str
    font: str
    ink: tuple[int, int, int] = (255, 255, 255)
    outline: bool = True
    shadow: bool = False
    box: float = 0.0
    fade_frames: int = 0


@dataclass(frozen=True, slots=True)
class TrueCaption:
    """One drawn caption: frames ``start`` to ``end`` (exclusive)."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class CaptionedClip:
    """Clean frames, the same with captions after a trip through H.264, and each frame's opacity (H, W), 0-1."""

    case: Case
    clean: list[Frame]
    captioned: list[Frame]
    opacity: list[NDArray[np.float32]]
    captions: tuple[TrueCaption, ...]


CASES = (
    Case("static", "static_person_walkin.mp4", 60, 90),
    Case("static", "static_bottles_conveyor.mp4", 100, 100),
    Case("static", "juggle_park.mp4", 20, 100),
    Case("pan", "drone_beach_pan.mp4", 300, 100),
    Case("pan", "lofoten_person.mp4", 0, 100),
    Case("pan", "bbb_anim_open.webm", 200, 100),
    Case("fast", "cups_hands_fast.mp4", 60, 100),
    Case("fast", "tos_action_A.mp4", 20, 100),
    Case("dark", "dark_indoor_dog.mp4", 0, 100),
    Case("dark", "chaplin_bw.mp4", 40, 100),
)

STYLES = (
    Style("We should have left hours ago.", "DejaVuSans-Bold"),
    Style(
        "Nobody told me about\nthe second meeting tonight", "DejaVuSans", ink=(255, 230, 60), outline=False, shadow=True
    ),
    Style("我们早就应该离开这里了", "wqy-microhei", ink=(255, 255, 255)),
    Style("Wait! Where are you going?", "DejaVuSans-Bold", fade_frames=6),
    Style("Je ne sais pas encore, peut-être demain", "DejaVuSerif-Italic"),
    Style("昨日の夜、何が起きたの", "NotoSansCJK-Bold", fade_frames=3),
    Style("Это просто невероятно", "DejaVuSans", outline=False, shadow=True),
    Style("OK.", "DejaVuSans-Bold"),
)


def _font(name: str, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    for folder in _FONT_FOLDERS:
        for path in sorted(folder.rglob(f"{name}.*")):
            return ImageFont.truetype(str(path), size)
    return ImageFont.load_default(size)


def _can_draw(style: Style) -> bool:
    """Tell whether the style's script can be drawn: without its own font, only Latin can."""
    if any(path for folder in _FONT_FOLDERS for path in folder.rglob(f"{style.font}.*")):
        return True
    return all(ord(letter) < 0x250 for letter in style.text)


def _overlay(width: int, height: int, style: Style) -> NDArray[np.uint8]:
    """Return a caption as RGBA (height, width, 4) at the bottom of the picture."""
    size = max(14, round(0.062 * height))
    font = _font(style.font, size)
    stroke = max(1, round(size / 12)) if style.outline else 0
    picture = Image.new("RGBA", (width, height))
    pen = ImageDraw.Draw(picture)
    left, top, right, bottom = pen.multiline_textbbox(
        (0, 0), style.text, font=font, stroke_width=stroke, align="center"
    )
    x, y = (width - (right - left)) // 2 - left, round(0.94 * height) - (bottom - top) - top
    if style.box:
        frame = (x + left - size // 3, y + top - size // 4, x + right + size // 3, y + bottom + size // 4)
        pen.rectangle(frame, fill=(0, 0, 0, round(255 * style.box)))
    if style.shadow:
        offset = max(1, round(size / 14))
        pen.multiline_text((x + offset, y + offset), style.text, font=font, fill=(0, 0, 0, 190), align="center")
    text = Image.new("RGBA", (width, height))
    ImageDraw.Draw(text).multiline_text(
        (x, y),
        style.text,
        font=font,
        fill=(*style.ink, 255),
        stroke_width=stroke,
        stroke_fill=(0, 0, 0, 255),
        align="center",
    )
    return np.asarray(Image.alpha_composite(picture, text))


def _decode(source: Path | io.BytesIO, start: int, count: int, width: int) -> Iterator[NDArray[np.uint8]]:
    """Yield planar YUV 4:2:0 pictures at most ``width`` wide as PyAV's (H * 3 / 2, W) arrays."""
    with av.open(source if isinstance(source, io.BytesIO) else str(source), "r") as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number < start:
                continue
            if number >= start + count:
                break
            wide = min(width, frame.width) // 2 * 2
            high = round(frame.height * wide / frame.width / 2) * 2
            yield np.asarray(frame.reformat(wide, high, "yuv420p").to_ndarray(), dtype=np.uint8)


def _frame(index: int, picture: NDArray[np.uint8]) -> Frame:
    height, width = picture.shape[0] * 2 // 3, picture.shape[1]
    chroma = picture[height:].reshape(2, height // 2, width // 2)
    return Frame(index, index, Fraction(1, _ENCODE_RATE), picture[:height], chroma[0], chroma[1])


def _with_caption(frame: Frame, overlay: NDArray[np.uint8], strength: float) -> tuple[Frame, NDArray[np.float32]]:
    """Blend an RGBA overlay over a frame in YUV; return it with its opacity (H, W)."""
    opacity = np.asarray(overlay[..., 3] / 255 * strength, dtype=np.float32)
    colour = np.asarray(cv2.cvtColor(np.ascontiguousarray(overlay[..., :3]), cv2.COLOR_RGB2YCrCb), dtype=np.float32)

    def mixed(plane: Plane, channel: int) -> NDArray[np.uint8]:
        # A chroma sample takes the mean of the ink that covers it, and as much of it as is covered.
        size = plane.shape[::-1]
        share = cv2.resize(opacity, size, interpolation=cv2.INTER_AREA)
        ink = cv2.resize(colour[..., channel] * opacity, size, interpolation=cv2.INTER_AREA)
        return np.asarray(plane * (1 - share) + ink + 0.5, dtype=np.uint8)

    return replace(frame, y=mixed(frame.y, 0), u=mixed(frame.u, 2), v=mixed(frame.v, 1)), opacity


def _encoded(frames: list[Frame], crf: int) -> list[Frame]:
    """Return the frames after H.264."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=_ENCODE_RATE, options={"crf": str(crf), "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, "yuv420p"
        for frame in frames:
            planes = np.concatenate([plane.reshape(-1) for plane in (frame.y, frame.u, frame.v)])
            packed = np.asarray(planes.reshape(-1, frame.width), dtype=np.uint8)
            picture = av.VideoFrame.from_ndarray(packed, format="yuv420p")
            picture.pts, picture.time_base = frame.index, Fraction(1, _ENCODE_RATE)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    buffer.seek(0)
    return [_frame(index, picture) for index, picture in enumerate(_decode(buffer, 0, len(frames), frames[0].width))]


def draw(case: Case, folder: Path, width: int, seed: int, crf: int = 18) -> CaptionedClip:
    """Draw captions of changing style over a clip: about two thirds of the time one is on screen."""
    clean = [
        _frame(i, picture) for i, picture in enumerate(_decode(folder / case.file, case.start, case.frames, width))
    ]
    styles = [style for style in STYLES if _can_draw(style)]
    chance = np.random.default_rng(seed)
    captioned, captions = list(clean), []
    opacities = [np.zeros(clean[0].y.shape, np.float32) for _ in clean]
    start, number = 8, seed
    while start < len(clean) - 4:
        style = styles[number % len(styles)]
        end = min(len(clean), start + int(chance.uniform(0.6, 2.4) * _ENCODE_RATE))
        overlay = _overlay(clean[0].width, clean[0].height, style)
        for index in range(start, end):
            edge = min(index - start, end - 1 - index) + 1
            strength = min(1.0, edge / (style.fade_frames + 1))
            captioned[index], opacities[index] = _with_caption(clean[index], overlay, strength)
        captions.append(TrueCaption(start, end, style.text))
        start, number = end + int(chance.choice([0, 3, 12, 25])), number + 1
    return CaptionedClip(case, clean, _encoded(captioned, crf), opacities, tuple(captions))
