"""The masks and mattes of a detection: arrays in the worker, base64 PNGs in ``detection.json``."""

from __future__ import annotations

import base64
import binascii

import cv2
import numpy as np
from numpy.typing import NDArray

from domain.detection import CaptionEvent, Mark, Matte

Mask = NDArray[np.bool_]


def encode_mask(mask: Mask) -> str:
    """Return a mask (h, w) as a detection holds it."""
    return _encoded(np.where(mask, 255, 0).astype(np.uint8))


def decode_mask(event: CaptionEvent) -> Mask:
    """Return a caption's mask, (h, w) of its box.

    Raises:
        ValueError: when it is not a picture of the box's size.
    """
    shape = event.box.height, event.box.width
    return _decoded(event.mask_png, shape, f"the mask of caption {event.index}") > 127


def decode_mark_mask(mark: Mark) -> Mask:
    """Return a mark's mask, (height, width).

    Raises:
        ValueError: when it is not a picture of the mark's size.
    """
    return _decoded(mark.mask_png, (mark.height, mark.width), "the mask of a mark") > 127


def encode_matte(opacity: NDArray[np.float32], colour: NDArray[np.float32]) -> Matte:
    """Return a matte as a detection holds it.

    Args:
        opacity: (h, w), 0-1.
        colour: (h, w, 3), Y, U, V in 8-bit levels.
    """
    opacity_png = _encoded(np.clip(255 * opacity + 0.5, 0, 255).astype(np.uint8))
    # OpenCV takes channels from the last to the first.
    levels = np.clip(colour[..., ::-1] + 0.5, 0, 255).astype(np.uint8)
    return Matte(opacity_png=opacity_png, colour_png=_encoded(levels))


def decode_matte(mark: Mark) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """Return a mark's opacity (height, width), 0-1, and colour (height, width, 3) as Y, U, V; None without a matte.

    Raises:
        ValueError: when either is not a picture of the mark's size.
    """
    if mark.matte is None:
        return None
    shape = mark.height, mark.width
    opacity = _decoded(mark.matte.opacity_png, shape, "the opacity of a mark")
    colour = _decoded(mark.matte.colour_png, (*shape, 3), "the colour of a mark")
    return opacity.astype(np.float32) / np.float32(255), colour[..., ::-1].astype(np.float32)


def _encoded(picture: NDArray[np.uint8]) -> str:
    _, png = cv2.imencode(".png", picture)
    return base64.b64encode(png.tobytes()).decode("ascii")


def _decoded(png: str, shape: tuple[int, ...], what: str) -> NDArray[np.uint8]:
    try:
        data = np.frombuffer(base64.b64decode(png, validate=True), np.uint8)
    except binascii.Error as error:
        raise ValueError(f"{what} is not base64") from error
    flag = cv2.IMREAD_GRAYSCALE if len(shape) == 2 else cv2.IMREAD_COLOR
    picture = cv2.imdecode(data, flag) if data.size else None
    if picture is None or picture.shape != shape:
        raise ValueError(f"{what} is not a picture of the size that it should have")
    return np.asarray(picture, dtype=np.uint8)
