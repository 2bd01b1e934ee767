"""Pairs of large and small pictures, held in memory, and the batches cut from them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gpu_worker.training.doubling.degradations import Pair, clean_pair, degraded_pair
from gpu_worker.training.photographs import Photograph, read_rgb
from gpu_worker.training.resize import luma, resize_bicubic

#: Each picture is also used smaller: finer detail per pixel, and less left of its JPEG blocks.
_SIZES = (1.0, 0.7)
_DEGRADED_PER_PICTURE = 4

FloatBatch = NDArray[np.float32]


def make_pairs(photographs: Sequence[Photograph], *, degrade: bool, rng: np.random.Generator) -> list[Pair]:
    """Return all pairs of the photographs: bicubic halves, or several degraded ones a picture."""
    pairs = []
    for photograph in photographs:
        full = luma(read_rgb(photograph))
        for size in _SIZES:
            scaled = full if size == 1 else resize_bicubic(full, size)
            large = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
            if degrade:
                pairs += [degraded_pair(large, rng) for _ in range(_DEGRADED_PER_PICTURE)]
            else:
                pairs.append(clean_pair(large))
    return pairs


class Batches:
    """Draws crops at random, turned and mirrored; the same ``rng`` gives the same batches.

    Args:
        pairs: where crops are cut from; a larger picture gives more of them.
        side: height and width of a small crop.
        size: crops in a batch.
    """

    def __init__(self, pairs: Sequence[Pair], side: int, size: int, rng: np.random.Generator) -> None:
        self._pairs = [pair for pair in pairs if min(pair.small.shape) >= side]
        areas = np.array([pair.small.size for pair in self._pairs], dtype=np.float64)
        self._shares = areas / areas.sum()
        self._side = side
        self._size = size
        self._rng = rng

    def draw(self) -> tuple[FloatBatch, FloatBatch]:
        """Return small (size, 1, side, side) and large (size, 1, 2 side, 2 side) crops, 0-1."""
        smalls, larges = [], []
        for choice in self._rng.choice(len(self._pairs), size=self._size, p=self._shares):
            pair, side = self._pairs[int(choice)], self._side
            top = int(self._rng.integers(pair.small.shape[0] - side + 1))
            left = int(self._rng.integers(pair.small.shape[1] - side + 1))
            small = pair.small[top : top + side, left : left + side]
            large = pair.large[2 * top : 2 * (top + side), 2 * left : 2 * (left + side)]
            turns, mirror = int(self._rng.integers(4)), bool(self._rng.integers(2))
            smalls.append(_turned(small, turns, mirror=mirror))
            larges.append(_turned(large, turns, mirror=mirror))
        return _as_batch(smalls), _as_batch(larges)


def _turned(picture: NDArray[np.uint8], turns: int, *, mirror: bool) -> NDArray[np.uint8]:
    turned = np.rot90(picture, turns)
    return turned[:, ::-1] if mirror else turned


def _as_batch(pictures: list[NDArray[np.uint8]]) -> FloatBatch:
    return (np.stack(pictures)[:, None] / 255).astype(np.float32)
