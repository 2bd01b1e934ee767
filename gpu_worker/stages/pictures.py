"""What the pictures for the eyes of a person share: which moments, how large, and PNG."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from domain.detection import CaptionEvent

#: (h, w, 3) BGR as players show it.
Picture = NDArray[np.uint8]


def spread(count: int, most: int) -> list[int]:
    """Return at most ``most`` of the positions 0 to ``count - 1``, evenly spread."""
    shown = min(count, most)
    return [(2 * position + 1) * count // (2 * shown) for position in range(shown)]


def middle_seconds(caption: CaptionEvent) -> float:
    """Return the moment halfway through a caption's life."""
    return (caption.start_seconds + caption.end_seconds) / 2


def fitted(picture: Picture, long_side_pixels: int) -> Picture:
    """Return the picture, made smaller where its longer side exceeds ``long_side_pixels``."""
    height, width = picture.shape[:2]
    scale = min(1.0, long_side_pixels / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def write_png(picture: Picture, target: Path) -> None:
    """Write a picture.

    Raises:
        OSError: when ``target`` cannot be written.
    """
    done, png = cv2.imencode(".png", picture)
    if not done:
        raise RuntimeError(f"{target.name} could not be written as PNG")
    target.write_bytes(png.tobytes())
