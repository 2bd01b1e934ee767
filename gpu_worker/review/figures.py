"""How much of an overlay is still there, how well the fill joins its surroundings, and whether it flickers: figures.

All pictures are luma (h, w) as float32 in 8-bit levels, crops of one place at different moments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.fill.spatial import normalised_blur

Luma = NDArray[np.float32]
Mask = NDArray[np.bool_]

#: Ink is what differs from the fill by this share of what the strongest strokes do: the rest is halo.
_INK_SHARE = 0.35
_STRONGEST_PERCENTILE = 95
#: Strokes that took less than this, in levels, away from the picture are the codec's, or none.
_FAINTEST_STROKES = 18.0
#: Pixels beside the mask that are looked at as well: what a mask that is too small leaves stands there.
_BESIDE = 5
#: The caption's shape is laid over the picture at these places too, in line heights: what fits there as well is scene.
_ELSEWHERE = tuple((dy, dx) for dy in (-0.4, 0.0, 0.4) for dx in (-1.3, -0.7, -0.3, 0.3, 0.7, 1.3) if dx or dy)
_ELSEWHERE_PERCENTILE = 90
#: The longest gap in a line, in line heights: two letters that the mask has missed.
_GAP_LINES = 3
#: Flat pictures have gradients and changes of the codec only; so much is added to both sides of a ratio, in levels.
_CODEC_LEVELS = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """One frame near a caption: ``source`` with it, ``filled`` without; equal outside ``changed``."""

    source: Luma
    filled: Luma


def ghost_levels(moments: Sequence[Moment], mask: Mask, line_height: int, scene: Sequence[Luma] = ()) -> float:
    """Return by how many levels the filled picture still follows the caption's strokes.

    The strokes' shape is taken from what the fill took away, in three values (ink, none, opposite ink), so that the
    texture that was put there instead does not count. The picture's mean over the moments is projected on it, there and
    shifted to other places near by: only what goes beyond those is the caption's.

    Args:
        moments: frames of the caption's life.
        mask: what was filled.
        line_height: height of one line of text in pixels, the size of what is compared.
        scene: the place without the caption, in frames near by: what follows the strokes there is the scene's.
    """
    removed = np.median([moment.source - moment.filled for moment in moments], axis=0)
    strength = np.abs(removed[mask])
    strongest = float(np.percentile(strength, _STRONGEST_PERCENTILE)) if strength.size else 0.0
    if strongest < _FAINTEST_STROKES:
        return 0.0
    ink = np.where(np.abs(removed) > _INK_SHARE * strongest, np.sign(removed), 0)
    ink = np.where(mask, ink, 0).astype(np.float32)
    near = cv2.dilate(mask.astype(np.uint8), np.ones((2 * _BESIDE + 1,) * 2, np.uint8)).astype(bool)
    picture = np.mean([moment.filled for moment in moments], axis=0, dtype=np.float32)
    side = line_height | 1
    shape = np.where(near, _without_slope(ink, side), 0).astype(np.float32)
    power = float(np.square(shape).sum())
    if power == 0:
        return 0.0
    detail = _without_slope(np.asarray(picture), side)
    height, width = shape.shape
    reach_y, reach_x = (round(1.3 * line_height),) * 2
    padded = cv2.copyMakeBorder(detail, reach_y, reach_y, reach_x, reach_x, cv2.BORDER_REFLECT)

    def projected(down: int, across: int) -> float:
        part = padded[reach_y + down : reach_y + down + height, reach_x + across : reach_x + across + width]
        return abs(float((part * shape).sum())) / power

    elsewhere = [projected(round(dy * line_height), round(dx * line_height)) for dy, dx in _ELSEWHERE]
    usual = float(np.percentile(elsewhere, _ELSEWHERE_PERCENTILE))
    # Should the caption not be gone in one of the frames near by, the other one shows.
    own = min((abs(float((_without_slope(luma, side) * shape).sum())) / power for luma in scene), default=0.0)
    return max(0.0, projected(0, 0) - max(usual, own))


def edges_left(moments: Sequence[Moment], mask: Mask, height: int, scene: Sequence[Luma] = ()) -> float:
    """Return the share of an icon's edges that the filled picture still has: 1 untouched, 0 gone.

    What stays the same while the picture changes is the icon: the mean gradient over the moments is projected on that
    of what the fill took away, there and shifted to other places near by, which shows what a scene does by chance.

    Args:
        moments: frames of the icon's life.
        mask: what was filled.
        height: of the icon in pixels: how far it is shifted.
        scene: the place without the icon, in frames near by: what follows its edges there is the scene's.
    """
    removed = np.where(mask, np.mean([moment.source - moment.filled for moment in moments], axis=0), 0)
    shape = _gradient(removed.astype(np.float32))
    power = float(np.square(shape).sum())
    if power < _FAINTEST_STROKES**2:
        return 0.0
    picture = _gradient(np.mean([moment.filled for moment in moments], axis=0, dtype=np.float32))
    reach = round(1.3 * height)
    padded = np.pad(picture, ((reach, reach), (reach, reach), (0, 0)), mode="symmetric")

    def projected(down: int, across: int) -> float:
        rows = slice(reach + down, reach + down + mask.shape[0])
        return abs(float((padded[rows, reach + across : reach + across + mask.shape[1]] * shape).sum())) / power

    elsewhere = [projected(round(dy * height), round(dx * height)) for dy, dx in _ELSEWHERE]
    own = min((abs(float((_gradient(luma) * shape).sum())) / power for luma in scene), default=0.0)
    return max(0.0, projected(0, 0) - max(*elsewhere, own))


def _gradient(picture: Luma) -> NDArray[np.float32]:
    """Return the slope of a picture (h, w, 2) in levels per pixel."""
    slopes = [cv2.Sobel(picture, cv2.CV_32F, *axis, scale=1 / 8) for axis in ((1, 0), (0, 1))]
    return np.asarray(cv2.merge(slopes), dtype=np.float32)


def line_hull(mask: Mask, line_height: int) -> Mask:
    """Return the lines that a mask of strokes makes up, with their ends and with gaps where letters were missed."""
    along, across = _GAP_LINES * line_height | 1, line_height | 1
    level = mask.shape[1] >= mask.shape[0]
    side = (across, along) if level else (along, across)
    margins = [(length // 2 + 1,) * 2 for length in side]
    padded = np.pad(mask.astype(np.uint8), margins)
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, np.ones(side, np.uint8))
    reach = (1, 2 * line_height + 1) if level else (2 * line_height + 1, 1)
    hull = cv2.dilate(closed, np.ones(reach, np.uint8))
    rows, columns = (slice(before, -after) for before, after in margins)
    return np.asarray(hull[rows, columns] > 0, dtype=bool)


def seam_ratio(filled: Luma, mask: Mask, others: Mask) -> float:
    """Return the mean step across the mask's edge over that between neighbours just outside it; 1 where it is unseen.

    Args:
        filled: the picture.
        mask: what was filled.
        others: what is no part of the scene either.
    """
    outside = ~mask & ~others
    ring = outside & cv2.dilate(mask.astype(np.uint8), np.ones((2 * _BESIDE + 1,) * 2, np.uint8)).astype(bool)
    across, beside = [], []
    for axis in (0, 1):
        step = np.abs(np.diff(filled, axis=axis))
        first, second = (mask[:-1], mask[1:]) if axis == 0 else (mask[:, :-1], mask[:, 1:])
        near_first, near_second = (ring[:-1], ring[1:]) if axis == 0 else (ring[:, :-1], ring[:, 1:])
        known_first, known_second = (others[:-1], others[1:]) if axis == 0 else (others[:, :-1], others[:, 1:])
        across.append(step[(first != second) & ~known_first & ~known_second])
        beside.append(step[near_first & near_second])
    edge, near = np.concatenate(across), np.concatenate(beside)
    if edge.size == 0 or near.size == 0:
        return 1.0
    return float((edge.mean() + _CODEC_LEVELS) / (near.mean() + _CODEC_LEVELS))


def flicker_ratio(earlier: Luma, later: Luma, masks: tuple[Mask, Mask], estimator: cv2.DISOpticalFlow) -> float:
    """Return the mean change along the motion inside the mask over that beside it; 1 where it is unseen.

    Motion inside is that of the surroundings: flow that followed the fill would follow its flicker too.

    Args:
        earlier: the result of one frame.
        later: that of the next.
        masks: what was filled, and what is no part of the scene either.
        estimator: of the motion.
    """
    mask, others = masks
    first, second = (np.clip(picture + 0.5, 0, 255).astype(np.uint8) for picture in (earlier, later))
    ring = ~mask & ~others & cv2.dilate(mask.astype(np.uint8), np.ones((4 * _BESIDE + 1,) * 2, np.uint8)).astype(bool)
    if np.array_equal(first, second) or not ring.any() or not mask.any():
        return 1.0
    flow = estimator.calc(second, first, np.zeros((*second.shape, 2), np.float32))
    beside, _ = normalised_blur(np.asarray(flow, np.float32), (~mask & ~others).astype(np.float32), 9)
    flow = np.where(mask[..., None], beside, flow)
    height, width = mask.shape
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    moved = cv2.remap(
        earlier, columns + flow[..., 0], rows + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    change = np.abs(moved - later)
    return float((change[mask].mean() + _CODEC_LEVELS) / (change[ring].mean() + _CODEC_LEVELS))


def _without_slope(picture: Luma, side: int) -> Luma:
    return np.asarray(picture - cv2.blur(picture, (side, side)), dtype=np.float32)
