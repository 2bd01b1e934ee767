"""What is drawn over pictures for the network to see behind: lines of text, logos, bars, strokes."""

from __future__ import annotations

import string

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

#: The codec's halo around what is drawn; our masks take as much, and now and then more.
_HALO = (2, 5)
_TEXT_SHARE = 0.6
_BAR_SHARE = 0.1
_LETTERS = string.ascii_letters + string.digits + "  .,!?-"

ByteImage = NDArray[np.uint8]


def draw_marks(height: int, width: int, rng: np.random.Generator) -> tuple[ByteImage, ByteImage, NDArray[np.bool_]]:
    """Return one to three marks.

    Returns:
        Their opacity (H, W), 0-255; their luma (H, W); the mask (H, W) of all that they change, with a halo.
    """
    opacity, colour = np.zeros((height, width), np.uint8), np.zeros((height, width), np.uint8)
    for _ in range(int(rng.integers(1, 4))):
        kind = rng.random()
        drawn = (
            _text(height, width, rng)
            if kind < _TEXT_SHARE
            else _bar(height, width, rng)
            if kind < _TEXT_SHARE + _BAR_SHARE
            else _logo(height, width, rng)
        )
        edge = cv2.dilate(drawn, np.ones((3, 3), np.uint8)) if rng.random() < 0.5 else drawn
        bright = int(rng.integers(150, 256)) if rng.random() < 0.7 else int(rng.integers(0, 256))
        np.copyto(colour, np.where(drawn > 0, bright, 16).astype(np.uint8), where=edge > 0)
        opacity = np.maximum(opacity, edge)
    side = 2 * int(rng.integers(*_HALO, endpoint=True)) + 1
    mask = cv2.dilate(opacity, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))) > 0
    return opacity, colour, mask


def _text(height: int, width: int, rng: np.random.Generator) -> ByteImage:
    canvas = Image.new("L", (width, height))
    font = ImageFont.load_default(size=float(rng.uniform(height / 16, height / 4)))
    text = "".join(rng.choice(list(_LETTERS), size=int(rng.integers(1, 24))))
    place = (float(rng.uniform(-width / 4, width * 0.75)), float(rng.uniform(0, height * 0.9)))
    stroke = float(rng.integers(0, 4))
    ImageDraw.Draw(canvas).text(place, text, fill=255, font=font, stroke_width=stroke)
    return np.asarray(canvas, dtype=np.uint8)


def _bar(height: int, width: int, rng: np.random.Generator) -> ByteImage:
    drawn = np.zeros((height, width), np.uint8)
    tall, wide = int(rng.uniform(0.06, 0.25) * height), int(rng.uniform(0.1, 0.9) * width)
    top, left = int(rng.integers(height - tall)), int(rng.integers(width - wide))
    drawn[top : top + tall, left : left + wide] = 255
    return drawn


def _logo(height: int, width: int, rng: np.random.Generator) -> ByteImage:
    """Return a few overlapping ellipses, polygons and strokes within a square."""
    drawn = np.zeros((height, width), np.uint8)
    side = rng.uniform(0.1, 0.4) * height
    corner = rng.uniform(0, 1, 2) * (width - side, height - side)
    for _ in range(int(rng.integers(1, 5))):
        points = (corner + rng.random((int(rng.integers(3, 7)), 2)) * side).astype(np.int32)
        kind = rng.random()
        if kind < 0.4:
            axes = (max(2, int(rng.uniform(0.1, 0.5) * side)), max(2, int(rng.uniform(0.1, 0.5) * side)))
            cv2.ellipse(
                drawn, (int(points[0][0]), int(points[0][1])), axes, float(rng.uniform(0, 180)), 0, 360, 255, -1
            )
        elif kind < 0.7:
            cv2.fillPoly(drawn, [points.reshape(-1, 1, 2)], 255)
        else:
            cv2.polylines(drawn, [points.reshape(-1, 1, 2)], bool(rng.integers(2)), 255, int(rng.integers(2, 8)))
    return drawn
