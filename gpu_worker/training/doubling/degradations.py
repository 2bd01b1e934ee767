"""What happens to a picture before it reaches us as video: blur, another's resize, halos, noise, and H.264.

A network that has only seen clean pictures made small sharpens the codec's blocks along with the edges. The order
follows X. Wang et al., "Real-ESRGAN", 2021, once round; H.264 in place of JPEG, with motion so that predicted frames
occur.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.training.codec import luma_through_h264
from gpu_worker.training.resize import resize_bicubic

_FRAMES = 5
#: Camera steps per frame in small pixels, so that the truth moves by whole pixels as well.
_MAX_STEP = 3
#: Least, most frequent and largest: most video is coded well. Weights from an even draw up to 38 smoothed fine texture
#: away (a knitted sleeve at crf 23 lost 0.1 dB against Lanczos).
_CRF = (16, 21, 36)
_MAX_BLUR_SIGMA = 1.0
_MAX_NOISE_SIGMA = 3.0
_MAX_HALO = 0.6
#: How often each occurs.
_BLUR_SHARE, _NOISE_SHARE, _HALO_SHARE = 0.35, 0.2, 0.25
_INTERPOLATIONS = (cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)

ByteImage = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Luma (2H, 2W) and the same at (H, W) as it would reach the network."""

    large: ByteImage
    small: ByteImage


def clean_pair(large: ByteImage) -> Pair:
    """Return a picture and its bicubic half: the pairs of the published benchmarks."""
    even = large[: large.shape[0] // 4 * 4, : large.shape[1] // 4 * 4]
    half = resize_bicubic(even.astype(np.float64), 0.5)
    return Pair(even, _as_bytes(half))


def degraded_pair(large: ByteImage, rng: np.random.Generator) -> Pair:
    """Return a picture and its half after a chain of faults drawn from ``rng``, H.264 the last."""
    steps = rng.integers(-_MAX_STEP, _MAX_STEP + 1, size=2)
    reach = 2 * _MAX_STEP * (_FRAMES - 1)
    height = (large.shape[0] - reach) // 16 * 16
    width = (large.shape[1] - reach) // 16 * 16
    corner = np.where(steps >= 0, 0, reach)
    crops = []
    for index in range(_FRAMES):
        top, left = (int(value) for value in corner + 2 * steps * index)
        crops.append(large[top : top + height, left : left + width])
    soften, shrink, halo, noise = _drawn_faults(rng)
    smalls = []
    for crop in crops:
        picture = cv2.GaussianBlur(crop, (0, 0), soften) if soften else crop
        small = np.asarray(cv2.resize(picture, (width // 2, height // 2), interpolation=shrink), dtype=np.float32)
        if halo:
            small = small + halo * (small - cv2.GaussianBlur(small, (0, 0), 1.2))
        if noise:
            small = small + rng.normal(0, noise, small.shape).astype(np.float32)
        smalls.append(_as_bytes(small))
    seen = int(rng.integers(_FRAMES))
    return Pair(crops[seen], luma_through_h264(smalls, round(rng.triangular(*_CRF)), "veryfast")[seen])


def _drawn_faults(rng: np.random.Generator) -> tuple[float, int, float, float]:
    draws = rng.random(3)
    strengths = rng.random(3)
    return (
        float(0.3 + strengths[0] * (_MAX_BLUR_SIGMA - 0.3)) if draws[0] < _BLUR_SHARE else 0.0,
        int(rng.choice(_INTERPOLATIONS)),
        float(strengths[1] * _MAX_HALO) if draws[1] < _HALO_SHARE else 0.0,
        float(strengths[2] * _MAX_NOISE_SIGMA) if draws[2] < _NOISE_SHARE else 0.0,
    )


def _as_bytes(picture: NDArray[np.float32] | NDArray[np.float64]) -> ByteImage:
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)
