"""Fills the captions of one window over a run of neighbouring frames of one shot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpu_worker.fill.motion import PairMotion, View
from gpu_worker.fill.spatial import fill_smoothly, normalised_blur
from gpu_worker.fill.trails import Sources, carry, no_sources
from gpu_worker.fill.windows import Occlusion
from gpu_worker.video.frame import Plane

#: A source's colour is corrected by at most this share of the value range: more would be another thing.
_MAX_CORRECTION_SHARE = 0.1
#: Variance that the codec leaves on any pixel, and how much older sources lose trust per frame, in 8-bit levels.
_CODEC_VARIANCE = 2.0
_AGE_VARIANCE_SHARE = 0.005
#: From mean absolute error to standard deviation squared, for the Laplacian errors that flow makes.
_ERROR_TO_VARIANCE = 1.57
_SOURCE_FACTOR = 2.0
_SPATIAL_FACTOR = 2.0
#: The deeper inside the mask, the less the pixels beside it say: share more doubt per pixel.
_DOUBT_PER_PIXEL = 0.2
_BLUR_SIDE = 9
#: A point that less of the ring reaches than this looks further away for it, where the mask is so deep that it matters.
_NEAR_WEIGHT = 0.02
_WIDE_FACTOR = 2
_VARIANCE_SIDE = 15

FloatPlane = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Surroundings:
    """The planes of one frame inside a window's surroundings, as in the frame, and what is covered there."""

    y: Plane
    u: Plane
    v: Plane
    bit_depth: int
    occlusion: Occlusion

    @property
    def planes(self) -> tuple[Plane, Plane, Plane]:
        """All three planes."""
        return self.y, self.u, self.v

    def view(self) -> View:
        """Return what motion estimation sees of it."""
        luma = self.y >> (self.bit_depth - 8) if self.bit_depth > 8 else self.y
        return View(luma.astype(np.uint8), self.occlusion).without(self.occlusion.mask)


@dataclass(frozen=True, slots=True, eq=False)
class Filled:
    """One frame's surroundings without captions.

    ``revealed`` (h, w) is false for covered pixels that no other frame shows, which were filled from beside.
    """

    surroundings: Surroundings
    revealed: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class _Samples:
    """What one direction brings to one plane: values and the weight of each, for the plane's covered points."""

    values: FloatPlane
    weights: FloatPlane


def fill_chunk(
    frames: Sequence[Surroundings], estimates: Sequence[Sequence[PairMotion]], wanted: range
) -> list[Filled]:
    """Fill the frames ``wanted`` of a chunk.

    Args:
        frames: neighbouring frames of one shot; all have one size.
        estimates: one or more estimates of the motion between each frame and the next, each one fewer than ``frames``;
            where they differ, every pixel follows them as far as they explain the ring around it.
        wanted: positions to fill; the others only lend pixels.
    """
    blocked = np.stack([frame.occlusion.blocked for frame in frames])
    stacks: list[Plane] = [np.stack([frame.planes[number] for frame in frames]) for number in range(3)]  # type: ignore[misc]
    # Trails are as large as the frames themselves: only those that are still needed are kept.
    backwards = range(len(frames) - 1, wanted.start - 1, -1)
    future = [
        {position: sources for position, sources in _trails(frames, motions, blocked, backwards) if position in wanted}
        for motions in estimates
    ]
    past = zip(*(_trails(frames, motions, blocked, range(wanted.stop)) for motions in estimates), strict=True)
    filled = []
    for position, here in enumerate(past):
        if position in wanted:
            directions = [*(sources for _, sources in here), *(trails.pop(position) for trails in future)]
            filled.append(_blend(position, frames[position], directions, stacks))
    return filled


def _trails(
    frames: Sequence[Surroundings], motions: Sequence[PairMotion], blocked: NDArray[np.bool_], order: range
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
) -> Filled:
    occlusion = frame.occlusion
    if occlusion.is_empty:
        return Filled(frame, np.ones(occlusion.mask.shape, dtype=bool))
    scale = _levels_per_step(frame.bit_depth)
    variance = _ring_variance(frame.y, occlusion, scale)
    spatial_doubt = (_CODEC_VARIANCE + _SPATIAL_FACTOR * variance) * (1 + _DOUBT_PER_PIXEL * occlusion.depth)
    found = np.zeros(occlusion.indices.size, dtype=bool)
    luma_points = _luma_points(occlusion)
    chroma_points = _chroma_points(occlusion)
    samples: list[tuple[_Samples, _Samples, _Samples]] = []
    for sources in directions:
        found |= sources.found
        luma, error = _corrected(sources, luma_points, frame.y, stacks[0])
        weights = _weights(position, sources, error / scale, variance)
        chroma_weights = weights[chroma_points.place]
        u, _ = _corrected(sources, chroma_points, frame.u, stacks[1])
        v, _ = _corrected(sources, chroma_points, frame.v, stacks[2])
        samples.append((_Samples(luma, weights), _Samples(u, chroma_weights), _Samples(v, chroma_weights)))
    planes = [
        _mixed(plane, chroma_points if number else luma_points, [each[number] for each in samples], spatial_doubt)
        for number, plane in enumerate(frame.planes)
    ]
    revealed = np.ones(occlusion.mask.shape, dtype=bool)
    revealed.reshape(-1)[occlusion.indices] = found | ~occlusion.covered
    filled = Surroundings(planes[0], planes[1], planes[2], frame.bit_depth, occlusion)
    return Filled(filled, revealed)


@dataclass(frozen=True, slots=True, eq=False)
class _Points:
    """The points of one plane that have a source, and what is covered there.

    ``flat`` are positions in the plane, ``place`` the matching places in the occlusion's ``indices``; ``step`` is the
    plane's pixel size in luma pixels; ``mask`` (h, w) of the plane; ``deepest`` luma pixels lie between the mask's
    middle and its edge.
    """

    flat: NDArray[np.intp]
    place: NDArray[np.intp]
    covered: NDArray[np.bool_]
    mask: NDArray[np.bool_]
    step: int
    deepest: float


def _luma_points(occlusion: Occlusion) -> _Points:
    return _Points(
        flat=occlusion.indices,
        place=np.arange(occlusion.indices.size),
        covered=occlusion.covered,
        mask=occlusion.mask,
        step=1,
        deepest=float(occlusion.depth.max()),
    )


def _chroma_points(occlusion: Occlusion) -> _Points:
    """Take the upper left luma pixel of each 2x2 block as the guide of its chroma sample."""
    width = occlusion.mask.shape[1]
    mask = occlusion.chroma_mask
    rows, columns = np.nonzero(occlusion.reach[::2, ::2])
    flat = rows * mask.shape[1] + columns
    return _Points(
        flat=flat,
        place=occlusion.lookup[2 * rows * width + 2 * columns].astype(np.intp),
        covered=mask.reshape(-1)[flat],
        mask=mask,
        step=2,
        deepest=float(occlusion.depth.max()),
    )


def _ring_variance(plane: Plane, occlusion: Occlusion, scale: float) -> FloatPlane:
    """Return the luma variance of the ring around each point, in 8-bit levels squared."""
    ring = (occlusion.reach & ~occlusion.mask).astype(np.float32)
    luma = plane.astype(np.float32) / scale
    mean, _ = normalised_blur(luma, ring, _VARIANCE_SIDE)
    variance, _ = normalised_blur(np.square(luma - mean), ring, _VARIANCE_SIDE)
    return np.asarray(variance.reshape(-1)[occlusion.indices], dtype=np.float32)


def _weights(position: int, sources: Sources, error: FloatPlane, variance: FloatPlane) -> FloatPlane:
    """Return the inverse variance of each luma point's source; ``error`` is its ring's, in 8-bit levels."""
    age = np.abs(sources.frame - position)
    doubt = _CODEC_VARIANCE + _ERROR_TO_VARIANCE * np.square(error) + _AGE_VARIANCE_SHARE * age * variance
    return np.where(sources.found, sources.confidence / (_SOURCE_FACTOR * doubt), 0).astype(np.float32)


def _corrected(sources: Sources, points: _Points, plane: Plane, stack: Plane) -> tuple[FloatPlane, FloatPlane]:
    """Return each point's source in the light of this frame, and how far the ring near it is off its own sources."""
    values = _sampled(stack, sources, points)
    difference, error = _ring_difference(plane, points, sources.found[points.place], values)
    limit = _MAX_CORRECTION_SHARE * _white(plane)
    return values + np.clip(difference, -limit, limit), error


def _sampled(stack: Plane, sources: Sources, points: _Points) -> FloatPlane:
    """Return the plane's value at each point's source, bilinear; 0 where there is none."""
    height, width = stack.shape[1:]
    frame = np.maximum(sources.frame[points.place], 0)
    own_row, own_column = np.divmod(points.flat, width)
    # Displacements, not positions, are halved: so it does not matter where in its block a chroma sample sits.
    shift_x = sources.x[points.place] - own_column * points.step
    shift_y = sources.y[points.place] - own_row * points.step
    x = np.clip(own_column + shift_x / points.step, 0, width - 1)
    y = np.clip(own_row + shift_y / points.step, 0, height - 1)
    column = np.minimum(x.astype(np.intp), max(0, width - 2))
    row = np.minimum(y.astype(np.intp), max(0, height - 2))
    across, down = (x - column).astype(np.float32), (y - row).astype(np.float32)
    right, below = min(1, width - 1), min(1, height - 1) * width
    flat = stack.reshape(-1)
    start = frame.astype(np.intp) * (height * width) + row * width + column
    upper = flat[start] * (1 - across) + flat[start + right] * across
    lower = flat[start + below] * (1 - across) + flat[start + below + right] * across
    values = upper * (1 - down) + lower * down
    return np.where(sources.found[points.place], values, 0).astype(np.float32)


def _ring_difference(
    plane: Plane, points: _Points, found: NDArray[np.bool_], values: FloatPlane
) -> tuple[FloatPlane, FloatPlane]:
    """Return how the plane differs from the sources in the ring near each point: mean, and mean absolute value."""
    ring = found & ~points.covered
    image = np.zeros(plane.shape, np.float32)
    weight = np.zeros(plane.shape, np.float32)
    image.reshape(-1)[points.flat[ring]] = plane.reshape(-1)[points.flat[ring]] - values[ring]
    weight.reshape(-1)[points.flat[ring]] = 1
    stacked = np.stack((image, np.abs(image)), axis=-1)
    both, reached = normalised_blur(stacked, weight, _BLUR_SIDE)
    # Deep inside large type no ring is near: there the nearest parts of it count, not the mean of all.
    lonely = np.clip(1 - reached / _NEAR_WEIGHT, 0, 1)
    side = 2 * round(points.deepest / points.step) + _BLUR_SIDE
    if side > _WIDE_FACTOR * _BLUR_SIDE:
        wide, _ = normalised_blur(stacked, weight, side)
        both += lonely[..., None] * (wide - both)
    near = both.reshape(-1, 2)[points.flat]
    return near[:, 0], near[:, 1]


def _mixed(plane: Plane, points: _Points, samples: list[_Samples], spatial_doubt: FloatPlane) -> Plane:
    """Return the plane with covered points replaced by the mean of all candidates, weighted by inverse variance."""
    smooth = fill_smoothly(plane.astype(np.float32), points.mask).reshape(-1)[points.flat]
    spatial_weight = 1 / spatial_doubt[points.place]
    total = smooth * spatial_weight
    weight = spatial_weight.copy()
    for sample in samples:
        total += sample.values * sample.weights
        weight += sample.weights
    mixed = total / weight
    result = plane.copy()
    inside = np.clip(mixed[points.covered] + 0.5, 0, _white(plane))
    result.reshape(-1)[points.flat[points.covered]] = inside.astype(plane.dtype)
    return result


def _levels_per_step(bit_depth: int) -> float:
    """Return how many of the frame's levels make one 8-bit level."""
    return float(1 << (bit_depth - 8))


def _white(plane: Plane) -> int:
    """Return the largest value of a plane: frames are 8-bit or 10-bit."""
    return 255 if plane.dtype == np.uint8 else 1023
