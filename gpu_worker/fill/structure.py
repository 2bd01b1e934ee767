"""Making up a large hole once, from what lies around it: lines and textures are continued into it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from gpu_worker.fill.chunk import Filled, Surroundings
from gpu_worker.fill.spatial import fill_smoothly
from gpu_worker.fill.windows import Occlusion

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
#: In a hole deeper than this a network sees too little of the rim from the middle.
_VERY_DEEP = 24.0
#: How far around a hole it is tried whether continuing tells what is there, in pixels.
_TRIAL_WIDTH = 9
#: Shares of the ways to fill a hole are told to so fine a part.
_MIX_STEPS = 50

FloatPlane = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Continued:
    """A frame with what is around a hole continued into it; ``painted`` tells whether a network had a part in that."""

    surroundings: Surroundings
    painted: bool


def continued(here: Surroundings, hole: Mask, paint: Callable[[Filled], Filled] | None = None) -> Continued:
    """Return a frame with what is around a hole continued into it, as far as that can be trusted.

    The same is done for a wider hole, of which the rim is known: what each way makes of the rim says how to weigh them.

    Args:
        here: with the hole filled smoothly, and sound everywhere else.
        hole: (h, w), in luma; in chroma, all that is covered.
        paint: another way to fill holes, which is tried as well.
    """
    depth = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 3).max()
    continuing = [_extrapolate] if depth > _SHALLOW else []
    painting = [] if paint is None else [_with(paint)]
    if painting and depth > _VERY_DEEP:
        painting.append(_at_half_the_side(painting[0]))
    ways = continuing + painting
    shares = _shares(here, hole, ways)
    if not any(shares):
        return Continued(here, painted=False)
    holes = (hole, here.occlusion.chroma_mask, here.occlusion.chroma_mask)
    mixed = [(1 - sum(shares)) * plane for plane in _smooth(here, holes)]
    for way, share in zip(ways, shares, strict=True):
        if share:
            mixed = [total + share * plane for total, plane in zip(mixed, way(here, holes, hole), strict=True)]
    planes = _in_levels(
        here, [np.where(hole, new, old) for new, old, hole in zip(mixed, here.planes, holes, strict=True)]
    )
    return Continued(planes, painted=any(shares[len(continuing) :]))


def _in_levels(here: Surroundings, planes: Sequence[FloatPlane]) -> Surroundings:
    """Return a frame with other planes, rounded."""
    white = (1 << here.bit_depth) - 1
    y, u, v = (np.clip(plane + 0.5, 0, white).astype(here.y.dtype) for plane in planes)
    return replace(here, y=y, u=u, v=v)


_Holes = tuple[Mask, Mask, Mask]
#: Takes a frame, its holes, and those luma pixels (h, w) that are asked for: others may be left as they are.
_Way = Callable[[Surroundings, _Holes, Mask], list[FloatPlane]]


def _smooth(here: Surroundings, holes: _Holes) -> list[FloatPlane]:
    return [fill_smoothly(plane.astype(np.float32), hole) for plane, hole in zip(here.planes, holes, strict=True)]


def _extrapolate(here: Surroundings, holes: _Holes, asked: Mask) -> list[FloatPlane]:
    of_planes = (asked, holes[1], holes[2])
    return [
        _extrapolated(plane.astype(np.float32), hole, asked)
        if hole.any() and not hole.all()
        else plane.astype(np.float32)
        for plane, hole, asked in zip(here.planes, holes, of_planes, strict=True)
    ]


def _with(paint: Callable[[Filled], Filled]) -> _Way:
    """Return the way of a network: it is given the hole filled smoothly, and told that nothing is known of it."""

    def way(here: Surroundings, holes: _Holes, _asked: Mask) -> list[FloatPlane]:
        occlusion = Occlusion(holes[0])
        unknown = np.zeros(occlusion.indices.size, np.float32)
        smooth = replace(_in_levels(here, _smooth(here, holes)), occlusion=occlusion, shine=None)
        filled = Filled(smooth, ~holes[0], unknown)
        return [plane.astype(np.float32) for plane in paint(filled).surroundings.planes]

    return way


def _at_half_the_side(way: _Way) -> _Way:
    """Return a way that sees a smaller picture: there, the middle of a large hole is near its rim."""

    def coarsely(here: Surroundings, holes: _Holes, _asked: Mask) -> list[FloatPlane]:
        smooth = _smooth(here, holes)
        height, width = (side // 4 * 2 for side in here.y.shape)
        sizes = ((width, height), (width // 2, height // 2), (width // 2, height // 2))
        small = [
            np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
            for plane, size in zip(smooth, sizes, strict=True)
        ]
        y, u, v = (
            cv2.resize(hole.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
            for hole, size in zip(holes, sizes, strict=True)
        )
        painted = way(_in_levels(replace(here, occlusion=Occlusion(y)), small), (y, u, v), y)
        # What is sharp around the hole stays: only what was changed in it is made larger again.
        return [
            plane + np.asarray(cv2.resize(new - old, plane.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
            for plane, new, old in zip(smooth, painted, small, strict=True)
        ]

    return coarsely


def _shares(here: Surroundings, hole: Mask, ways: Sequence[_Way]) -> tuple[float, ...]:
    """Return the share of each way, 0-1, with which a mix of them and a smooth fill is nearest to the hole's rim."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _TRIAL_WIDTH + 1, 2 * _TRIAL_WIDTH + 1))
    wider = cv2.dilate(hole.astype(np.uint8), kernel).astype(bool)
    rim = wider & ~hole
    nothing = (0.0,) * len(ways)
    if not ways or wider.all() or not rim.any():
        return nothing
    # Of chroma nothing is asked here: its holes are left empty, which costs nothing.
    holes = (wider, np.zeros_like(here.occlusion.chroma_mask), np.zeros_like(here.occlusion.chroma_mask))
    smooth = _smooth(here, holes)[0][rim]
    steps = np.stack([way(here, holes, rim)[0][rim] - smooth for way in ways]).astype(np.float64)
    energies, gains = steps @ steps.T, steps @ (here.y[rim] - smooth)
    # The best mix is looked for among all in steps of a fiftieth: they are few, and no share may be negative.
    mixes = [mix for mix in product(range(_MIX_STEPS + 1), repeat=len(ways)) if sum(mix) <= _MIX_STEPS]
    candidates = np.array(mixes) / _MIX_STEPS
    errors = np.einsum("ni,ij,nj->n", candidates, energies, candidates) - 2 * candidates @ gains
    return tuple(float(share) for share in candidates[int(np.argmin(errors))])


@dataclass(frozen=True, slots=True, eq=False)
class _Canvas:
    """A plane with room around it for neighbourhoods; ``weight`` is 1 where it is known, 0 where nothing is yet."""

    values: FloatPlane
    weight: FloatPlane


def _extrapolated(plane: FloatPlane, hole: Mask, asked: Mask) -> FloatPlane:
    """Fill a hole by frequency selective extrapolation (Seiler and Kaup, IEEE Signal Processing Letters, 2010).

    Each block's neighbourhood is explained by few waves, the strongest first, fitted to what is known of it; they go on
    where nothing is known. Blocks at the rim come first, and lend to those further in; what lies further in than all
    that is ``asked`` for is left as it is.
    """
    height, width = plane.shape
    below, right = -height % _BLOCK, -width % _BLOCK
    margins = ((_REACH, _REACH + below), (_REACH, _REACH + right))
    known = np.pad((~hole).astype(np.float32), margins)
    canvas = _Canvas(np.pad(plane, margins, mode="edge"), known)
    rows, columns = (height + below) // _BLOCK, (width + right) // _BLOCK
    grid, of_interest = (
        np.asarray(np.pad(mask, ((0, below), (0, right))).reshape(rows, _BLOCK, columns, _BLOCK).any(axis=(1, 3)))
        for mask in (hole, hole & asked)
    )
    # Beyond the picture nothing is known: a block at its edge is no nearer to anything for it.
    depth = cv2.distanceTransform(grid.astype(np.uint8), cv2.DIST_C, 3).round()
    for layer in range(1, int(depth[of_interest].max(initial=0)) + 1):
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


def _model(values: FloatPlane, weights: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the waves that explain neighbourhoods (n, side, side), weighted, summed up over all of each.

    Of each spectrum only the half is kept that a real picture's consists of.
    """
    number, half = np.arange(len(values)), _SIDE // 2 + 1
    mean = (values * weights).sum(axis=(1, 2)) / np.maximum(weights.sum(axis=(1, 2)), 1e-9)
    left = np.fft.rfft2((values - mean[:, None, None]) * weights).astype(np.complex64)
    window = np.fft.fft2(weights).astype(np.complex64)
    energy = np.maximum(window[:, 0, 0].real, 1e-9)
    # A spectrum moved by any wave is a part of the same laid out twice, either way.
    moved = sliding_window_view(np.tile(window, (1, 2, 2)), (_SIDE, half), axis=(1, 2))
    frequency = np.minimum(np.arange(_SIDE), _SIDE - np.arange(_SIDE)) / _SIDE
    # Of two waves that explain as much, the longer one is the likelier.
    likely = np.square(1 - np.sqrt(2 * (np.square(frequency)[:, None] + np.square(frequency[:half]))))
    likely = likely.astype(np.float32)
    waves = np.zeros_like(left)
    for _ in range(_WAVES):
        power = (np.square(left.real) + np.square(left.imag)) * likely
        down, across = np.divmod(np.argmax(power.reshape(len(values), -1), axis=1), half)
        amplitude = (_PACE * left[number, down, across] / energy).astype(np.complex64)
        # A real picture has each wave twice, once in either direction, unless the two are one.
        is_own_twin = (-down % _SIDE == down) & (-across % _SIDE == across)
        for sign, share in ((1, amplitude), (-1, np.where(is_own_twin, 0, amplitude.conj()))):
            at_row, at_column = sign * down % _SIDE, sign * across % _SIDE
            in_half = at_column < half
            waves[number[in_half], at_row[in_half], at_column[in_half]] += share[in_half]
            left -= share[:, None, None] * moved[number, _SIDE - at_row, _SIDE - at_column]
    return np.asarray(np.fft.irfft2(waves, (_SIDE, _SIDE)) * _SIDE**2 + mean[:, None, None], dtype=np.float32)
