"""Compares what is seen with the library: a mark has the directions of its edges in any colour and at any opacity.

An edge counts by its direction without its sign: whether a mark is lighter or darker than what is behind changes from
picture to picture. The angle is doubled, so that opposite directions are one (Bigün & Granlund, ICCV 1987).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.icons.library import LibraryEntry
from gpu_worker.icons.sample import gradients_of
from gpu_worker.video.rect import Rect

#: Heights in which a mark is looked for, as shares of the picture's, and by how much one is larger than the one before.
_LEAST_HEIGHT, _MOST_HEIGHT = 0.035, 0.2
_STEP = 1.07
#: A silhouette has fewer lines, which match over a wider range.
_SILHOUETTE_STEP = 1.12
_MOST_SILHOUETTE_HEIGHT = 0.14
_MAX_WIDTH = 0.35
#: An edge of so many levels per pixel counts by half; a strong one is no better than a clear one.
_HALF_LEVELS = 4.0
#: How far a corner in which marks are looked for reaches: shares of the picture's width and height.
_CORNER = (0.4, 0.33)
#: The first search is in a picture of this share of the size; what is this much like a mark there is looked at closely,
#: in sizes and places around.
_COARSE = 0.66
_ROUGHLY = 0.4
_FINE_SHARES = (0.9, 0.93, 0.96, 0.98, 1.0, 1.02, 1.04, 1.07, 1.1)
_FINE_PIXELS = 8
#: A mark is one if it is this much like it: few edges are soon alike by chance, and those of a silhouette are plain.
_SURE, _SURE_PER_ROOT = 0.56, 3.0
_SURER_IF_SILHOUETTE = 0.05
#: Squared length from which a direction is an edge's, and the mean of it below which there is nothing to compare.
_EDGE, _EMPTY = 0.1, 0.05
#: Longest side of the pictures from which marks are drawn in small.
_DRAWN_SIDE = 192
#: Room around a mark for its outline.
_PADDING = 2
#: Pixels across from which a mark can be told at all.
_MIN_PIXELS = 8

Directions = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """Where an entry is seen, in pixels of the picture that was looked at, and how like it is, 0-1."""

    entry: LibraryEntry
    rect: Rect
    likeness: float


def directions_of(gradients: NDArray[np.float32]) -> Directions:
    """Return the directions (h, w, 2) of luma's gradients (2, h, w): a unit vector of the doubled angle where clear."""
    right, down = gradients[0], gradients[1]
    squares = right * right + down * down
    strength = np.sqrt(squares)
    weight = strength / (strength + np.float32(_HALF_LEVELS)) / np.maximum(squares, np.float32(1e-6))
    return np.ascontiguousarray(np.dstack(((right * right - down * down) * weight, 2 * right * down * weight)))


@lru_cache(maxsize=2048)
def drawn_directions(entry: LibraryEntry, width: int, height: int) -> Directions:
    """Return the directions (height, width, 2) of an entry's edges at a size: those within it, and its outline."""
    small = cv2.resize(_premultiplied(entry), (width, height), interpolation=cv2.INTER_AREA)
    padded = cv2.copyMakeBorder(small, _PADDING, _PADDING, _PADDING, _PADDING, cv2.BORDER_CONSTANT, value=(0, 0, 0, 0))
    luma = padded[..., :3] @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    outline = gradients_of([np.asarray(padded[..., 3], dtype=np.float32)])
    # Over mid-grey the edges within show, be they light or dark; the outline does in any case.
    within = gradients_of([np.asarray(luma + np.float32(0.5) * (255 - padded[..., 3]), dtype=np.float32)])
    stronger = np.einsum("phw,phw->hw", outline, outline) > np.einsum("phw,phw->hw", within, within)
    return directions_of(np.where(stronger, outline, within))


@lru_cache(maxsize=1024)
def _premultiplied(entry: LibraryEntry) -> NDArray[np.float32]:
    """Return an entry's colours times its alpha, and that (h, w, 4), 0-255; no larger than marks are looked for."""
    picture = entry.picture.astype(np.float32)
    alpha = picture[..., 3:] / 255
    layers = np.concatenate((picture[..., :3] * alpha, 255 * alpha), axis=2)
    high, wide = layers.shape[:2]
    share = min(1.0, _DRAWN_SIDE / max(high, wide))
    size = (max(1, round(share * wide)), max(1, round(share * high)))
    return np.asarray(cv2.resize(layers, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def best_match(
    directions: Directions, entry: LibraryEntry, windows: Sequence[Rect], heights: Sequence[int]
) -> Match | None:
    """Return where a picture looks most like an entry; None where that does not fit in.

    Args:
        directions: (h, w, 2) of the picture.
        entry: of the library.
        windows: where to look.
        heights: of the mark, in pixels of the picture.
    """
    best: Match | None = None
    seen = [(window, directions[window.slices], _squares(directions[window.slices])) for window in windows]
    for height in heights:
        width = width_at(entry, height)
        if min(height, width) < _MIN_PIXELS:
            continue
        mark = drawn_directions(entry, width, height)
        for window, inside, squares in seen:
            if window.width < mark.shape[1] or window.height < mark.shape[0]:
                continue
            likeness = _likeness_map(inside, squares, mark)
            _, value, _, (x, y) = cv2.minMaxLoc(likeness)
            if best is None or value > best.likeness:
                left, top = window.x0 + x + _PADDING, window.y0 + y + _PADDING
                best = Match(entry, Rect(left, top, left + width, top + height), float(value))
    return best


def _squares(directions: Directions) -> NDArray[np.float32]:
    """Return the squared lengths (h, w) of directions: how much of an edge is there."""
    return np.asarray(np.einsum("hwc,hwc->hw", directions, directions), dtype=np.float32)


def _likeness_map(directions: Directions, squares: NDArray[np.float32], mark: Directions) -> NDArray[np.float32]:
    """Return how like a mark every place is (h, w), 0-1, by the pixels of the mark's edges: others may be anything."""
    common = cv2.matchTemplate(directions, mark, cv2.TM_CCORR)
    edges = _squares(mark)
    support = (edges >= _EDGE).astype(np.float32)
    there = cv2.matchTemplate(squares, support, cv2.TM_CCORR)
    # Where there is nothing, likeness is none either.
    there = np.maximum(there, _EMPTY * float(support.sum()))
    return np.asarray(common / np.sqrt(there * max(1e-6, float(edges.sum()))), dtype=np.float32)


def width_at(entry: LibraryEntry, height: int) -> int:
    """Return the width of an entry that is ``height`` high, in pixels."""
    tall, wide = entry.picture.shape[:2]
    return max(1, int(0.5 + height * wide / tall))


def seen_in(gradients: NDArray[np.float32], entries: Sequence[LibraryEntry], areas: Sequence[Rect] = ()) -> list[Match]:
    """Return the entries that are seen in a picture, surest first.

    Args:
        gradients: (2, h, w) of luma, right and down, in levels per pixel.
        entries: of the library.
        areas: where to look; empty for the corners.
    """
    _, height, width = gradients.shape
    size = (round(_COARSE * width), round(_COARSE * height))
    coarse = directions_of(np.stack([cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in gradients]))
    fine = directions_of(gradients)
    bounds = Rect(0, 0, width, height)
    windows = tuple(_resized(area, _COARSE) for area in areas) or _corners_of(*size)
    seen = []
    for entry in entries:
        for window in windows:
            roughly = best_match(coarse, entry, (window,), _heights_in(entry, *size))
            if roughly is None or roughly.likeness < _ROUGHLY:
                continue
            around, high = _resized(roughly.rect, 1 / _COARSE), roughly.rect.height / _COARSE
            heights = sorted({round(share * high) for share in _FINE_SHARES})
            match = best_match(fine, entry, (around.grow(_FINE_PIXELS, bounds),), heights)
            if match is not None and match.likeness >= sure_likeness(match):
                seen.append(match)
    apart: list[Match] = []
    for match in sorted(seen, key=lambda match: -match.likeness):
        if not any(match.rect.meet(other.rect).area > 0 for other in apart):
            apart.append(match)
    return apart


def sure_likeness(match: Match) -> float:
    """Return how like an entry a picture must be for the match to be no chance, 0-1."""
    edges = (drawn_directions(match.entry, match.rect.width, match.rect.height) ** 2).sum(axis=2) >= _EDGE
    by_chance = _SURE_PER_ROOT / float(np.sqrt(max(1, edges.sum())))
    return min(0.95, _SURE + by_chance + _SURER_IF_SILHOUETTE * match.entry.is_silhouette)


def _resized(rect: Rect, share: float) -> Rect:
    x0, y0, x1, y1 = (round(value * share) for value in (rect.x0, rect.y0, rect.x1, rect.y1))
    return Rect(x0, y0, x1, y1)


def _heights_in(entry: LibraryEntry, width: int, height: int) -> list[int]:
    """Return the heights in which an entry is looked for in a picture: wide ones are lower."""
    heights = []
    step = _SILHOUETTE_STEP if entry.is_silhouette else _STEP
    tall = max(_MIN_PIXELS, _LEAST_HEIGHT * height)
    most = _MOST_SILHOUETTE_HEIGHT if entry.is_silhouette else _MOST_HEIGHT
    while tall <= most * height and width_at(entry, round(tall)) <= _MAX_WIDTH * width:
        heights.append(round(tall))
        tall *= step
    return sorted(set(heights))


def _corners_of(width: int, height: int) -> tuple[Rect, ...]:
    across, down = round(_CORNER[0] * width), round(_CORNER[1] * height)
    return tuple(Rect(x, y, x + across, y + down) for x in (0, width - across) for y in (0, height - down))
