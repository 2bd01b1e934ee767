"""Pixels of other frames at fractions of a pixel: bilinear, or sharper where nothing covered is near."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpu_worker.fill.trails import Sources
from gpu_worker.fill.windows import Occlusion, Points
from gpu_worker.video.frame import Plane

FloatPlane = NDArray[np.float32]


def sampled(stacks: Sequence[Plane], sources: Sources, points: Points) -> FloatPlane:
    """Return the planes' values at each point's source, (planes, points), bilinear; anything where there is none.

    Args:
        stacks: one for each plane, (frames, h, w).
        sources: of the frame's luma.
        points: of the planes.
    """
    height, width = stacks[0].shape[1:]
    frame, x, y = _places(sources, points, height, width)
    column = np.minimum(x.astype(np.int32), max(0, width - 2))
    row = np.minimum(y.astype(np.int32), max(0, height - 2))
    across, down = x - column.astype(np.float32), y - row.astype(np.float32)
    start = frame * (height * width) + (row * width + column)
    right, below = min(1, width - 1), min(1, height - 1) * width
    values = np.empty((len(stacks), start.size), np.float32)
    for number, stack in enumerate(stacks):
        flat = stack.reshape(-1)
        upper = flat[start].astype(np.float32)
        upper += (flat[start + right] - upper) * across
        lower = flat[start + below].astype(np.float32)
        lower += (flat[start + (below + right)] - lower) * across
        values[number] = upper + (lower - upper) * down
    return values


@dataclass(frozen=True, slots=True, eq=False)
class Sharp:
    """Samples frames by cubic convolution (R. Keys, IEEE Trans. ASSP, 1981): finer than bilinear, from 4x4 pixels.

    ``luma`` and ``chroma`` (tables, h, w) tell where any of those is covered, by the second pixel of the second row;
    ``table_of`` is the number of each frame's table: neighbours share theirs.
    """

    luma: NDArray[np.bool_]
    chroma: NDArray[np.bool_]
    table_of: NDArray[np.intp]

    @staticmethod
    def of(occlusions: Sequence[Occlusion]) -> Sharp:
        """Return it for the frames of a chunk."""
        different = {id(occlusion): occlusion for occlusion in occlusions}
        places = {key: place for place, key in enumerate(different)}
        luma, chroma = (np.stack([each.near(step) for each in different.values()]) for step in (1, 2))
        return Sharp(luma, chroma, np.array([places[id(occlusion)] for occlusion in occlusions], np.intp))

    def sampled(self, stacks: Sequence[Plane], sources: Sources, points: Points, elsewhere: FloatPlane) -> FloatPlane:
        """Return what ``sampled`` does; ``elsewhere`` is its result, for sources that lie near anything covered."""
        covered = self.luma if points.step == 1 else self.chroma
        height, width = covered.shape[1:]
        frame, x, y = _places(sources, points, height, width)
        column, row = x.astype(np.int32), y.astype(np.int32)
        across, down = x - column.astype(np.float32), y - row.astype(np.float32)
        is_inside = (column >= 1) & (row >= 1) & (column < width - 2) & (row < height - 2)
        chosen = np.flatnonzero(is_inside & ((across > 0) | (down > 0)))
        chosen = chosen[~covered[self.table_of[frame[chosen]], row[chosen], column[chosen]]]
        start = frame[chosen] * (height * width) + (row[chosen] * width + column[chosen])
        columns, rows = _taps(across[chosen]), _taps(down[chosen])
        values = elsewhere.copy()
        for number, stack in enumerate(stacks):
            flat = stack.reshape(-1)
            total = np.zeros(start.size, np.float32)
            for below, weight in enumerate(rows, -1):
                for right, share in enumerate(columns, -1):
                    total += weight * share * flat[start + (below * width + right)]
            values[number, chosen] = total
        return values


def _places(
    sources: Sources, points: Points, height: int, width: int
) -> tuple[NDArray[np.intp], FloatPlane, FloatPlane]:
    """Return each point's source: frame of the chunk, column and row in the points' plane, inside of it."""
    frame = np.maximum(sources.frame[points.place], 0).astype(np.intp)
    # Displacements, not positions, are halved: so it does not matter where in its block a chroma sample sits.
    x, y = sources.x[points.place], sources.y[points.place]
    if points.step > 1:
        x = points.columns + (x - points.columns * points.step) / np.float32(points.step)
        y = points.rows + (y - points.rows * points.step) / np.float32(points.step)
    return frame, np.clip(x, 0, width - 1).astype(np.float32), np.clip(y, 0, height - 1).astype(np.float32)


def _taps(fraction: FloatPlane) -> tuple[FloatPlane, FloatPlane, FloatPlane, FloatPlane]:
    """Return the weights of the four pixels around a place that lies ``fraction`` behind the second."""
    square = fraction * fraction
    cube = square * fraction
    weights = (2 * square - cube - fraction, 2 + 3 * cube - 5 * square, 4 * square + fraction - 3 * cube, cube - square)
    first, second, third, fourth = (np.asarray(weight / 2, dtype=np.float32) for weight in weights)
    return first, second, third, fourth
