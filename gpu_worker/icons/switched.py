"""The look of a mark that is switched on and off: what differs from one frame to the next is it, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gpu_worker.icons.appearance import Appearance
from gpu_worker.icons.following import PRESENT_GAIN
from gpu_worker.icons.pieces import Piece
from gpu_worker.icons.presence import Stay
from gpu_worker.icons.shapes import closed, grown, hulls, without_specks

#: What is switched differs by so many levels, and by so many times what differs around it.
_MIN_LEVELS, _OVER_CHANCE = 4.0, 3.0
#: Around it is what is so many pixels away from where it was found.
_AROUND_PIXELS = 6
#: While it is on, a mark's gain differs from one frame to the next by no more than this share of the usual one, but for
#: this share of the frames.
_UNSTEADY_SHARE, _UNSTEADY_BY = 0.1, 0.04

#: A mark is neither on nor off while its gain is between these shares of the usual one: for so many frames per switch.
_OFF_SHARE, _ON_SHARE = 0.25, 0.75
_FRAMES_BETWEEN = 1


def above_off(gains: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return gains without what the scene alone has of them: 0 while a mark is off, 1 where it is as it was found."""
    off = gains[gains < PRESENT_GAIN]
    level = float(np.median(off)) if off.size else 0.0
    return np.asarray((gains - level) / (1 - level), dtype=np.float32)


def is_steady(gains: NDArray[np.float32], first_frame: int, stays: Sequence[Stay], usual: float) -> bool:
    """Tell whether a mark is as well seen from frame to frame while it is on, be it over one shot or over the next."""
    steps = [np.abs(np.diff(gains[max(0, stay.start - first_frame) : stay.end - first_frame])) for stay in stays]
    total = sum(len(step) for step in steps)
    unsteady = sum(int((step > _UNSTEADY_BY * usual).sum()) for step in steps)
    return total > 0 and unsteady <= _UNSTEADY_SHARE * total


def is_abrupt(gains: NDArray[np.float32], stays: Sequence[Stay], usual: float) -> bool:
    """Tell whether a mark is on or off, but for a frame of each switch: what is hidden by what moves is neither."""
    between = (gains > _OFF_SHARE * usual) & (gains < _ON_SHARE * usual)
    return int(between.sum()) <= _FRAMES_BETWEEN * 2 * len(stays)


def switched_appearance(
    seen: Appearance, switches: Sequence[tuple[Piece, Piece]], near: NDArray[np.bool_], halo: int
) -> Appearance | None:
    """Return the look of a mark that differs in each of some pairs of pieces; None where nothing differs.

    Before a camera that stands still, edges of the scene stay alike as those of the mark do: they tell nothing.

    Args:
        seen: the look by what stays.
        switches: the mark off and on, or on and off, shortly one after the other.
        near: (h, w) where the mark was found, roughly.
        halo: pixels that a codec spreads a mark by.
    """
    pairs = np.stack([np.abs(one.planes.astype(np.float32) - two.planes) for one, two in switches])
    differs = np.median(pairs, axis=0).max(axis=0)
    # What was found are edges: a mark may be flat far within them.
    within = hulls(grown(near, _AROUND_PIXELS))
    chance = float(np.percentile(differs[~within], 75)) if not within.all() else 0.0
    changed = (differs >= max(_MIN_LEVELS, _OVER_CHANCE * chance)) & within
    ink = without_specks(closed(changed))
    if not ink.any():
        return None
    # Most of the halo differs enough to be seen itself.
    mask = grown(ink, max(1, halo // 2))
    # Other frames show what is behind: nothing is to be seen through it.
    return replace(seen, mask=mask, ink=ink, edges=seen.edges & mask, opacity=None, colour=None)
