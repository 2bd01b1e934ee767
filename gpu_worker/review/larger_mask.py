"""A caption's mask, grown: what is tried first where a fill shows what the mask did not cover."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from domain.detection import Box, CaptionEvent
from gpu_worker.video.masks import decode_mask, encode_mask


def larger_mask(
    event: CaptionEvent, growth: int, frame_size: tuple[int, int], missed: Sequence[Box] = ()
) -> CaptionEvent:
    """Return the caption with its mask grown by ``growth`` pixels on every side, inside the frame.

    Args:
        event: with its mask.
        growth: in pixels.
        frame_size: width and height in pixels.
        missed: what the mask takes in as well, as far as it lies in the caption's grown box.

    Raises:
        ValueError: when the mask cannot be decoded.
    """
    box, (width, height) = event.box, frame_size
    padded = np.pad(decode_mask(event).astype(np.uint8), growth)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * growth + 1, 2 * growth + 1))
    grown = cv2.dilate(padded, kernel).astype(bool)
    x0, y0 = box.x0 - growth, box.y0 - growth
    for part in missed:
        rows = slice(max(0, part.y0 - y0), max(0, part.y1 - y0))
        grown[rows, max(0, part.x0 - x0) : max(0, part.x1 - x0)] = True
    inside = Box(x0=max(0, x0), y0=max(0, y0), x1=min(width, box.x1 + growth), y1=min(height, box.y1 + growth))
    mask = grown[inside.y0 - y0 : inside.y1 - y0, inside.x0 - x0 : inside.x1 - x0]
    return event.model_copy(update={"box": inside, "mask_png": encode_mask(mask)})
