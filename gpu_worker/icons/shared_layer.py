"""What is laid over many pictures alike, told by their gradients: it is what has to go for them to be smoothest.

Where most pictures are smooth, all that they share is the layer's; where a few are not, their own edges are outvoted.
So nothing is asked of the layer, nor of what is behind it on the average (after Dekel, Rubinstein, Liu, Freeman, On the
effectiveness of visible watermarks, CVPR 2017: there by the median of gradients, here by the least sum of all that is
left).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.icons.shapes import grown

#: Where less than this comes through, what comes is not made larger any more.
LEAST_CLEAR = 0.1
#: Rounds in which pictures that are off are given less weight (iteratively reweighted least squares); below so many
#: levels, all count alike.
_ROUNDS, _LEAST_LEVELS = 6, 1.0
#: Steps of conjugate gradients in each round at most, and the share of the error at which they end.
_STEPS, _TOLERANCE = 120, 1e-3
#: Pictures that differ by about so many levels outside of the layer are two, and not one that was taken twice; they are
#: compared in squares of so many pixels.
_SAME_LEVELS, _SQUARE = 6.0, 4

_Mask = NDArray[np.bool_]
_Plane = NDArray[np.float32]
_Planes = NDArray[np.float32]


def layer_over(planes: _Planes, opacities: _Planes, inside: _Mask, weights: _Plane) -> _Planes:
    """Return what a layer adds to some pictures, in levels (3, h, w); 0 outside.

    Args:
        planes: (n, 3, h, w) of the pictures, Y, U, V; a sample of chroma is four pixels that are the same.
        opacities: (3, h, w) of the layer, 0-1, likewise.
        inside: (h, w) where it lies.
        weights: (n,) of the pictures.
    """
    height, width = inside.shape
    added = [_added(planes[:, 0], opacities[0], inside, weights)]
    even = np.pad(inside, ((0, height % 2), (0, width % 2)))
    few = even[::2, ::2] | even[1::2, ::2] | even[::2, 1::2] | even[1::2, 1::2]
    for number in (1, 2):
        samples = _added(planes[:, number, ::2, ::2], opacities[number, ::2, ::2], few, weights)
        added.append(samples.repeat(2, axis=0).repeat(2, axis=1)[:height, :width])
    return np.stack(added)


def _added(pictures: _Planes, opacity: _Plane, inside: _Mask, weights: _Plane) -> _Plane:
    """Return what a layer adds to one plane (h, w) of some pictures (n, h, w)."""
    added = np.zeros(inside.shape, np.float32)
    rows, columns = (np.flatnonzero(grown(inside, 1).any(axis=axis)) for axis in (1, 0))
    if rows.size:
        crop = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        clear = np.maximum(1 - opacity[crop], np.float32(LEAST_CLEAR))
        added[crop] = clear * _smoothest(np.asarray(pictures[:, *crop] / clear, np.float32), inside[crop], weights)
    return added


def distinct_weights(lumas: _Planes, hole: _Mask) -> _Plane:
    """Return how much each of some pictures (n, h, w) counts, (n,): those that are alike outside a hole are one."""
    size = (max(1, hole.shape[1] // _SQUARE), max(1, hole.shape[0] // _SQUARE))
    outside = cv2.resize(hole.astype(np.float32), size, interpolation=cv2.INTER_AREA) == 0
    if not outside.any():
        return np.ones(len(lumas), np.float32)
    small = np.stack([cv2.resize(luma, size, interpolation=cv2.INTER_AREA)[outside] for luma in lumas])
    apart = np.square(small[:, None] - small[None]).mean(axis=-1)
    return np.asarray(1 / np.exp(-apart / _SAME_LEVELS**2).sum(axis=1), dtype=np.float32)


def _smoothest(pictures: _Planes, inside: _Mask, weights: _Plane) -> _Plane:
    """Return the layer (h, w) without which the pictures' gradients have the least sum of absolute values."""
    steps = [np.diff(pictures, axis=axis) for axis in (2, 1)]
    told = [np.median(step, axis=0) for step in steps]
    layer = np.zeros(inside.shape, np.float32)
    for _ in range(_ROUNDS):
        trust, wanted = [], []
        for step, own in zip(steps, told, strict=True):
            each = weights[:, None, None] / np.maximum(np.abs(step - own), np.float32(_LEAST_LEVELS))
            trust.append(each.sum(axis=0))
            wanted.append(np.einsum("nhw,nhw->hw", each, step))
        layer = _least_squares(trust, _divergence(*wanted), inside, layer)
        told = [np.diff(layer, axis=1), np.diff(layer, axis=0)]
    return layer


def _least_squares(trust: list[_Plane], wanted: _Plane, inside: _Mask, start: _Plane) -> _Plane:
    """Return the layer (h, w) whose weighted gradients have the divergence that is wanted, by conjugate gradients.

    Args:
        trust: of the gradients to the right (h, w - 1) and down (h - 1, w).
        wanted: (h, w).
        inside: (h, w) outside of which the layer is 0.
        start: (h, w) a layer near to it.
    """
    right, down = trust
    total = np.pad(right, ((0, 0), (0, 1))) + np.pad(right, ((0, 0), (1, 0)))
    total += np.pad(down, ((0, 1), (0, 0))) + np.pad(down, ((1, 0), (0, 0)))
    scale = np.where(inside, 1 / np.maximum(total, np.float32(1e-6)), np.float32(0))

    def curved(layer: _Plane) -> _Plane:
        return _divergence(right * np.diff(layer, axis=1), down * np.diff(layer, axis=0))

    layer = start
    left = wanted - curved(layer)
    direction = scale * left
    error = float((left * direction).sum())
    least = _TOLERANCE**2 * float((scale * np.square(wanted)).sum())
    for _ in range(_STEPS):
        if error <= least:
            break
        change = curved(direction)
        step = np.float32(error / max(float((direction * change).sum()), 1e-12))
        layer = layer + step * direction
        left = left - step * change
        before, error = error, float((scale * np.square(left)).sum())
        direction = scale * left + np.float32(error / before) * direction
    return layer


def _divergence(right: _Plane, down: _Plane) -> _Plane:
    """Return what flows into each pixel (h, w) less what flows out, negated: the transpose of taking differences."""
    total = np.zeros((right.shape[0], down.shape[1]), np.float32)
    total[:, :-1] -= right
    total[:, 1:] += right
    total[:-1] -= down
    total[1:] += down
    return total
