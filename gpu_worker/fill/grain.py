"""Grain for what was filled: a mean of several frames is smoother than the film around it, and shows as a patch."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.fill.chunk import Filled

#: What is finer than this standard deviation of a Gaussian, in pixels, may be grain.
_FINENESS = 1.5
#: Grain is in every neighbourhood of so many pixels: it is measured where there is least else, in this percentile.
_NEIGHBOURHOOD = 7
_QUIETEST = 20
#: Less missing variance than this, in 8-bit levels squared, is no film grain but the codec's own unevenness; more than
#: this is texture, which noise would not bring back.
_LEAST_VARIANCE = 0.5
_MOST_VARIANCE = 3.0
#: Side of the stored pattern, and its softness: the codec leaves no grain as sharp as a pixel.
_PATTERN_SIDE = 256
_SOFTNESS = 0.7
_SEED = 1

Mask = NDArray[np.bool_]


def with_grain(filled: Filled, place: tuple[int, int], frame_index: int) -> Filled:
    """Return a filled frame with as much grain in its covered luma as the pixels around it have more of.

    The pattern depends on the frame's number and the position in it alone. Nothing is added where nothing is missing,
    nor where nothing changes from frame to frame: a texture is no grain.

    Args:
        filled: of one window.
        place: column and row of its surroundings in the frame.
        frame_index: in the video.
    """
    occlusion, luma = filled.surroundings.occlusion, filled.surroundings.y
    if occlusion.is_empty or filled.grain < _LEAST_VARIANCE:
        return filled
    scale = float(1 << (filled.surroundings.bit_depth - 8))
    points, _ = occlusion.points
    picture = luma[points.crop].astype(np.float32)
    reach = occlusion.reach[points.crop]
    fine = np.square(picture - cv2.GaussianBlur(picture, (0, 0), _FINENESS)) / scale**2
    missing = min(filled.grain, _quietest(fine, ~reach) - _quietest(fine, points.mask), _MOST_VARIANCE)
    if missing < _LEAST_VARIANCE:
        return filled
    column, row = place[0] + points.crop[1].start, place[1] + points.crop[0].start
    pattern = _pattern_at(column, row, points.mask.shape, frame_index)
    grainy = picture + pattern * np.float32(scale * np.sqrt(missing))
    result = luma.copy()
    cropped = result[points.crop]
    cropped[points.mask] = np.clip(grainy[points.mask] + 0.5, 0, 256 * scale - 1).astype(luma.dtype)
    return replace(filled, surroundings=replace(filled.surroundings, y=result))


def _quietest(fine: NDArray[np.float32], where: Mask) -> float:
    """Return the variance of the quietest neighbourhoods of a mask; 0 where it is empty."""
    if not where.any():
        return 0.0
    weight = where.astype(np.float32)
    side = (_NEIGHBOURHOOD, _NEIGHBOURHOOD)
    share = cv2.blur(weight, side)
    variance = cv2.blur(fine * weight, side)[where] / share[where]
    return float(np.percentile(variance, _QUIETEST))


@cache
def _pattern() -> NDArray[np.float32]:
    """Return grain with a variance of 1; its edges fit together."""
    noise = np.random.default_rng(_SEED).standard_normal((_PATTERN_SIDE, _PATTERN_SIDE)).astype(np.float32)
    tiled = cv2.GaussianBlur(np.tile(noise, (3, 3)), (0, 0), _SOFTNESS)
    middle = tiled[_PATTERN_SIDE : 2 * _PATTERN_SIDE, _PATTERN_SIDE : 2 * _PATTERN_SIDE]
    return np.asarray(middle / middle.std(), dtype=np.float32)


def _pattern_at(column: int, row: int, shape: tuple[int, ...], frame_index: int) -> NDArray[np.float32]:
    """Return the pattern at a place of the frame: shifted by another amount in each frame."""
    across, down = np.random.default_rng((_SEED, frame_index)).integers(0, _PATTERN_SIDE, 2)
    columns = (column + int(across) + np.arange(shape[1])) % _PATTERN_SIDE
    rows = (row + int(down) + np.arange(shape[0])) % _PATTERN_SIDE
    return _pattern()[np.ix_(rows, columns)]
