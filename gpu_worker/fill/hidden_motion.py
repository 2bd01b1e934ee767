"""How the picture moves under what covers it: a motion that is seen near by, chosen by what both frames show there."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

#: Flow is estimated on patches: so many pixels beside what was filled from beside, it is made up as well.
_MARGIN = 4
#: Errors are taken over squares of these sides, in pixels; the larger one, weighted less, has something to say where
#: hardly anything near is shown.
_NEAR_SIDE = 13
_FAR_SIDE = 41
_FAR_WEIGHT = 0.1
#: Where nothing at all is shown, an error of so many levels is assumed, with so little weight.
_UNKNOWN_ERROR = 20.0
_UNKNOWN_WEIGHT = 1e-3
#: Motion is tried from so many pixels away on every side, from far to near.
_DISTANCES = (16, 8, 4, 2)
#: Smaller errors are the codec's: no other motion is looked for.
_NOISE_LEVELS = 1.5
#: What is to take the place of another motion must be better by this share and by so many levels.
_BETTER_FACTOR = 0.97
_BETTER_LEVELS = 0.3
#: The dominant motion is preferred where it explains the picture about as well as the free one.
DOMINANT_FACTOR = 1.15
DOMINANT_OFFSET = 0.5

FloatPlane = NDArray[np.float32]
Flow = NDArray[np.float32]
Crop = tuple[slice, slice]


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """The luma of a frame, (h, w), 0 where it is covered, and where it is not, 0 or 1."""

    luma: FloatPlane
    weight: FloatPlane

    @staticmethod
    def of(luma: NDArray[np.uint8], covered: NDArray[np.bool_]) -> Shown:
        """Return it for a frame and its mask, (h, w)."""
        weight = (~covered).astype(np.float32)
        return Shown(luma * weight, weight)


def follow_what_is_seen(
    flow: Flow, dominant: Flow, frames: tuple[Shown, Shown], unseen: NDArray[np.bool_], step: int
) -> NDArray[np.bool_]:
    """Replace flow in and around the masks, in place, by what explains best what both frames show there.

    An object that passes behind letters is seen between and beside them: its motion is handed on from pixel to pixel,
    from far to near (as in PatchMatch, Barnes et al., SIGGRAPH 2009), as far as it fits better. What was filled in has
    no say: it stands as still as the mask does.

    Args:
        flow: (h, w, 2), in pixels of these frames.
        dominant: the window's dominant motion, likewise.
        frames: where the flow starts, and where it ends.
        unseen: (h, w), where either of them was filled from beside; some of it must be.
        step: how many pixels of the surroundings a pixel of these frames is wide.

    Returns:
        Where it was replaced, (h, w).
    """
    replaced = _grown(unseen, _MARGIN // step)
    crop = _around(replaced, _FAR_SIDE // 2 // step)
    fit, chosen, rival = _Fit(*frames, crop, step), flow[crop], dominant[crop]
    doubtful = np.zeros_like(replaced)
    doubtful[crop] = replaced[crop] & (fit.error(chosen) > _NOISE_LEVELS)
    if doubtful.any():
        _hand_on(flow, doubtful, frames, step)
    preferred = replaced[crop] & (fit.error(rival) <= fit.error(chosen) * DOMINANT_FACTOR + DOMINANT_OFFSET)
    np.copyto(chosen, rival, where=preferred[..., None])
    return replaced


def _hand_on(flow: Flow, doubtful: NDArray[np.bool_], frames: tuple[Shown, Shown], step: int) -> None:
    """Replace flow where it is doubtful, in place, by that from beside which fits better."""
    crop = _around(doubtful, _NEAR_SIDE // 2 // step)
    doubtful = doubtful[crop]
    fit, chosen = _Fit(*frames, crop, step), flow[crop]
    least = fit.error(chosen)
    for distance in _DISTANCES:
        for offset in (distance // step, -(distance // step)):
            for axis in (0, 1):
                rival = _from_beside(flow, crop, axis, offset)
                error = fit.error(rival)
                better = doubtful & (error < least * _BETTER_FACTOR - _BETTER_LEVELS)
                np.copyto(chosen, rival, where=better[..., None])
                np.copyto(least, error, where=better)


class _Fit:
    """How far one frame is off another along a motion, in levels, by what both show near each pixel of a crop."""

    def __init__(self, start: Shown, end: Shown, crop: Crop, step: int) -> None:
        self._luma, self._weight = np.ascontiguousarray(start.luma[crop]), np.ascontiguousarray(start.weight[crop])
        self._end = cv2.merge((end.luma, end.weight))
        rows, columns = crop
        self._columns = np.arange(columns.start, columns.stop, dtype=np.float32)
        self._rows = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None]
        self._near, self._far = (side // step // 2 * 2 + 1 for side in (_NEAR_SIDE, _FAR_SIDE))

    def error(self, flow: Flow) -> FloatPlane:
        """Return it for the crop's flow (h, w, 2)."""
        x, y = flow[..., 0] + self._columns, flow[..., 1] + self._rows
        moved, shown = cv2.split(cv2.remap(self._end, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
        # Next to a mask, only a share of a sample is shown: of the difference, it is the same share.
        off = cv2.absdiff(moved, self._luma * shown)
        layers = cv2.merge((off * self._weight, shown * self._weight))
        near, far = (cv2.blur(layers, (side, side)) for side in (self._near, self._far))
        total, reached = cv2.split(cv2.addWeighted(near, 1, far, _FAR_WEIGHT, 0))
        unknown = _UNKNOWN_WEIGHT * _UNKNOWN_ERROR
        return np.asarray((total + unknown) / (reached + _UNKNOWN_WEIGHT), dtype=np.float32)


def _grown(mask: NDArray[np.bool_], pixels: int) -> NDArray[np.bool_]:
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1, 2 * pixels + 1))
    return cv2.dilate(mask.astype(np.uint8), kernel).astype(bool)


def _around(mask: NDArray[np.bool_], pixels: int) -> Crop:
    """Return the rows and columns of a mask that is not empty, and so many beside them."""
    lines = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    rows, columns = (
        slice(max(0, int(line[0]) - pixels), min(length, int(line[-1]) + 1 + pixels))
        for line, length in zip(lines, mask.shape, strict=True)
    )
    return rows, columns


def _from_beside(flow: Flow, crop: Crop, axis: int, offset: int) -> Flow:
    """Return a crop of the flow as it is ``offset`` pixels before along an axis; beyond the edge, as it is there."""
    places = np.arange(crop[axis].start, crop[axis].stop) - offset
    lines = np.clip(places, 0, flow.shape[axis] - 1)
    return flow[lines, crop[1]] if axis == 0 else flow[crop[0], lines]
