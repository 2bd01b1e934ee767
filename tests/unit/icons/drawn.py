"""Clips drawn for the tests: a logo of known pixels over a moving or still texture."""

from __future__ import annotations

import io
from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
from PIL import Image, ImageDraw

from gpu_worker.icons.library import LibraryEntry
from gpu_worker.video.frame import Frame
from gpu_worker.video.source import ColourTags, VideoFacts
from tests.unit.captions.drawn import HEIGHT, RATE, WIDTH

FACTS = VideoFacts(
    size_bytes=1,
    container="mp4",
    codec="h264",
    pixel_format="yuv420p",
    width=WIDTH,
    height=HEIGHT,
    bit_depth=8,
    time_base=Fraction(1, RATE),
    frame_rate=Fraction(RATE),
    duration_seconds=3.0,
    sample_aspect_ratio=None,
    colour=ColourTags(1, 1, 1, 1),
    display_matrix=None,
    rotation_degrees=0,
    mirrored=False,
    field_order="progressive",
    has_alpha=False,
    audio_codecs=(),
)
#: Where the logo stands in each corner, upper left pixel.
CORNERS = ((20, 14), (WIDTH - 84, 14), (WIDTH - 84, HEIGHT - 54), (20, HEIGHT - 54))


def logo() -> np.ndarray:
    """Return a station's bug, (40, 64, 4) RGBA: a ring with a bar in it, and a block with a notch."""
    large = Image.new("RGBA", (256, 160))
    pen = ImageDraw.Draw(large)
    pen.ellipse((4, 4, 130, 156), fill=(235, 235, 235, 255))
    pen.ellipse((34, 34, 100, 126), fill=(0, 0, 0, 0))
    pen.rectangle((58, 50, 76, 110), fill=(235, 235, 235, 255))
    pen.polygon(
        ((150, 150), (150, 10), (190, 10), (205, 80), (220, 10), (252, 10), (252, 150)), fill=(200, 200, 60, 255)
    )
    return np.asarray(large.resize((64, 40), Image.Resampling.BOX))


def png_of(picture: np.ndarray) -> bytes:
    """Return a picture as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def alpha_at(entry: LibraryEntry, width: int, height: int) -> np.ndarray:
    """Return an entry's opacity (height, width), 0-1, at a size in pixels."""
    return cv2.resize(entry.picture[..., 3], (width, height), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def turned(index: int, period: int) -> np.ndarray:
    """Return the logo as it looks in a frame while it turns around its upright axis: (40, 64, 4) RGBA."""
    whole = logo()
    width = max(2, round(64 * abs(np.cos(2 * np.pi * index / period))))
    narrow = np.asarray(Image.fromarray(whole).resize((width, 40), Image.Resampling.BOX))
    left = (64 - width) // 2
    return np.pad(narrow, ((0, 0), (left, 64 - width - left), (0, 0)))


def with_logo(
    frames: list[Frame], place_of, opacity: float = 1.0, picture_of=lambda _: logo()
) -> tuple[list[Frame], np.ndarray]:
    """Return frames with the logo where ``place_of(index)`` says (None for nowhere), and its opacity (40, 64).

    ``picture_of(index)`` is what it looks like; the opacity is that of all its looks together.
    """
    drawn = []
    together = np.zeros((40, 64), np.float32)
    for frame in frames:
        place = place_of(frame.index)
        picture = picture_of(frame.index).astype(np.float32)
        alpha = picture[..., 3] / 255 * opacity
        together = np.maximum(together, alpha)
        drawn.append(frame if place is None else _overlaid(frame, picture, alpha, place))
    return drawn, together


def _overlaid(frame: Frame, picture: np.ndarray, alpha: np.ndarray, place: tuple[int, int]) -> Frame:
    red, green, blue = (picture[..., channel] / 255 for channel in range(3))
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    colours = (
        16 + 219 * luma,
        128 + 224 * (blue - luma) / 1.8556,
        128 + 224 * (red - luma) / 1.5748,
    )
    x, y = place
    planes = []
    for plane, colour, step in zip((frame.y, frame.u, frame.v), colours, (1, 2, 2), strict=True):
        size = (64 // step, 40 // step)
        over = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
        tint = cv2.resize(alpha * colour, size, interpolation=cv2.INTER_AREA)
        changed = plane.astype(np.float32)
        part = changed[y // step : y // step + size[1], x // step : x // step + size[0]]
        part[...] = (1 - over) * part + tint
        planes.append(np.clip(changed + 0.5, 0, 255).astype(np.uint8))
    return replace(frame, y=planes[0], u=planes[1], v=planes[2])


def mask_in_frame(alpha: np.ndarray, place: tuple[int, int]) -> np.ndarray:
    """Return where the logo lies in the frame."""
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    x, y = place
    mask[y : y + alpha.shape[0], x : x + alpha.shape[1]] = alpha > 0.04
    return mask


def with_picture(frame: Frame, place: tuple[int, int], luma: np.ndarray) -> Frame:
    """Return a frame with a picture (h, w) of uint8 luma put on it; ``place`` is its upper left pixel."""
    y = frame.y.copy()
    y[place[1] : place[1] + luma.shape[0], place[0] : place[0] + luma.shape[1]] = luma
    return replace(frame, y=y)
