"""Making up a large hole once, from what lies around it: lines and textures are continued into it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.fill.chunk import Surroundings
from gpu_worker.fill.spatial import fill_smoothly

#: A hole is filled in blocks of so many pixels, each from a neighbourhood that reaches so far beyond it on every side.
_BLOCK = 8
_REACH = 16
_SIDE = _BLOCK + 2 * _REACH
#: Blocks share so many pixels with those beside them, so that no joint is seen.
_OVERLAP = 4
#: Waves of which a neighbourhood is made up, and the share of each that is taken at a time: waves are not orthogonal
#: where pixels are missing, and what one explains too much the next would have to take back.
_WAVES = 64
_PACE = 0.5
#: A pixel counts less the further from the block it is, by this factor a pixel, and less if it was made up itself.
_NEARNESS = 0.88
_MADE_UP = 0.3
#: In a hole no deeper than this, in pixels, there is nothing to continue.
_SHALLOW = 4.0
#: How far around a hole it is tried whether continuing tells what is there, in pixels.
_TRIAL_WIDTH = 9

FloatPlane = NDArray[np.float32]
Mask = NDArray[np.bool_]


def continued(here: Surroundings, hole: Mask) -> Surroundings:
    """Return a frame with what is around a hole continued into it, as far as that can be trusted.

    The same is done for a wider hole, of which the rim is known: what continuing and a smooth fill make of the rim says
    how to weigh the two.

    Args:
        here: with the hole filled smoothly, and sound everywhere else.
        hole: (h, w), in luma; in chroma, all that is covered.
    """
    if cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 3).max() <= _SHALLOW:
        return here
    trust = _trust(here.y.astype(np.float32), hole)
    if trust == 0:
        return here
    white = (1 << here.bit_depth) - 1
    chroma_hole = here.occlusion.chroma_mask
    y, u, v = (
        np.clip(_blended(plane.astype(np.float32), part, trust) + 0.5, 0, white).astype(plane.dtype)
        for plane, part in ((here.y, hole), (here.u, chroma_hole), (here.v, chroma_hole))
    )
    return replace(here, y=y, u=u, v=v)


def _trust(plane: FloatPlane, hole: Mask) -> float:
    """Return the share of continuing, 0-1, with which a mix of it and a smooth fill is nearest to the hole's rim."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _TRIAL_WIDTH + 1, 2 * _TRIAL_WIDTH + 1))
    wider = cv2.dilate(hole.astype(np.uint8), kernel).astype(bool)
    rim = wider & ~hole
    if wider.all() or not rim.any():
        return 0.0
    smooth = fill_smoothly(plane, wider)[rim]
    step = _extrapolated(plane, wider)[rim] - smooth
    energy = float(step @ step)
    return float(np.clip(step @ (plane[rim] - smooth) / energy, 0, 1)) if energy > 0 else 0.0


def _blended(plane: FloatPlane, hole: Mask, trust: float) -> FloatPlane:
    if not hole.any() or hole.all():
        return plane
    mixed = (1 - trust) * fill_smoothly(plane, hole) + trust * _extrapolated(plane, hole)
    return np.where(hole, mixed, plane).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class _Canvas:
    """A plane with room around it for neighbourhoods; ``weight`` is 1 where it is known, 0 where nothing is yet."""

    values: FloatPlane
    weight: FloatPlane


def _extrapolated(plane: FloatPlane, hole: Mask) -> FloatPlane:
    """Fill a hole by frequency selective extrapolation (Seiler and Kaup, IEEE Signal Processing Letters, 2010).

    Each block's neighbourhood is explained by few waves, the strongest first, fitted to what is known of it; they go on
    where nothing is known. Blocks at the rim come first, and lend to those further in.
    """
    height, width = plane.shape
    below, right = -height % _BLOCK, -width % _BLOCK
    margins = ((_REACH, _REACH + below), (_REACH, _REACH + right))
    known = np.pad((~hole).astype(np.float32), margins)
    canvas = _Canvas(np.pad(plane, margins, mode="edge"), known)
    rows, columns = (height + below) // _BLOCK, (width + right) // _BLOCK
    blocks = np.pad(hole, ((0, below), (0, right))).reshape(rows, _BLOCK, columns, _BLOCK)
    grid = np.asarray(blocks.any(axis=(1, 3)), dtype=bool)
    # Beyond the picture nothing is known: a block at its edge is no nearer to anything for it.
    depth = cv2.distanceTransform(grid.astype(np.uint8), cv2.DIST_C, 3).round()
    for layer in range(1, int(depth[grid].max()) + 1):
        _fill_blocks(canvas, np.argwhere(grid & (depth == layer)))
    return np.where(hole, canvas.values[_REACH : _REACH + height, _REACH : _REACH + width], plane)


def _fill_blocks(canvas: _Canvas, blocks: NDArray[np.intp]) -> None:
    """Fill what is not known of some blocks, (n, 2) rows and columns of the grid; they do not see each other."""
    if not len(blocks):
        return
    place = np.arange(_SIDE)
    rows = _BLOCK * blocks[:, 0, None, None] + place[:, None]
    columns = _BLOCK * blocks[:, 1, None, None] + place
    distance = np.hypot(*np.meshgrid(place - (_SIDE - 1) / 2, place - (_SIDE - 1) / 2))
    model = _model(canvas.values[rows, columns], canvas.weight[rows, columns] * _NEARNESS**distance)
    part = slice(_REACH - _OVERLAP, _REACH + _BLOCK + _OVERLAP)
    rise = np.minimum(np.arange(1, _BLOCK + 2 * _OVERLAP + 1), 2 * _OVERLAP) / (2 * _OVERLAP)
    ramp = np.outer(np.minimum(rise, rise[::-1]), np.minimum(rise, rise[::-1]))
    total, share = np.zeros_like(canvas.values), np.zeros_like(canvas.values)
    inner = rows[:, part], columns[:, :, part]
    np.add.at(total, inner, (model[:, part, part] * ramp).astype(np.float32))
    np.add.at(share, inner, np.broadcast_to(ramp, model[:, part, part].shape).astype(np.float32))
    own = np.zeros(canvas.values.shape, dtype=bool)
    block = slice(_REACH, _REACH + _BLOCK)
    own[rows[:, block], columns[:, :, block]] = True
    own &= canvas.weight == 0
    canvas.values[own] = total[own] / share[own]
    canvas.weight[own] = _MADE_UP


def _model(values: FloatPlane, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the waves that explain neighbourhoods (n, side, side), weighted, summed up over all of each."""
    number = np.arange(len(values))
    mean = (values * weights).sum(axis=(1, 2)) / np.maximum(weights.sum(axis=(1, 2)), 1e-9)
    left = np.fft.fft2((values - mean[:, None, None]) * weights)
    window = np.fft.fft2(weights)
    energy = np.maximum(window[:, 0, 0].real, 1e-9)
    frequency = np.minimum(np.arange(_SIDE), _SIDE - np.arange(_SIDE)) / _SIDE
    # Of two waves that explain as much, the longer one is the likelier.
    likely = np.square(1 - np.sqrt(2 * (np.square(frequency)[:, None] + np.square(frequency))))
    waves = np.zeros_like(left)
    place = np.arange(_SIDE)
    for _ in range(_WAVES):
        strongest = np.argmax((np.square(np.abs(left)) * likely).reshape(len(values), -1), axis=1)
        down, across = np.divmod(strongest, _SIDE)
        amplitude = _PACE * left[number, down, across] / energy
        # A real picture has each wave twice, once in either direction, unless the two are one.
        is_own_twin = (-down % _SIDE == down) & (-across % _SIDE == across)
        for sign, share in ((1, amplitude), (-1, np.where(is_own_twin, 0, amplitude.conj()))):
            at_row, at_column = sign * down % _SIDE, sign * across % _SIDE
            waves[number, at_row, at_column] += share
            shifted_rows = (place - at_row[:, None]) % _SIDE
            shifted_columns = (place - at_column[:, None]) % _SIDE
            shifted = window[number[:, None, None], shifted_rows[:, :, None], shifted_columns[:, None, :]]
            left -= share[:, None, None] * shifted
    return np.asarray(np.fft.ifft2(waves).real * _SIDE**2 + mean[:, None, None])
