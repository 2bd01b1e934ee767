"""Antialiased bicubic resizing as MATLAB's ``imresize`` does it: what the published super-resolution figures rest on.

R. Keys, "Cubic Convolution Interpolation for Digital Image Processing", 1981, with a = -0.5; widened when shrinking.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_SUPPORT = 4

FloatImage = NDArray[np.float64]


def resize_bicubic(image: FloatImage, scale: float) -> FloatImage:
    """Return an (H, W) image at (ceil(H * scale), ceil(W * scale)), not rounded and not clipped."""
    height, width = image.shape
    return np.asarray(_weights(height, scale) @ image @ _weights(width, scale).T, dtype=np.float64)


def luma(rgb: NDArray[np.uint8] | FloatImage) -> FloatImage:
    """Return the BT.601 luma (H, W), 16-235 and not rounded, of an (H, W, 3) picture of 0-255."""
    red, green, blue = (rgb[..., channel].astype(np.float64) for channel in range(3))
    return np.asarray(16 + (65.481 * red + 128.553 * green + 24.966 * blue) / 255, dtype=np.float64)


@lru_cache(maxsize=64)
def _weights(length: int, scale: float) -> FloatImage:
    """Return the (new length, length) matrix of one axis; what would lie outside is mirrored."""
    new_length = math.ceil(length * scale)
    shrink = min(scale, 1.0)
    centres = (np.arange(new_length) + 0.5) / scale - 0.5
    reach = _SUPPORT / shrink
    first = np.floor(centres - reach / 2).astype(int)
    taps = first[:, None] + np.arange(math.ceil(reach) + 2)[None, :]
    weights = _cubic(shrink * (centres[:, None] - taps))
    weights /= weights.sum(axis=1, keepdims=True)
    taps = np.where(taps < 0, -taps - 1, taps)
    taps = np.where(taps >= length, 2 * length - 1 - taps, taps)
    matrix = np.zeros((new_length, length))
    np.add.at(matrix, (np.repeat(np.arange(new_length), taps.shape[1]), taps.ravel()), weights.ravel())
    return matrix


def _cubic(distance: FloatImage) -> FloatImage:
    x = np.abs(distance)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.asarray(np.where(x <= 1, near, np.where(x <= 2, far, 0.0)), dtype=np.float64)
