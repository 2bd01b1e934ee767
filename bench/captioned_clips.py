"""Captions drawn over clean clips, with the truth beside them: what the erase bench runs on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from bench.cases import RATE, Case, Style, captions_of, font_path
from domain.detection import Box
from gpu_worker.video.frame import Frame, Plane

#: An opacity below this cannot be seen, and none of it survives the codec.
_LEAST_OPACITY = 0.02
#: What the codec leaves around a stroke belongs to it: 2 px on every side.
_HALO = np.ones((5, 5), np.uint8)

#: Visually lossless, as published video is: what is lost inside the mask is the caption's doing.
_CRF = 18

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class TrueCaption:
    """One drawn caption: frames ``start`` to ``end`` (exclusive); ``mask`` (H, W) holds its pixels and their halo."""

    start: int
    end: int
    text: str
    mask: Mask

    @property
    def box(self) -> Box:
        """Return the smallest box around the mask."""
        rows, columns = np.nonzero(self.mask)
        return Box(x0=int(columns.min()), y0=int(rows.min()), x1=int(columns.max()) + 1, y1=int(rows.max()) + 1)


@dataclass(frozen=True, slots=True, eq=False)
class CaptionedClip:
    """A captioned video at ``path``, its decoded frames, the clean ones, and each frame's opacity (H, W), 0-1."""

    case: Case
    path: Path
    clean: list[Frame]
    captioned: list[Frame]
    opacity: list[NDArray[np.float32]]
    captions: tuple[TrueCaption, ...]

    def masks(self) -> list[Mask]:
        """Return each frame's covered pixels (H, W) with their halo."""
        return [with_halo(opacity) for opacity in self.opacity]


def draw(case: Case, clips: Path, folder: Path, width: int, seed: int) -> CaptionedClip:
    """Draw a case's captions over its clip, at most ``width`` pixels wide, and encode it into ``folder``."""
    clean = list(frames_of(clips / case.file, case.start, case.frames, width))
    captioned, captions = list(clean), []
    opacities = [np.zeros(clean[0].y.shape, np.float32) for _ in clean]
    for planned in captions_of(case, seed):
        overlay = overlay_of(clean[0].width, clean[0].height, planned.style)
        for index in range(planned.start, planned.end):
            edge = min(index - planned.start, planned.end - 1 - index) + 1
            strength = min(1.0, edge / (planned.style.fade_frames + 1))
            captioned[index], opacity = with_overlay(captioned[index], overlay, strength)
            opacities[index] = np.maximum(opacities[index], opacity)
        mask = with_halo(np.asarray(overlay[..., 3] / 255, dtype=np.float32))
        captions.append(TrueCaption(planned.start, planned.end, planned.style.text, mask))
    path = folder / f"{case.name}.mp4"
    encode(captioned, (clean[0].width, clean[0].height), path)
    decoded = list(frames_of(path, 0, len(clean), clean[0].width))
    return CaptionedClip(case, path, clean, decoded, opacities, tuple(captions))


def with_halo(opacity: NDArray[np.float32]) -> Mask:
    """Return the pixels (H, W) that something drawn with this opacity changes, the codec's halo included."""
    return cv2.dilate((opacity > _LEAST_OPACITY).astype(np.uint8), _HALO).astype(bool)


def _font(name: str, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    path = font_path(name)
    return ImageFont.load_default(size) if path is None else ImageFont.truetype(str(path), size)


def overlay_of(width: int, height: int, style: Style) -> NDArray[np.uint8]:
    """Return a caption as RGBA (height, width, 4) at the bottom of the picture."""
    size = max(14, round(0.062 * height))
    font = _font(style.font, size)
    stroke = max(1, round(size / 12)) if style.outline else 0
    picture = Image.new("RGBA", (width, height))
    pen = ImageDraw.Draw(picture)
    left, top, right, bottom = pen.multiline_textbbox(
        (0, 0), style.text, font=font, stroke_width=stroke, align="center"
    )
    x, y = (width - (right - left)) // 2 - left, round(style.baseline * height) - (bottom - top) - top
    if style.plate:
        frame = (x + left - size // 3, y + top - size // 4, x + right + size // 3, y + bottom + size // 4)
        pen.rectangle(frame, fill=(*style.plate_ink, round(255 * style.plate)))
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


def frames_of(path: Path, start: int, count: int, width: int) -> Iterator[Frame]:
    """Yield up to ``count`` frames of a video from frame ``start`` on, numbered from 0; no wider than ``width``."""
    with av.open(str(path), "r") as container:
        stream = container.streams.best("video")
        assert stream is not None
        for number, frame in enumerate(container.decode(stream)):
            if number < start:
                continue
            if number >= start + count:
                break
            assert isinstance(frame, av.VideoFrame)
            wide = min(width, frame.width) // 2 * 2
            high = round(frame.height * wide / frame.width / 2) * 2
            picture = np.asarray(frame.reformat(wide, high, "yuv420p").to_ndarray(), dtype=np.uint8)
            yield _frame(number - start, picture)


def _frame(index: int, picture: NDArray[np.uint8]) -> Frame:
    height, width = picture.shape[0] * 2 // 3, picture.shape[1]
    chroma = picture[height:].reshape(2, height // 2, width // 2)
    return Frame(index, index, Fraction(1, RATE), picture[:height], chroma[0], chroma[1])


def with_overlay(frame: Frame, overlay: NDArray[np.uint8], strength: float) -> tuple[Frame, NDArray[np.float32]]:
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


def encode(frames: Iterable[Frame], size: tuple[int, int], path: Path, crf: int = _CRF) -> None:
    """Write frames of ``size`` (width, height) as H.264 in an MP4 file, ``RATE`` a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": str(crf), "preset": "veryfast"})
        (stream.width, stream.height), stream.pix_fmt = size, "yuv420p"
        for frame in frames:
            planes = np.concatenate([plane.reshape(-1) for plane in (frame.y, frame.u, frame.v)])
            packed = np.asarray(planes.reshape(-1, frame.width), dtype=np.uint8)
            picture = av.VideoFrame.from_ndarray(packed, format="yuv420p")
            picture.pts, picture.time_base = frame.index, Fraction(1, RATE)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
