"""Masks of marks as shapes: grown, closed, without holes or specks; and planes carried on into what a mask covers."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

#: Specks of fewer pixels are chance.
MIN_SPECK = 8
#: What a mask covers is told by Gaussian neighbourhoods of this standard deviation, in pixels; where that reaches less
#: than this, by one so many times as wide, and so on. From some width on the picture is made smaller instead.
_NEAREST_SIGMA, _REACHED, _SIGMA_GROWTH, _LARGEST_SIGMA = 2.0, 0.05, 1.7, 3.4

_Mask = NDArray[np.bool_]


def filled_in(plane: NDArray[np.float32], mask: _Mask) -> NDArray[np.float32]:
    """Return a plane with what ``mask`` covers carried on smoothly from around it: by normalised convolution.

    What is further away is taken from a larger neighbourhood, of a picture that is as much smaller; what nothing
    reaches stays as it is.
    """
    left, weight = np.where(mask, np.float32(0), plane), (~mask).astype(np.float32)
    filled, missing = plane.copy(), mask.copy()
    height, width = plane.shape
    step, sigma = 1, _NEAREST_SIGMA
    while missing.any() and step * sigma < max(plane.shape):
        near, level = cv2.GaussianBlur(weight, (0, 0), sigma), cv2.GaussianBlur(left, (0, 0), sigma)
        if step > 1:
            near, level = (
                cv2.resize(each, (step * each.shape[1], step * each.shape[0]), interpolation=cv2.INTER_LINEAR)
                for each in (near, level)
            )
        near, level = near[:height, :width], level[:height, :width]
        reached = missing & (near > _REACHED)
        filled[reached] = level[reached] / near[reached]
        missing &= ~reached
        if sigma < _LARGEST_SIGMA:
            sigma *= _SIGMA_GROWTH
            continue
        step *= 2
        sigma = _LARGEST_SIGMA / 2 * _SIGMA_GROWTH
        left, weight = (_halved(each) for each in (left, weight))
    return filled


def _halved(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a plane at half its size; what is missing at an odd edge has no weight."""
    even = np.pad(plane, ((0, plane.shape[0] % 2), (0, plane.shape[1] % 2)))
    size = (even.shape[1] // 2, even.shape[0] // 2)
    return np.asarray(cv2.resize(even, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def without_holes(mask: _Mask) -> _Mask:
    """Return a mask (h, w) with what it encloses."""
    count, labels, _, _ = cv2.connectedComponentsWithStats((~mask).astype(np.uint8), connectivity=4)
    outside = np.unique(np.concatenate((labels[0], labels[-1], labels[:, 0], labels[:, -1])))
    inner = np.setdiff1d(np.arange(1, count), outside)
    return mask | np.isin(labels, inner)


def hulls(mask: _Mask) -> _Mask:
    """Return the convex hull of each connected part of a mask (h, w)."""
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hulls = np.zeros(mask.shape, np.uint8)
    for outline in outlines:
        cv2.fillConvexPoly(hulls, cv2.convexHull(outline), 1)
    return hulls.astype(bool)


def reached_from(seeds: _Mask, mask: _Mask) -> _Mask:
    """Return the connected parts of a mask (h, w) that hold a seed."""
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    reached = np.unique(labels[seeds])
    return np.isin(labels, reached[reached > 0])


def without_specks(mask: _Mask, least: float = MIN_SPECK) -> _Mask:
    """Return the connected parts of a mask (h, w) that have at least so many pixels."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    large = np.flatnonzero(stats[:count, cv2.CC_STAT_AREA] >= least)
    return np.isin(labels, large[large > 0])


def closed(edges: _Mask) -> _Mask:
    """Return a mask (h, w) with its narrow gaps filled."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    return cv2.morphologyEx(edges.astype(np.uint8), cv2.MORPH_CLOSE, kernel).astype(bool)


def grown(mask: _Mask, pixels: int) -> _Mask:
    """Return a mask (h, w) grown by some pixels all around."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1, 2 * pixels + 1))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), kernel), dtype=bool)
