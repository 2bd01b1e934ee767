"""What no frame reveals, made up once and held: it moves with the scene and follows its light, and does not boil."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.fill.chunk import Filled, Surroundings
from gpu_worker.fill.filler_interface import TRUSTED
from gpu_worker.fill.motion import PairMotion
from gpu_worker.fill.spatial import normalised_blur
from gpu_worker.fill.windows import CHROMA_BLEED
from gpu_worker.video.frame import Plane

#: Holes no deeper than this, in pixels, are filled from beside, each frame anew: there is nothing to hold.
_SHALLOW = 4
#: What is remembered of the scene goes this share of the way to what is seen, each frame: the codec's noise averages
#: out, and what changes slowly is followed.
_PACE = 0.1
#: A change of light by fewer 8-bit levels than this is not seen.
_UNSEEN = 0.75
#: Beside the mask, what has changed by so many 8-bit levels more than the rest is another thing, not another light.
_SAME_THING = 8.0
#: Where less than this share of what lies near is as it was, nothing is held.
_LEAST_STEADY = 0.5
#: Where less than this share of everything beside the mask is, nothing at all is held.
_LEAST_STEADY_OF_ALL = 0.75
#: Light is compared over so many pixels.
_LIGHT_SIDE = 31

FloatPlane = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """The scene as it is remembered after a frame: Y, U, V of a window's surroundings, in the frame's levels."""

    frame_index: int
    planes: tuple[FloatPlane, FloatPlane, FloatPlane]


def hold_run(
    results: Sequence[Filled],
    first_index: int,
    motions: Sequence[PairMotion | None],
    before: Held | None,
    make: Callable[[Surroundings, NDArray[np.bool_]], Surroundings],
) -> tuple[list[Filled], Held | None]:
    """Return neighbouring frames in which what was made up from beside is held.

    Args:
        results: the frames as they were filled.
        first_index: the number of the first.
        motions: between each frame and the one before it; the first one's is None where nothing is known.
        before: what was held after the frame before the first.
        make: makes up the pixels of a mask (h, w) from those around it.

    Returns:
        The frames, and what is held after the last one; None where it needs nothing.
    """
    done: list[Filled] = []
    held = before if before is not None and before.frame_index == first_index - 1 else None
    for index, (result, motion) in enumerate(zip(results, motions, strict=True), first_index):
        here = result.surroundings
        needs = _needs(result)
        if not _is_deep(needs[0]):
            held = None
            done.append(result)
            continue
        if held is None or motion is None:
            made = make(here, needs[0] > 0).planes
            y, u, v = (_mixed(*parts) for parts in zip(here.planes, made, needs, strict=True))
            held = Held(index, (y, u, v))
            done.append(replace(result, surroundings=_with_planes(here, held.planes)))
            continue
        covered = (here.occlusion.tainted, here.occlusion.chroma_mask, here.occlusion.chroma_mask)
        steps = [
            _step(plane, there, hidden, need, 1 << (here.bit_depth - 8))
            for plane, there, hidden, need in zip(here.planes, _moved(held.planes, motion), covered, needs, strict=True)
        ]
        held = Held(index, (steps[0][1], steps[1][1], steps[2][1]))
        done.append(replace(result, surroundings=_with_planes(here, tuple(shown for shown, _ in steps))))
    return done, held


def _is_deep(need: FloatPlane) -> bool:
    """Tell whether any hole is so deep that its middle is more than what lies beside."""
    side = 2 * _SHALLOW + 1
    return bool(cv2.erode((need > 0).astype(np.uint8), np.ones((side, side), np.uint8)).any())


def _needs(filled: Filled) -> tuple[FloatPlane, FloatPlane, FloatPlane]:
    """Return how much of each sample of Y, U and V was made up from beside, 0-1."""
    occlusion = filled.surroundings.occlusion
    need = np.zeros(occlusion.mask.shape, np.float32)
    if occlusion.is_empty:
        return need, need, need
    doubtful = np.where(occlusion.covered, np.clip(1 - filled.confidence / TRUSTED, 0, 1), 0)
    need.reshape(-1)[occlusion.indices] = doubtful
    # Colour that bled out of the mask is as unknown as what it bled from.
    side = 4 * CHROMA_BLEED + 1
    near = np.asarray(cv2.dilate(need, np.ones((side, side), np.uint8)), dtype=np.float32)
    chroma = np.where(occlusion.chroma_mask, near[::2, ::2], np.float32(0))
    return need, chroma, chroma


def _step(
    plane: Plane, moved: FloatPlane, covered: NDArray[np.bool_], need: FloatPlane, scale: int
) -> tuple[FloatPlane, FloatPlane]:
    """Return a plane with what is held, in its light, and what is remembered of it.

    Args:
        plane: as it was filled.
        moved: what was remembered, along the motion.
        covered: where the plane says nothing of the light.
        need: see ``_needs``.
        scale: how many levels make one of 8 bits.
    """
    change = plane.astype(np.float32) - moved
    everywhere = float(np.median(change[~covered])) if not covered.all() else 0.0
    beyond = change - np.float32(everywhere)
    alike = ~covered & (np.abs(beyond) < _SAME_THING * scale)
    near, _ = normalised_blur(beyond, alike.astype(np.float32), _LIGHT_SIDE)
    light = near + np.float32(everywhere)
    # What has gone beside the mask may have gone under it: there, what was held gives way to what is beside now.
    steady, _ = normalised_blur(alike.astype(np.float32), (~covered).astype(np.float32), _LIGHT_SIDE)
    kept = need * np.clip((steady - _LEAST_STEADY) / (1 - _LEAST_STEADY), 0, 1)
    if alike.sum() < _LEAST_STEADY_OF_ALL * (~covered).sum():
        kept = np.zeros_like(need)
    remembered = np.where(alike, moved + _PACE * change, plane)
    followed = moved + _PACE * light
    # A change that nobody sees is followed slowly, or noise beside the mask would set all of it trembling.
    at_once = (1 - _PACE) * np.sign(light) * np.maximum(np.abs(light) - _UNSEEN * scale, 0)
    return _mixed(plane, followed + at_once, kept), _mixed(remembered, followed, kept)


def _moved(planes: tuple[FloatPlane, FloatPlane, FloatPlane], motion: PairMotion) -> tuple[FloatPlane, ...]:
    """Return planes of the frame before as they lie in this one."""
    if not motion.backward.any():
        return planes
    height, width = planes[0].shape
    blocks = motion.backward.astype(np.float32)
    flow = np.repeat(np.repeat(blocks, motion.step, axis=0), motion.step, axis=1)[:height, :width]
    moved = []
    for number, plane in enumerate(planes):
        displacement = flow[::2, ::2] / 2 if number else flow
        rows, columns = (np.arange(side, dtype=np.float32) for side in plane.shape)
        x, y = displacement[..., 0] + columns, displacement[..., 1] + rows[:, None]
        sampled = cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        moved.append(np.asarray(sampled, dtype=np.float32))
    return tuple(moved)


def _mixed(plane: Plane | FloatPlane, new: Plane | FloatPlane, need: FloatPlane) -> FloatPlane:
    return np.asarray(plane * (1 - need) + new * need, dtype=np.float32)


def _with_planes(here: Surroundings, planes: tuple[FloatPlane, ...]) -> Surroundings:
    white = (1 << here.bit_depth) - 1
    y, u, v = (np.clip(plane + 0.5, 0, white).astype(here.y.dtype) for plane in planes)
    return replace(here, y=y, u=u, v=v)
