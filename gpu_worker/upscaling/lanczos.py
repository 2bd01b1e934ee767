"""Doubling by Lanczos interpolation: the measure that every network has to beat, and the upscaler where none is there.

C. E. Duchon, "Lanczos Filtering in One and Two Dimensions", 1979; kernel support a = 3.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.video.frame import Plane, Planes

_SUPPORT = 3
#: Where the two new samples of a doubled axis lie, in old samples from the one that they replace.
_CENTRED_PHASES = (-0.25, 0.25)
#: 4:2:0 chroma of H.264 lies on the even luma columns, not between them (chroma sample location type 0, "left"): on the
#: doubled grid its columns start an eighth of an old chroma sample further left, and are half a sample apart.
_LEFT_SITED_PHASES = (-0.125, 0.375)


class LanczosUpscaler:
    """Doubles luma and chroma, each where its samples lie."""

    name: ClassVar[str] = "lanczos"
    scale: ClassVar[int] = 2

    def begin(self, planes: Planes, bit_depth: int) -> Callable[[], Planes]:
        """Return what will double a picture; see ``Upscaler``."""
        return partial(self.upscale, planes, bit_depth)

    def upscale(self, planes: Planes, bit_depth: int) -> Planes:
        """Double a picture now; see ``Upscaler``."""
        y, u, v = planes
        return _doubled(y, _CENTRED_PHASES, bit_depth), *double_chroma(u, v, y.shape, bit_depth)


def double_chroma(u: Plane, v: Plane, luma_shape: tuple[int, ...], bit_depth: int) -> tuple[Plane, Plane]:
    """Return the chroma (H, W) each of a picture of 2H x 2W, from the chroma of one whose luma is (H, W)."""
    height, width = luma_shape
    doubled = [_doubled(plane, _LEFT_SITED_PHASES, bit_depth)[:height, :width] for plane in (u, v)]
    return doubled[0], doubled[1]


def _doubled(plane: Plane, column_phases: tuple[float, float], bit_depth: int) -> Plane:
    """Interpolate (H, W) to (2H, 2W): each of the four new samples an old one has is one separable filter."""
    height, width = plane.shape
    result = np.empty((2 * height, 2 * width), plane.dtype)
    depth = cv2.CV_8U if plane.dtype == np.uint8 else cv2.CV_16U
    for row, row_phase in enumerate(_CENTRED_PHASES):
        for column, column_phase in enumerate(column_phases):
            result[row::2, column::2] = cv2.sepFilter2D(
                plane, depth, _kernel(column_phase), _kernel(row_phase), borderType=cv2.BORDER_REPLICATE
            )
    if bit_depth > 8:
        # Ringing beyond white must not wrap past the ten bits that the encoder reads.
        np.minimum(result, (1 << bit_depth) - 1, out=result)
    return result


def _kernel(phase: float) -> NDArray[np.float32]:
    """Return the seven weights of the old samples around one new sample at ``phase``, summing to 1."""
    distance = np.arange(-_SUPPORT, _SUPPORT + 1) - phase
    weights = np.where(np.abs(distance) < _SUPPORT, np.sinc(distance) * np.sinc(distance / _SUPPORT), 0.0)
    kernel: NDArray[np.float32] = (weights / weights.sum()).astype(np.float32)
    return kernel
