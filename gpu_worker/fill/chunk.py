"""Fills what is covered in one window over a run of neighbouring frames of one shot."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.fill.candidates import Samples, evened
from gpu_worker.fill.filler_interface import TRUSTED
from gpu_worker.fill.motion import PairMotion, View
from gpu_worker.fill.sampling import Sharp, sampled
from gpu_worker.fill.spatial import fill_smoothly, weighted_means
from gpu_worker.fill.trails import Blocked, Sources, carry, no_sources
from gpu_worker.fill.windows import CELL, CHROMA_BLEED, Occlusion, Points
from gpu_worker.video.frame import Plane

#: A source's colour is corrected by at most this share of the value range: more would be another thing.
_MAX_CORRECTION_SHARE = 0.04
#: Variance that the codec leaves on any pixel, and how much older sources lose trust per frame, in 8-bit levels.
_CODEC_VARIANCE = 2.0
_AGE_VARIANCE_SHARE = 0.005
#: From mean absolute error to standard deviation squared, for the Laplacian errors that flow makes.
_ERROR_TO_VARIANCE = 1.57
_SOURCE_FACTOR = 2.0
_SPATIAL_FACTOR = 2.0
#: The deeper inside the mask, the less the pixels beside it say: share more doubt per pixel.
_DOUBT_PER_PIXEL = 0.2
#: Ring colours are compared over this many cells.
_BLUR_CELLS = 5
#: A point that less of the ring reaches than this looks further away for it, where the mask is so deep that it matters.
_NEAR_WEIGHT = 0.02
_WIDE_FACTOR = 2
_VARIANCE_CELLS = 7
#: Grain is measured where frames differ least: in this percentile of the ring, motion has told them apart no further.
_QUIETEST = 20
#: Frames whose trails wait until they are blended.
_WAITING_BLENDS = 4

FloatPlane = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Shine:
    """How little is known of what shines through veils: variances in 8-bit levels squared, infinite without a veil.

    ``luma`` (h, w) is for the plane y, ``chroma`` (ceil(h/2), ceil(w/2)) for u and v.
    """

    luma: FloatPlane
    chroma: FloatPlane


@dataclass(frozen=True, slots=True, eq=False)
class Surroundings:
    """The planes of one frame inside a window's surroundings, as in the frame, and what is covered there.

    With ``shine``, veils have been taken off the planes: where it is finite, they show what was worked out.
    """

    y: Plane
    u: Plane
    v: Plane
    bit_depth: int
    occlusion: Occlusion
    shine: Shine | None = None

    @property
    def planes(self) -> tuple[Plane, Plane, Plane]:
        """All three planes."""
        return self.y, self.u, self.v

    def luma8(self) -> NDArray[np.uint8]:
        """Return luma as uint8 (h, w); the plane itself where it is 8-bit already."""
        if self.bit_depth == 8:
            return self.y  # type: ignore[return-value]
        return (self.y >> (self.bit_depth - 8)).astype(np.uint8)

    def view(self, step: int) -> View:
        """Return what motion estimation at ``step`` sees of it."""
        return View.of(self.luma8(), self.occlusion, step).without(self.occlusion.mask)


@dataclass(frozen=True, slots=True, eq=False)
class Filled:
    """One frame's surroundings without what covered them.

    ``revealed`` (h, w) is false for covered pixels that no other frame shows. Of those, ``shone_through`` (h, w) could
    be worked out from what came through a veil, and the rest was filled from beside; None where there is no veil.
    ``confidence``, of each of the occlusion's ``indices``, is the share in the pixel of what was seen, 0-1. ``grain``
    is the variance, in 8-bit levels squared, by which two frames differ where they show the same: film grain and codec.
    ``painted`` (h, w) is what a network made up; None without one.
    """

    surroundings: Surroundings
    revealed: NDArray[np.bool_]
    confidence: FloatPlane
    grain: float = 0.0
    shone_through: NDArray[np.bool_] | None = None
    painted: NDArray[np.bool_] | None = None

    @property
    def needs(self) -> tuple[FloatPlane, FloatPlane]:
        """How much of each luma (h, w) and each chroma sample (ceil(h/2), ceil(w/2)) was made up from beside, 0-1."""
        occlusion = self.surroundings.occlusion
        luma = np.zeros(occlusion.mask.shape, np.float32)
        if occlusion.is_empty:
            return luma, np.zeros(self.surroundings.u.shape, np.float32)
        doubtful = np.where(occlusion.covered, np.clip(1 - self.confidence / TRUSTED, 0, 1), 0)
        luma.reshape(-1)[occlusion.indices] = doubtful
        # Colour that bled out of the mask is as unknown as what it bled from.
        side = 4 * CHROMA_BLEED + 1
        near = np.asarray(cv2.dilate(luma, np.ones((side, side), np.uint8)), dtype=np.float32)
        return luma, np.where(occlusion.chroma_mask, near[::2, ::2], np.float32(0))

    @property
    def known(self) -> NDArray[np.bool_]:
        """Pixels (h, w) that were not made up from beside."""
        return self.revealed if self.shone_through is None else self.revealed | self.shone_through


def fill_chunk(
    frames: Sequence[Surroundings],
    estimates: Sequence[Sequence[PairMotion]],
    wanted: range,
    pool: Executor,
    *,
    thorough: bool = False,
) -> Iterator[Filled]:
    """Yield the frames ``wanted`` of a chunk, filled; the next ones are worked on while one is taken.

    Args:
        frames: neighbouring frames of one shot; all have one size.
        estimates: one or more estimates of the motion between each frame and the next, each one fewer than ``frames``;
            where they differ, every pixel follows them as far as they explain the ring around it.
        wanted: positions to fill; the others only lend pixels.
        pool: threads that share the work.
        thorough: sample sources more sharply where the ring shows that it pays.
    """
    occlusions = [frame.occlusion for frame in frames]
    blocked = Blocked.of(occlusions)
    sharp = Sharp.of(occlusions) if thorough else None
    stacks: list[Plane] = [np.stack([frame.planes[number] for frame in frames]) for number in range(3)]  # type: ignore[misc]
    backwards = range(len(frames) - 1, wanted.start - 1, -1)

    def from_behind(motions: Sequence[PairMotion]) -> dict[int, Sources]:
        # Trails are as large as the frames themselves: only those that are still needed are kept.
        return {
            position: trail for position, trail in _trails(frames, motions, blocked, backwards) if position in wanted
        }

    future = list(pool.map(from_behind, estimates))
    past = zip(*(_trails(frames, motions, blocked, range(wanted.stop)) for motions in estimates), strict=True)
    blends: deque[Future[Filled]] = deque()
    for position, here in enumerate(past):
        if position in wanted:
            directions = [*(sources for _, sources in here), *(trails.pop(position) for trails in future)]
            blends.append(pool.submit(_blend, position, frames[position], directions, stacks, sharp))
        if len(blends) > _WAITING_BLENDS:
            yield blends.popleft().result()
    yield from (blend.result() for blend in blends)


def _trails(
    frames: Sequence[Surroundings], motions: Sequence[PairMotion], blocked: Blocked, order: range
) -> Iterator[tuple[int, Sources]]:
    """Yield the frames of ``order``, each with its sources in those before it in that order."""
    forward = order.step > 0
    previous: Sources | None = None
    for position in order:
        neighbour = position - order.step
        here = frames[position].occlusion
        sources = no_sources(here)
        if previous is not None and not here.is_empty:
            motion = motions[min(position, neighbour)]
            outward, homeward = (motion.backward, motion.forward) if forward else (motion.forward, motion.backward)
            sources = carry(
                here,
                frames[neighbour].occlusion,
                previous,
                there_frame=neighbour,
                outward=outward,
                homeward=homeward,
                step=motion.step,
                dominant=motion.dominant_backward if forward else motion.dominant_forward,
                blocked=blocked,
            )
        previous = sources
        yield position, sources


def _blend(
    position: int,
    frame: Surroundings,
    directions: Sequence[Sources],
    stacks: list[Plane],
    sharp: Sharp | None,
) -> Filled:
    occlusion = frame.occlusion
    if occlusion.is_empty:
        return Filled(frame, np.ones(occlusion.mask.shape, dtype=bool), np.zeros(0, np.float32))
    luma, chroma = occlusion.points
    variance = _ring_variance(frame, luma)
    spatial_doubt = (_CODEC_VARIANCE + _SPATIAL_FACTOR * variance) * (1 + _DOUBT_PER_PIXEL * occlusion.depth)
    found = np.zeros(occlusion.indices.size, dtype=bool)
    samples: list[list[Samples]] = [[], [], []]
    grain = []
    for sources in directions:
        found |= sources.found
        (values,), error = _corrected(sources, luma, [frame.y], stacks[:1], sharp)
        error /= _levels_per_step(frame.bit_depth)
        grain.append(_grain(error[occlusion.ring], sources.found[occlusion.ring]))
        sample = Samples(values, evened(_weights(position, sources, error, variance), luma))
        if (sample.weights[luma.covered] > 0).any():
            samples[0].append(sample)
        weights = sample.weights[chroma.place]
        if not (weights[chroma.covered] > 0).any():
            # Before a camera that stands still there is nothing to be had anywhere.
            continue
        both, _ = _corrected(sources, chroma, [frame.u, frame.v], stacks[1:], sharp)
        for number, of_plane in enumerate(both, 1):
            samples[number].append(Samples(of_plane, weights))
    bases = [_Base.of(spatial_doubt, frame.shine, points) for points in (luma, chroma)]
    planes = [
        _mixed(plane, chroma if number else luma, samples[number], bases[min(number, 1)])
        for number, plane in enumerate(frame.planes)
    ]
    filled = Surroundings(planes[0], planes[1], planes[2], frame.bit_depth, occlusion)
    shown = sum((sample.weights for sample in samples[0]), np.zeros_like(spatial_doubt))
    told = np.where(bases[0].shines, 1 / bases[0].doubt, 0)
    # Where a veil tells more than other frames do, the pixel counts as worked out.
    by_veil = bases[0].shines & occlusion.covered & (~found | (told > shown))
    revealed, shone_through = np.ones(occlusion.mask.shape, dtype=bool), None
    revealed.reshape(-1)[occlusion.indices] = (found & ~by_veil) | ~occlusion.covered
    if frame.shine is not None:
        shone_through = np.zeros(occlusion.mask.shape, dtype=bool)
        shone_through.reshape(-1)[occlusion.indices] = by_veil
    confidence = np.asarray((shown + told) / (shown + told + 1 / spatial_doubt), dtype=np.float32)
    return Filled(filled, revealed, confidence, min(grain, default=0.0), shone_through)


@dataclass(frozen=True, slots=True, eq=False)
class _Base:
    """What is known of one plane's points without other frames: the variance, and whether it comes through a veil."""

    doubt: FloatPlane
    shines: NDArray[np.bool_]

    @staticmethod
    def of(spatial_doubt: FloatPlane, shine: Shine | None, points: Points) -> _Base:
        """Return it for a plane's points; ``spatial_doubt`` is that of luma points filled from beside."""
        doubt = spatial_doubt[points.place]
        if shine is None:
            return _Base(doubt, np.zeros(doubt.shape, dtype=bool))
        through = (shine.luma if points.step == 1 else shine.chroma)[points.crop].reshape(-1)[points.flat]
        shines = np.isfinite(through)
        return _Base(np.where(shines, through, doubt).astype(np.float32), shines)


def _grain(error: FloatPlane, found: NDArray[np.bool_]) -> float:
    """Return the variance of one frame's grain from how far the ring is off its sources where it is off least."""
    if not found.any():
        return 0.0
    return _ERROR_TO_VARIANCE * float(np.percentile(error[found], _QUIETEST)) ** 2 / 2


def _ring_variance(frame: Surroundings, points: Points) -> FloatPlane:
    """Return the luma variance of the ring around each point, in 8-bit levels squared."""
    ring = np.flatnonzero(~points.covered)
    cell, size = points.cell[ring], points.cells[0] * points.cells[1]
    luma = frame.y[points.crop].reshape(-1)[points.flat[ring]] / _levels_per_step(frame.bit_depth)
    sums = np.bincount(cell, luma, size), np.bincount(cell, np.square(luma), size), np.bincount(cell, minlength=size)
    layers = _layers(sums, points.cells)
    mean, square = cv2.split(weighted_means(layers, _VARIANCE_CELLS)[0])
    variance = np.maximum(square - np.square(mean), 0)
    return np.asarray(variance.reshape(-1)[points.cell], dtype=np.float32)


def _weights(position: int, sources: Sources, error: FloatPlane, variance: FloatPlane) -> FloatPlane:
    """Return the inverse variance of each luma point's source; ``error`` is its ring's, in 8-bit levels."""
    age = np.abs(sources.frame - position).astype(np.float32)
    doubt = _CODEC_VARIANCE + _ERROR_TO_VARIANCE * np.square(error) + _AGE_VARIANCE_SHARE * age * variance
    return np.where(sources.found, sources.confidence / (_SOURCE_FACTOR * doubt), 0).astype(np.float32)


def _corrected(
    sources: Sources, points: Points, planes: Sequence[Plane], stacks: Sequence[Plane], sharp: Sharp | None
) -> tuple[list[FloatPlane], FloatPlane]:
    """Return each point's source in the light of this frame, in every plane; and how far the ring near it is off.

    The planes share their points. The difference counts as far as the ring agrees about it: what is brighter here and
    darker there is not another light. With ``sharp``, sources are sampled that way where the ring is less off for it.
    """
    found = sources.found[points.place]
    values = sampled(stacks, sources, points)
    differences, errors = _ring_difference(planes, points, found, values)
    if sharp is not None:
        finer = sharp.sampled(stacks, sources, points, values)
        finer_differences, finer_errors = _ring_difference(planes, points, found, finer)
        better = finer_errors < errors
        values, differences = np.where(better, finer, values), np.where(better, finer_differences, differences)
        errors = np.minimum(errors, finer_errors)
    limit = _MAX_CORRECTION_SHARE * _white(planes[0])
    agreed = differences * np.square(differences / np.maximum(errors, 1e-3))
    corrected = values + np.clip(agreed, -limit, limit)
    return list(corrected), errors[0]


def _ring_difference(
    planes: Sequence[Plane], points: Points, found: NDArray[np.bool_], values: FloatPlane
) -> tuple[FloatPlane, FloatPlane]:
    """Return how planes differ from sources in the ring near each point, (planes, points): mean, mean absolute value.

    Compared in cells, which is fine enough for what is then blurred.
    """
    ring = np.flatnonzero(found & ~points.covered)
    cell, place = points.cell[ring], points.flat[ring]
    size = points.cells[0] * points.cells[1]
    off = [plane[points.crop].reshape(-1)[place] - row[ring] for plane, row in zip(planes, values, strict=True)]
    sums = [np.bincount(cell, difference, size) for difference in (*off, *(np.abs(each) for each in off))]
    sums.append(np.bincount(cell, minlength=size))
    layers = _layers(sums, points.cells)
    near, reached = weighted_means(layers, _BLUR_CELLS)
    reached *= (points.step / CELL) ** 2
    # Deep inside large type no ring is near: there the nearest parts of it count, not the mean of all.
    lonely = np.clip(1 - reached / _NEAR_WEIGHT, 0, 1)
    side = 2 * round(points.deepest / CELL) + _BLUR_CELLS
    if side > _WIDE_FACTOR * _BLUR_CELLS and lonely.any():
        wide, _ = weighted_means(layers, side)
        near += lonely[..., None] * (wide - near)
    both = np.stack([layer.reshape(-1)[points.cell] for layer in cv2.split(near)]).astype(np.float32)
    return both[: len(planes)], both[len(planes) :]


def _layers(sums: Sequence[NDArray[np.float64] | NDArray[np.intp]], cells: tuple[int, int]) -> FloatPlane:
    """Return sums per cell, flat, as the layers of a picture."""
    return np.asarray(cv2.merge([each.astype(np.float32).reshape(cells) for each in sums]), dtype=np.float32)


def _mixed(plane: Plane, points: Points, samples: list[Samples], base: _Base) -> Plane:
    """Return the plane with covered points replaced by the mean of all candidates, weighted by inverse variance."""
    hole = points.mask.copy()
    hole.reshape(-1)[points.flat[base.shines]] = False
    smooth = fill_smoothly(plane[points.crop].astype(np.float32), hole).reshape(-1)[points.flat]
    weight = 1 / base.doubt
    total = smooth * weight
    for sample in samples:
        total += sample.values * sample.weights
        weight += sample.weights
    mixed = total / weight
    result = plane.copy()
    inside = np.clip(mixed[points.covered] + 0.5, 0, _white(plane))
    cropped = result[points.crop]
    cropped[points.mask] = inside.astype(plane.dtype)
    return result


def _levels_per_step(bit_depth: int) -> float:
    """Return how many of the frame's levels make one 8-bit level."""
    return float(1 << (bit_depth - 8))


def _white(plane: Plane) -> int:
    """Return the largest value of a plane: frames are 8-bit or 10-bit."""
    return 255 if plane.dtype == np.uint8 else 1023
