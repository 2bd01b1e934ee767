"""Clips drawn for the tests: a moving or still texture, and captions of known pixels and times over it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gpu_worker.video.frame import Frame

WIDTH, HEIGHT, RATE = 480, 270, 25


@dataclass(frozen=True)
class Drawn:
    text: str
    start: int
    end: int
    fade_frames: int = 0
    baseline: float = 0.93
    outline: int = 2
    size_share: float = 0.085
    #: A font's file; without, Pillow's own, which has Latin only.
    font: str = ""
    #: Where the text begins, as a share of the width; without, it is centred.
    left_share: float | None = None


def texture(width: int, height: int, seed: int = 1) -> np.ndarray:
    """Return smooth noise of several sizes, 40-200, as (height, width) uint8: nothing in it looks like text."""
    chance = np.random.default_rng(seed)
    total = np.zeros((height, width), np.float32)
    for size in (6, 12, 48):
        noise = chance.random((height // size + 2, width // size + 2), dtype=np.float32)
        total += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(40 + 160 * (total - total.min()) / np.ptp(total), 0, 255).astype(np.uint8)


def moving(count: int, step: float, width: int = WIDTH, height: int = HEIGHT, seed: int = 1) -> list[Frame]:
    """Return frames whose texture moves by ``step`` pixels to the left per frame."""
    wide = texture(width + int(count * abs(step)) + 2, height, seed)
    chroma = texture(wide.shape[1] // 2 + 1, (height + 1) // 2, seed + 1)
    frames = []
    for index in range(count):
        y = shifted(wide, index * step, width)
        u = shifted(chroma, index * step / 2, (width + 1) // 2)
        frames.append(Frame(index, index, Fraction(1, RATE), y, u, (255 - u).astype(np.uint8)))
    return frames


def shifted(wide: np.ndarray, offset: float, width: int) -> np.ndarray:
    whole, share = int(offset), offset - int(offset)
    part = wide[:, whole : whole + width].astype(np.float32)
    following = wide[:, whole + 1 : whole + 1 + width].astype(np.float32)
    return (part * (1 - share) + following * share + 0.5).astype(np.uint8)


def opacity_of(caption: Drawn, width: int = WIDTH, height: int = HEIGHT) -> tuple[np.ndarray, np.ndarray]:
    """Return the opacity (h, w), 0-1, of a caption in full, and its luma: white with a black outline."""
    size = round(caption.size_share * height)
    font = ImageFont.truetype(caption.font, size) if caption.font else ImageFont.load_default(size)
    picture = Image.new("RGBA", (width, height))
    pen = ImageDraw.Draw(picture)
    left, _, right, bottom = pen.textbbox((0, 0), caption.text, font=font, stroke_width=caption.outline)
    begin = (width - (right - left)) // 2 if caption.left_share is None else round(caption.left_share * width)
    place = (begin - left, round(caption.baseline * height) - bottom)
    ink = {"fill": (255, 255, 255, 255), "stroke_fill": (0, 0, 0, 255)}
    pen.text(place, caption.text, font=font, stroke_width=caption.outline, **ink)
    drawn = np.asarray(picture)
    return drawn[..., 3].astype(np.float32) / 255, drawn[..., 0]


def with_captions(frames: list[Frame], captions: tuple[Drawn, ...]) -> tuple[list[Frame], list[np.ndarray]]:
    """Return the frames with captions, and each frame's opacity."""
    done, opacities = list(frames), [np.zeros(frame.y.shape, np.float32) for frame in frames]
    for caption in captions:
        full, luma = opacity_of(caption, frames[0].width, frames[0].height)
        for index in range(caption.start, min(caption.end, len(frames))):
            edge = min(index - caption.start, caption.end - 1 - index) + 1
            opacity = full * min(1.0, edge / (caption.fade_frames + 1))
            half = cv2.resize(opacity, done[index].u.shape[::-1], interpolation=cv2.INTER_AREA)
            frame = done[index]
            done[index] = replace(
                frame,
                y=(frame.y * (1 - opacity) + luma * opacity + 0.5).astype(np.uint8),
                u=(frame.u * (1 - half) + 128 * half + 0.5).astype(np.uint8),
                v=(frame.v * (1 - half) + 128 * half + 0.5).astype(np.uint8),
            )
            opacities[index] = np.maximum(opacities[index], opacity)
    return done, opacities
