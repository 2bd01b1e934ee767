"""An overlay's mask, grown: what is tried first where a fill shows what the mask did not cover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from domain.detection import Box
from gpu_worker.fill.overlays import Overlay
from gpu_worker.video.rect import Rect


def larger_mask(
    overlay: Overlay,
    growth: int,
    frame_size: tuple[int, int],
    missed: Sequence[Box] = (),
    kept: Sequence[Box] = (),
) -> Overlay | None:
    """Return the overlay with its mask grown by ``growth`` pixels on every side, inside the frame.

    Args:
        overlay: with its mask.
        growth: in pixels.
        frame_size: width and height in pixels.
        missed: what the mask takes in as well, as far as it lies in the overlay's grown box.
        kept: where nothing is added, whenever it counts.

    Returns:
        None where there is nothing to add.
    """
    padded = np.pad(overlay.mask, growth)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * growth + 1, 2 * growth + 1))
    grown = cv2.dilate(padded.astype(np.uint8), kernel).astype(bool)
    around = Rect.of_box(overlay.box).shifted(-growth, -growth)
    around = Rect(around.x0, around.y0, around.x1 + 2 * growth, around.y1 + 2 * growth)
    for boxes, value in ((missed, True), (kept, False)):
        for box in boxes:
            part = Rect.of_box(box).meet(around)
            if part.area:
                grown[part.shifted(-around.x0, -around.y0).slices] = value
    inside = around.meet(Rect(0, 0, *frame_size))
    part = inside.shifted(-around.x0, -around.y0)
    mask = (grown | padded)[part.slices]
    if np.array_equal(mask, padded[part.slices]):
        return None
    return replace(overlay, box=inside.to_box(), mask=mask)
