"""How far a video is from the clean one: pure measures of planes, masks and spans of frames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.video.frame import Plane

Mask = NDArray[np.bool_]

#: Pixels around the mask in which a seam, a halo or a shifted patch would show.
RING_WIDTH = 8
#: Nothing differs: a finite figure keeps means meaningful.
MAX_DECIBELS = 100.0
_WHITE = 255
_SSIM_SIGMA = 1.5
_SSIM_SIDE = 11
#: Pixels on every side that a pixel's similarity depends on.
SSIM_REACH = _SSIM_SIDE // 2
_SSIM_C1 = (0.01 * _WHITE) ** 2
_SSIM_C2 = (0.03 * _WHITE) ** 2
#: A mask may be this many pixels wider than what was drawn before it counts as too wide.
_PRECISION_MARGIN = 4
#: What a pixel must be covered by, at least, for a mask to have missed it: edges of letters fade to nothing.
_RECALL_OPACITY = 0.1
#: A found event belongs to a caption of whose life it holds more than this share.
_SAME_LIFE = 0.4


def decibels(squared_error: float) -> float:
    """Return the PSNR of 8-bit pixels with a mean squared error."""
    return MAX_DECIBELS if squared_error <= 0 else float(min(MAX_DECIBELS, 10 * np.log10(_WHITE**2 / squared_error)))


def psnr(planes: Sequence[Plane], clean: Sequence[Plane], masks: Sequence[Mask]) -> float | None:
    """Return the PSNR in dB of all masked pixels (each H, W) together; None where no pixel is masked."""
    total, count = 0.0, 0
    for plane, truth, mask in zip(planes, clean, masks, strict=True):
        total += float(np.square(plane[mask].astype(np.float32) - truth[mask]).sum(dtype=np.float64))
        count += int(mask.sum())
    return decibels(total / count) if count else None


def ssim_map(plane: Plane, truth: Plane) -> NDArray[np.float32]:
    """Return the structural similarity around every pixel, (H, W), -1 to 1 (Wang et al., IEEE TIP 2004)."""
    first, second = plane.astype(np.float32), truth.astype(np.float32)

    def local(image: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.GaussianBlur(image, (_SSIM_SIDE, _SSIM_SIDE), _SSIM_SIGMA), dtype=np.float32)

    mean_1, mean_2 = local(first), local(second)
    variance_1 = local(first * first) - mean_1 * mean_1
    variance_2 = local(second * second) - mean_2 * mean_2
    covariance = local(first * second) - mean_1 * mean_2
    likeness = (2 * mean_1 * mean_2 + _SSIM_C1) * (2 * covariance + _SSIM_C2)
    size = (mean_1 * mean_1 + mean_2 * mean_2 + _SSIM_C1) * (variance_1 + variance_2 + _SSIM_C2)
    return np.asarray(likeness / size, dtype=np.float32)


def mean_over(maps: Iterable[NDArray[np.float32]], masks: Iterable[Mask]) -> float | None:
    """Return the mean of all masked values of all maps; None where no pixel is masked."""
    total, count = 0.0, 0
    for values, mask in zip(maps, masks, strict=True):
        total += float(values[mask].sum(dtype=np.float64))
        count += int(mask.sum())
    return total / count if count else None


def halved(mask: Mask) -> Mask:
    """Return which chroma samples of 4:2:0 a luma mask (H, W), sides even, touches."""
    height, width = mask.shape
    return np.asarray(mask.reshape(height // 2, 2, width // 2, 2).any(axis=(1, 3)), dtype=bool)


def ring(mask: Mask) -> Mask:
    """Return the pixels within ``RING_WIDTH`` of a mask, and not in it."""
    if not mask.any():
        return np.zeros_like(mask)
    side = 2 * RING_WIDTH + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), kernel).astype(bool) & ~mask, dtype=bool)


def uncovered_elsewhere(masks: Sequence[Mask], cuts: Sequence[int]) -> list[Mask]:
    """Return each frame's masked pixels whose place is free at another time of the shot; ``cuts`` start shots.

    Under a camera that stands still, those can be seen in the video; the others are never revealed.
    """
    bounds = [0, *(cut for cut in cuts if 0 < cut < len(masks)), len(masks)]
    revealed: list[Mask] = []
    for start, end in pairwise(bounds):
        always = np.logical_and.reduce(masks[start:end])
        revealed += [mask & ~always for mask in masks[start:end]]
    return revealed


def flicker(planes: Sequence[Plane], clean: Sequence[Plane], masks: Sequence[Mask], cuts: Sequence[int]) -> float:
    """Return how far the change from frame to frame is from the clean video's own, in levels, where both are masked.

    What is wrong in the same way all the time does not flicker; what changes its mind does. Cuts are passed over.
    """
    total, count = 0.0, 0
    for index in range(1, len(planes)):
        both = masks[index] & masks[index - 1]
        if index in cuts or not both.any():
            continue
        change, own = (
            video[index][both].astype(np.float32) - video[index - 1][both].astype(np.float32)
            for video in (planes, clean)
        )
        total += float(np.abs(change - own).sum(dtype=np.float64))
        count += int(both.sum())
    return total / count if count else 0.0


def ghost(plane: Plane, clean: Plane, captioned: Plane, mask: Mask) -> float:
    """Return which share of a caption's contrast is still there: 1 untouched, 0 gone.

    It is the least-squares factor by which what the caption changed explains what is still changed.
    """
    drawn = captioned[mask].astype(np.float64) - clean[mask]
    left = plane[mask].astype(np.float64) - clean[mask]
    energy = float(drawn @ drawn)
    return float(left @ drawn) / energy if energy > 0 else 0.0


@dataclass(frozen=True, slots=True)
class MaskQuality:
    """``recall`` of the drawn pixels; ``precision``, some pixels around them count as right; ``size`` by the truth's.

    Where nothing was masked, precision is 1: nothing was masked that should not have been.
    """

    recall: float
    precision: float
    size: float


def mask_quality(
    found: Sequence[Mask], opacities: Sequence[NDArray[np.float32]], truths: Sequence[Mask]
) -> MaskQuality:
    """Compare masks (H, W) with the drawn opacity (H, W), 0-1, and with the true masks."""
    drawn = [opacity > _RECALL_OPACITY for opacity in opacities]
    side = 2 * _PRECISION_MARGIN + 1
    wide = [cv2.dilate(pixels.astype(np.uint8), np.ones((side, side), np.uint8)).astype(bool) for pixels in drawn]
    masked = sum(int(mask.sum()) for mask in found)
    hits = sum(int((mask & pixels).sum()) for mask, pixels in zip(found, drawn, strict=True))
    good = sum(int((mask & pixels).sum()) for mask, pixels in zip(found, wide, strict=True))
    return MaskQuality(
        recall=hits / max(1, sum(int(pixels.sum()) for pixels in drawn)),
        precision=good / masked if masked else 1.0,
        size=masked / max(1, sum(int(mask.sum()) for mask in truths)),
    )


@dataclass(frozen=True, slots=True)
class Life:
    """Where and how long a caption stands: frames ``start`` to ``end`` (exclusive); ``box`` is x0, y0, x1, y1."""

    start: int
    end: int
    box: tuple[int, int, int, int]


def end_errors(true: Sequence[Life], found: Sequence[Life]) -> list[int | None]:
    """Return, per true caption, the larger error of its two ends in frames; None where it was not found.

    What was found of a caption, in one piece or in several, shares most of its rows and a good part of its life.
    """
    errors: list[int | None] = []
    for caption in true:
        shared = [item for item in found if _is_part_of(item, caption)]
        if shared:
            start, end = min(item.start for item in shared), max(item.end for item in shared)
            errors.append(max(abs(start - caption.start), abs(end - caption.end)))
        else:
            errors.append(None)
    return errors


def _is_part_of(item: Life, caption: Life) -> bool:
    together = min(item.end, caption.end) - max(item.start, caption.start)
    rows = min(item.box[3], caption.box[3]) - max(item.box[1], caption.box[1])
    columns = min(item.box[2], caption.box[2]) - max(item.box[0], caption.box[0])
    height = caption.box[3] - caption.box[1]
    return together > _SAME_LIFE * (caption.end - caption.start) and rows > height / 2 and columns > 0


def meet(first: Life, second: Life) -> bool:
    """Tell whether two captions share a pixel at some moment."""
    return (
        first.start < second.end
        and second.start < first.end
        and first.box[0] < second.box[2]
        and second.box[0] < first.box[2]
        and first.box[1] < second.box[3]
        and second.box[1] < first.box[3]
    )
