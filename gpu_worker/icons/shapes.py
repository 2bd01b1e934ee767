"""Masks of marks as shapes: grown, closed, without holes or specks; and planes carried on into what a mask covers."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

#: Specks of fewer pixels are chance.
MIN_SPECK = 8

_Mask = NDArray[np.bool_]


def filled_in(plane: NDArray[np.float32], mask: _Mask) -> NDArray[np.float32]:
    """Return a plane with what ``mask`` covers carried on smoothly from around it: by normalised convolution."""
    left = np.where(mask, np.float32(0), plane)
    weight = (~mask).astype(np.float32)
    filled = plane.copy()
    missing = mask.copy()
    sigma = 2.0
    while missing.any() and sigma < max(plane.shape):
        near = cv2.GaussianBlur(weight, (0, 0), sigma)
        reached = missing & (near > 0.05)
        filled[reached] = cv2.GaussianBlur(left, (0, 0), sigma)[reached] / near[reached]
        missing &= ~reached
        sigma *= 1.7
    return filled


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
