"""Filling a hole from the pixels around it, in one frame: a guide for motion, and the last resort of the fill."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

#: Sides of the smallest level: everything there is one neighbourhood.
_SMALLEST_SIDE = 4
#: Rounds of averaging with the neighbours on each level: with few, the blocks of coarser levels shine through.
_RELAXATIONS = 8
#: Weight of the mean of all against what is near.
_PRIOR = 1e-4
_NEIGHBOURS = np.array((0.25, 0.5, 0.25), np.float32)


def normalised_blur(
    values: NDArray[np.float32], weights: NDArray[np.float32], side: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Blur what has weight into what has none (normalised convolution, Knutsson and Westin 1993).

    Far from anything with weight, the result is the weighted mean of all.

    Args:
        values: (h, w) or (h, w, c) with at most three channels.
        weights: (h, w), 0-1.
        side: width of the box filter, which is applied twice.

    Returns:
        The blurred values, and the weight (h, w) that reached each pixel.
    """
    channels = cv2.split(values) if values.ndim == 3 else (values,)
    layers = cv2.merge([*(channel * weights for channel in channels), weights])
    result, reached = weighted_means(np.asarray(layers, dtype=np.float32), side)
    return (result if values.ndim == 3 else result[..., 0]), reached


def weighted_means(layers: NDArray[np.float32], side: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Do what ``normalised_blur`` does for values (h, w, c) that have their weight as a factor and as the last layer.

    Args:
        layers: (h, w, c + 1).
        side: see there.

    Returns:
        The blurred values (h, w, c), and the weight (h, w) that reached each pixel.
    """
    pixels = layers.reshape(-1, layers.shape[2])
    *sums, weight = np.ones(len(pixels), np.float32) @ pixels
    *totals, reached = cv2.split(cv2.blur(cv2.blur(layers, (side, side)), (side, side)))
    share = 1 / (reached + _PRIOR)
    means = [(total + _PRIOR * each / max(1e-6, weight)) * share for total, each in zip(totals, sums, strict=True)]
    return np.asarray(cv2.merge(means), dtype=np.float32).reshape(*reached.shape, -1), np.asarray(reached)


def fill_smoothly(plane: NDArray[np.float32], hole: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Fill a hole with a smooth membrane through its surroundings (push-pull, Gortler et al., SIGGRAPH 1996, relaxed).

    Args:
        plane: (h, w).
        hole: (h, w), true where ``plane`` is not to be used. A plane that is all hole comes back as it is.
    """
    if not hole.any() or hole.all():
        return plane
    seen = (~hole).astype(np.float32)
    return np.where(hole, _pulled(plane * seen, seen), plane)


def _pulled(values: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return values everywhere: where weights lack, those of the next coarser level. ``values`` are premultiplied."""
    height, width = weights.shape
    known = values / np.maximum(weights, 1e-6)
    if min(height, width) <= _SMALLEST_SIDE or weights.min() > 0.5:
        total = float(weights.sum())
        mean = float(values.sum()) / total if total > 0 else 0.0
        return np.asarray(np.where(weights > 0, known, mean), dtype=np.float32)
    half = ((width + 1) // 2, (height + 1) // 2)
    coarse_weights = cv2.resize(weights, half, interpolation=cv2.INTER_AREA)
    coarse_values = cv2.resize(values, half, interpolation=cv2.INTER_AREA)
    # A block with one known pixel knows as much as a full one.
    certain = np.minimum(1, 4 * coarse_weights)
    scale = certain / np.maximum(coarse_weights, 1e-6)
    coarse = _pulled((coarse_values * scale).astype(np.float32), certain.astype(np.float32))
    fixed = np.multiply(weights, known, dtype=np.float32)
    unknown = np.subtract(1, weights, dtype=np.float32)
    surface = np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.float32)
    # In place: these planes are large and the rounds many.
    _settled(surface, surface, fixed, unknown)
    smoothed = np.empty_like(surface)
    for _ in range(_RELAXATIONS):
        cv2.sepFilter2D(surface, cv2.CV_32F, _NEIGHBOURS, _NEIGHBOURS, dst=smoothed)
        _settled(smoothed, surface, fixed, unknown)
    return surface


def _settled(
    smoothed: NDArray[np.float32], into: NDArray[np.float32], fixed: NDArray[np.float32], unknown: NDArray[np.float32]
) -> None:
    """Write ``fixed + unknown * smoothed`` into ``into``."""
    cv2.multiply(smoothed, unknown, dst=into)
    cv2.add(into, fixed, dst=into)
