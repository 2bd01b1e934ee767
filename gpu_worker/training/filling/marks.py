"""What is drawn over pictures for the network to see behind: lines of text, logos, bars, strokes."""

from __future__ import annotations

import string

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from gpu_worker.video.halo import codec_halo

#: Lines of the video that a mark is drawn as if for: they say how large it is, and how far the codec rings around it.
_LINES = (300, 1080)
#: Our masks are as wide as the codec's ringing, and now and then this much wider.
_MOST_WIDER = 2
_TEXT_SHARE = 0.5
_BAR_SHARE = 0.1
#: Sizes as shares of the video's lines: of letters, and of a logo's or a bar's shorter side.
_LETTER_SIZE = (0.03, 0.09)
_LOGO_SIZE = (0.05, 0.2)
_BAR_SIZE = (0.05, 0.14)
#: No mark takes more than this share of the picture's height: the network must see what is around it.
_MOST_OF_HEIGHT = 0.4
_LETTERS = string.ascii_letters + string.digits + "  .,!?-"

ByteImage = NDArray[np.uint8]


def draw_marks(height: int, width: int, rng: np.random.Generator) -> tuple[ByteImage, ByteImage, NDArray[np.bool_]]:
    """Return one to three marks.

    Returns:
        Their opacity (H, W), 0-255; their luma (H, W); the mask (H, W) of all that they change, with a halo.
    """
    opacity, colour, mask = (np.zeros((height, width), np.uint8) for _ in range(3))
    low, high = np.log(_LINES)
    for _ in range(int(rng.integers(1, 4))):
        lines = float(np.exp(rng.uniform(low, high)))
        kind = rng.random()
        draw, sizes = (
            (_text, _LETTER_SIZE)
            if kind < _TEXT_SHARE
            else (_bar, _BAR_SIZE)
            if kind < _TEXT_SHARE + _BAR_SHARE
            else (_logo, _LOGO_SIZE)
        )
        size = min(lines * float(rng.uniform(*sizes)), _MOST_OF_HEIGHT * height)
        drawn = draw((height, width), max(8.0, size), rng)
        edge = cv2.dilate(drawn, np.ones((3, 3), np.uint8)) if rng.random() < 0.5 else drawn
        bright = int(rng.integers(150, 256)) if rng.random() < 0.7 else int(rng.integers(0, 256))
        np.copyto(colour, np.where(drawn > 0, bright, 16).astype(np.uint8), where=edge > 0)
        opacity = np.maximum(opacity, edge)
        side = 2 * (codec_halo(round(lines)) + int(rng.integers(_MOST_WIDER, endpoint=True))) + 1
        mask = np.maximum(mask, cv2.dilate(edge, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))))
    return opacity, colour, mask > 0


def _text(shape: tuple[int, int], size: float, rng: np.random.Generator) -> ByteImage:
    """Return a line of letters ``size`` pixels tall, somewhere, or the part of it that is in the picture."""
    height, width = shape
    canvas = Image.new("L", (width, height))
    text = "".join(rng.choice(list(_LETTERS), size=int(rng.integers(1, 24))))
    place = (float(rng.uniform(-width / 4, width * 0.75)), float(rng.uniform(0, height - size)))
    stroke = float(rng.uniform(0, size / 8))
    font = ImageFont.load_default(size=size)
    ImageDraw.Draw(canvas).text(place, text, fill=255, font=font, stroke_width=stroke)
    return np.asarray(canvas, dtype=np.uint8)


def _bar(shape: tuple[int, int], size: float, rng: np.random.Generator) -> ByteImage:
    height, width = shape
    drawn = np.zeros(shape, np.uint8)
    tall, wide = int(size), int(rng.uniform(0.1, 0.9) * width)
    top, left = int(rng.integers(height - tall)), int(rng.integers(width - wide))
    drawn[top : top + tall, left : left + wide] = 255
    return drawn


def _logo(shape: tuple[int, int], size: float, rng: np.random.Generator) -> ByteImage:
    """Return a few overlapping ellipses, polygons and strokes within a square."""
    drawn = np.zeros(shape, np.uint8)
    corner = rng.uniform(0, 1, 2) * (shape[1] - size, shape[0] - size)
    for _ in range(int(rng.integers(1, 5))):
        points = (corner + rng.random((int(rng.integers(3, 7)), 2)) * size).astype(np.int32)
        kind = rng.random()
        if kind < 0.4:
            axes = (max(2, int(rng.uniform(0.1, 0.5) * size)), max(2, int(rng.uniform(0.1, 0.5) * size)))
            cv2.ellipse(
                drawn, (int(points[0][0]), int(points[0][1])), axes, float(rng.uniform(0, 180)), 0, 360, 255, -1
            )
        elif kind < 0.7:
            cv2.fillPoly(drawn, [points.reshape(-1, 1, 2)], 255)
        else:
            cv2.polylines(
                drawn,
                [points.reshape(-1, 1, 2)],
                bool(rng.integers(2)),
                255,
                max(2, int(rng.uniform(0.04, 0.15) * size)),
            )
    return drawn
