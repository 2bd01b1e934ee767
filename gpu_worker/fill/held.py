"""What no frame reveals, made up once and held: it moves with the scene and follows its light, and does not boil."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.fill.chunk import Filled, Surroundings
from gpu_worker.fill.motion import PairMotion
from gpu_worker.fill.spatial import fill_smoothly, weighted_means
from gpu_worker.fill.structure import Continued
from gpu_worker.fill.windows import Occlusion
from gpu_worker.video.frame import Plane
from gpu_worker.video.masks import Mask

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
#: How much of the scene is as it was is looked at over so many pixels; at the rim, its light is the mean of so many,
#: where at least this share of them is as it was.
_LIGHT_SIDE = 31
_RIM_SIDE = 11
_LEAST_ALIKE = 0.1
#: What has at least this share in a pixel counts as where it is from.
_MOSTLY = 0.5
#: Where at least this share of what was made up cannot be held, it is made up anew, if there is a way.
_GIVEN_UP = 0.1

FloatPlane = NDArray[np.float32]
#: As ``Filled.needs``: of luma and of chroma.
Needs = tuple[FloatPlane, FloatPlane]


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """The scene as it is remembered after a frame: Y, U, V of a window's surroundings, in the frame's levels.

    ``painted`` tells whether what was made up of it is a network's.
    """

    frame_index: int
    planes: tuple[FloatPlane, FloatPlane, FloatPlane]
    painted: bool


@dataclass(frozen=True, slots=True)
class Inventor:
    """Makes up what nothing shows.

    ``once`` takes a frame that is filled smoothly and the hole (h, w) in it; what it returns is held. ``again`` fills a
    frame in passing, where nothing can be held, given the one before as it came out and the motion from there; without
    it such frames stay as they were filled.
    """

    once: Callable[[Surroundings, Mask], Continued]
    again: Callable[[Filled, Surroundings | None, PairMotion | None], Filled] | None = None


def hold_run(
    results: Iterable[Filled],
    first_index: int,
    motions: Sequence[PairMotion | None],
    before: tuple[Held | None, Surroundings | None],
    inventor: Inventor,
) -> tuple[list[Filled], Held | None]:
    """Return neighbouring frames in which what was made up from beside is held.

    Args:
        results: the frames as they were filled.
        first_index: the number of the first.
        motions: between each frame and the one before it; the first one's is None where nothing is known.
        before: what was held after the frame before the first, and that frame as it came out.
        inventor: makes up what is to be held.

    Returns:
        The frames, and what is held after the last one; None where it needs nothing.
    """
    done: list[Filled] = []
    held, previous = before
    if held is not None and held.frame_index != first_index - 1:
        held = None
    for index, (result, motion) in enumerate(zip(results, motions, strict=True), first_index):
        needs = result.needs
        if not _is_deep(needs[0]):
            held = None
            shown = result if inventor.again is None else inventor.again(result, previous, motion)
        elif held is None or motion is None:
            shown, held = _begun(result, needs, index, inventor)
        else:
            shown, held = _held_on((result, needs), held, motion, previous, inventor)
        done.append(shown)
        # Whatever was made up is known now.
        previous = replace(shown.surroundings, occlusion=Occlusion(np.zeros(needs[0].shape, dtype=bool)))
    return done, held


def _begun(result: Filled, needs: Needs, index: int, inventor: Inventor) -> tuple[Filled, Held]:
    here = result.surroundings
    need, chroma_need = needs
    made = inventor.once(here, need > 0)
    of_planes = (need, chroma_need, chroma_need)
    y, u, v = (_mixed(*parts) for parts in zip(here.planes, made.surroundings.planes, of_planes, strict=True))
    held = Held(index, (y, u, v), made.painted)
    painted = need >= _MOSTLY if made.painted else None
    return replace(result, surroundings=_with_planes(here, held.planes), painted=painted), held


def _held_on(
    filled: tuple[Filled, Needs], held: Held, motion: PairMotion, previous: Surroundings | None, inventor: Inventor
) -> tuple[Filled, Held]:
    result, (need, chroma_need) = filled
    here = result.surroundings
    occlusion, scale = here.occlusion, 1 << (here.bit_depth - 8)
    followed = [
        _Followed.of(plane, moved, (covered, wanted), scale)
        for plane, moved, covered, wanted in zip(
            here.planes,
            _moved(held.planes, motion),
            (occlusion.tainted, occlusion.chroma_mask, occlusion.chroma_mask),
            (need, chroma_need, chroma_need),
            strict=True,
        )
    ]
    kept = followed[0].kept
    painted = (need >= _MOSTLY) & (kept >= _MOSTLY * need) if held.painted else None
    bases = here.planes
    if inventor.again is not None and (need - kept).sum() > _GIVEN_UP * need.sum():
        again = inventor.again(result, previous, motion)
        bases = again.surroundings.planes
        painted = need >= _MOSTLY if held.painted else again.painted
    y, u, v = (each.remembered(base) for each, base in zip(followed, bases, strict=True))
    shown = tuple(each.shown(base) for each, base in zip(followed, bases, strict=True))
    return (
        replace(result, surroundings=_with_planes(here, shown), painted=painted),
        Held(held.frame_index + 1, (y, u, v), held.painted),
    )


def _is_deep(need: FloatPlane) -> bool:
    """Tell whether any hole is so deep that its middle is more than what lies beside."""
    side = 2 * _SHALLOW + 1
    return bool(cv2.erode((need > 0).astype(np.uint8), np.ones((side, side), np.uint8)).any())


@dataclass(frozen=True, slots=True, eq=False)
class _Followed:
    """One plane of what is held, along the motion, and how it follows the light.

    ``kept`` is the share of each sample that it has in the picture; ``values`` are what is remembered there, and
    ``at_once`` is what is added to that where the light changes visibly. ``known`` are those samples that show the same
    as before, as they are remembered.
    """

    values: FloatPlane
    at_once: FloatPlane
    kept: FloatPlane
    alike: Mask
    known: FloatPlane

    @staticmethod
    def of(plane: Plane, moved: FloatPlane, hole: tuple[Mask, FloatPlane], scale: int) -> _Followed:
        """Follow one plane.

        Args:
            plane: as it was filled.
            moved: what was remembered, along the motion.
            hole: where the plane says nothing of the light, and how much of each sample was made up.
            scale: how many levels make one of 8 bits.
        """
        covered, need = hole
        change = plane.astype(np.float32) - moved
        seen = ~covered
        # Of so many pixels, every sixteenth tells as much.
        some = change[::4, ::4][seen[::4, ::4]]
        everywhere = np.float32(np.median(some)) if some.size else np.float32(0)
        beyond = change - everywhere
        alike = seen & (np.abs(beyond) < _SAME_THING * scale)
        near, steady = _near(beyond, alike, seen)
        light = near + everywhere
        # What has gone beside the mask may have gone under it: there, what was held gives way to what is beside now.
        kept = need * np.clip((steady - _LEAST_STEADY) / (1 - _LEAST_STEADY), 0, 1)
        if np.count_nonzero(alike) < _LEAST_STEADY_OF_ALL * np.count_nonzero(seen):
            kept = np.zeros_like(need)
        # A change that nobody sees is followed slowly, or noise beside the mask would set all of it trembling.
        at_once = (1 - _PACE) * np.sign(light) * np.maximum(np.abs(light) - _UNSEEN * scale, 0)
        return _Followed(moved + _PACE * light, at_once, kept, alike, moved + _PACE * change)

    def shown(self, base: Plane) -> FloatPlane:
        """Return the plane with what is held; the rest is ``base``."""
        return _mixed(base, self.values + self.at_once, self.kept)

    def remembered(self, base: Plane) -> FloatPlane:
        """Return what is remembered of the plane for the next frame."""
        return _mixed(np.where(self.alike, self.known, base).astype(np.float32), self.values, self.kept)


def _near(beyond: FloatPlane, alike: Mask, seen: Mask) -> tuple[FloatPlane, FloatPlane]:
    """Return ``beyond`` where it is ``alike``, gone on smoothly from there, and the share of those in what is ``seen``.

    Gone on from the very rim, what is held ends where the picture begins, and no edge shows. Both change so slowly that
    half the side shows them.
    """
    height, width = beyond.shape
    alike_layer = alike.astype(np.float32)
    total, count, all_seen = (
        cv2.resize(layer, ((width + 1) // 2, (height + 1) // 2), interpolation=cv2.INTER_AREA)
        for layer in (beyond * alike_layer, alike_layer, seen.astype(np.float32))
    )
    side = (_RIM_SIDE // 2, _RIM_SIDE // 2)
    total_near, count_near = cv2.blur(total, side), cv2.blur(count, side)
    means = np.asarray(total_near / np.maximum(count_near, _LEAST_ALIKE), dtype=np.float32)
    light = fill_smoothly(means, count_near < _LEAST_ALIKE)
    layers = np.asarray(cv2.merge((count, all_seen)), dtype=np.float32)
    steady = weighted_means(layers, _LIGHT_SIDE // 2)[0][..., 0]
    near, share = (cv2.resize(half, (width, height), interpolation=cv2.INTER_LINEAR) for half in (light, steady))
    return np.asarray(near, dtype=np.float32), np.asarray(share, dtype=np.float32)


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
