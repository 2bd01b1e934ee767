"""Which pixels a caption covers: glyphs, outline, shadow and codec halo, from the caption's whole life."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.captions.band import Picture
from gpu_worker.captions.detector import TextDetector
from gpu_worker.video.halo import MIN_HALO, codec_halo
from gpu_worker.video.rect import Rect

#: Text of this height in pixels is what the detection network separates best from its background.
_COMFORTABLE_LINE_HEIGHT = 32
_TEXT_PROBABILITY = 0.3
#: Outlines and shadows are at most this share of the line's height wide.
_MAX_OUTLINE_SHARE = 0.12
#: Strokes fainter than this, in levels, are the codec's.
_MIN_HAT = 18
# A dark box or glow behind the letters, as shares of the line's height: how far it may reach, and what lies beyond it.
_MAX_SHADE_SHARE = 0.5
_BEYOND_SHARE = 0.4
#: A shade darkens every part of the line, the scene only some: parts looked at, and how many of them must agree.
_SHADE_PARTS = 8
_MIN_SHADE_AGREEMENT = 0.85
_MIN_SHADE_PARTS = 4
#: What must be missing of a part's light above black, and the levels without which nothing can be said.
_SHADE_DEPTH = 0.15
_MIN_SHADE_LEVELS = 4
_BLACK = 16
#: A picture that changes by more than this beside a line, in levels, does not tell what the line changed.
_MAX_CALM_LEVELS = 3.0
#: Of what a glow changes around a line it darkens this share, or brightens it.
_MIN_GLOW_AGREEMENT = 0.8
#: The weaker polarity belongs to the caption only this near to the stronger one, in pixels.
_BESIDE = 2


def median_picture(samples: tuple[Picture, ...]) -> Picture:
    """Return the median over time: a moving background blurs, a caption stays sharp."""
    if len(samples) == 1:
        return samples[0]

    def median(planes: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
        return np.asarray(np.median(np.stack(planes), axis=0), dtype=np.uint8)

    return Picture(
        median([sample.y for sample in samples]),
        median([sample.u for sample in samples]),
        median([sample.v for sample in samples]),
    )


@dataclass(frozen=True, slots=True, eq=False)
class LineMask:
    """What a line of text covers, (h, w), 0 or 255, and its ``ink``: the letters and what rings around them.

    ``reach`` is how many pixels from the letters the mask ends; ``glow`` how many a glow was seen to reach when it came
    or went, 0 where none was.
    """

    covered: NDArray[np.uint8]
    ink: NDArray[np.bool_]
    reach: int
    glow: int


def line_mask(
    median: Picture,
    line: Rect,
    detector: TextDetector,
    shorter_side: int,
    changes: Sequence[NDArray[np.int16]] = (),
) -> LineMask:
    """Return the mask of a line of text in the median of its life.

    Args:
        median: median over time of the line with some margin around it.
        line: where the line stands inside ``median``.
        detector: gives the probability of text, which keeps stray structures of the background out.
        shorter_side: of the frame in pixels; the codec's halo scales with it.
        changes: (h, w) each, by how much luma is higher with the line than without, where it came and where it went.
    """
    glyphs = _glyphs(median, line, detector)
    halo = codec_halo(shorter_side)
    distance = np.asarray(cv2.distanceTransform((~glyphs).astype(np.uint8), cv2.DIST_L2, 5), dtype=np.float32)
    reach = _outline_reach(median.y, distance, line.line_height) + halo
    glow = max((_changed_reach(change, distance, line, reach) for change in changes), default=0)
    shade = max(glow, _shade_reach(median.y, distance, line, reach))
    # A shade's edge is soft: what rings there is too faint to see.
    reach = max(reach, shade + MIN_HALO)
    covered = np.where(distance <= reach, 255, 0).astype(np.uint8)
    return LineMask(covered, distance <= halo, reach, glow + MIN_HALO if glow else 0)


def _glyphs(median: Picture, line: Rect, detector: TextDetector) -> NDArray[np.bool_]:
    """Return the pixels (h, w) of the glyphs' fill."""
    height, width = median.y.shape
    scale = float(np.clip(_COMFORTABLE_LINE_HEIGHT / line.line_height, 0.25, 2.0))
    probability = cv2.resize(detector.probability(median, scale), (width, height))
    inside = np.zeros((height, width), np.uint8)
    inside[line.y0 : line.y1, line.x0 : line.x1] = 1
    core = (probability > _TEXT_PROBABILITY) & inside.astype(bool)
    if not core.any():
        core = inside.astype(bool)
    size = max(5, round(0.45 * line.line_height) | 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    bright, dark = (
        np.asarray(cv2.morphologyEx(median.y, shape, kernel), dtype=np.uint8)
        for shape in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT)
    )
    # Dark outlines make bright text strong in both hats; the fill is the brighter of the two more often than not.
    is_bright = np.percentile(bright[core], 90) * 1.6 >= np.percentile(dark[core], 90)
    strong, weak = (_strong(hat, core) for hat in ((bright, dark) if is_bright else (dark, bright)))
    seeds = strong & core
    if seeds.sum() < 10:
        return np.asarray(core, dtype=bool)
    reach = max(5, round(0.3 * line.line_height) | 1)
    near = cv2.dilate((core | inside.astype(bool)).astype(np.uint8), np.ones((reach, reach), np.uint8)).astype(bool)
    fill = _alike(median, seeds, strong)
    # White letters with a dark shadow on a light ground: the shadow is the stronger half of the caption.
    beside = cv2.dilate(fill.astype(np.uint8), np.ones((2 * _BESIDE + 1,) * 2, np.uint8)).astype(bool)
    return np.asarray((fill | (weak & beside)) & near, dtype=bool)


def _strong(hat: NDArray[np.uint8], core: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return where a hat stands out from what it is among the text."""
    otsu, _ = cv2.threshold(np.ascontiguousarray(hat[core]).reshape(-1, 1), 0, 255, cv2.THRESH_OTSU)
    return np.asarray(hat > max(_MIN_HAT, otsu), dtype=bool)


def _alike(median: Picture, seeds: NDArray[np.bool_], strong: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return strong pixels and those next to a seed that have the glyphs' colour."""
    height, width = median.y.shape
    planes = [median.y, *(cv2.resize(plane, (width, height)) for plane in (median.u, median.v))]
    colours = np.stack(planes, axis=-1).astype(np.float32)
    ink = np.median(colours[seeds], axis=0)
    distance = np.abs(colours - ink).max(axis=-1)
    spread = max(25.0, 2.5 * float(np.median(distance[seeds])))
    beside = cv2.dilate(seeds.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    # Structures that are as strong but have another colour belong to the scene.
    return np.asarray(seeds | (strong & (distance < 2 * spread)) | (beside & (distance < spread)), dtype=bool)


def _outline_reach(luma: NDArray[np.uint8], distance: NDArray[np.float32], line_height: int) -> int:
    """Return how many pixels from the fill the outline or shadow ends: where luma has come back to the background's."""
    far = (distance > max(6, 0.3 * line_height)) & (distance < max(12, 0.6 * line_height))
    # The background differs from letter to letter: each pixel is compared with what lies beyond it.
    weight = far.astype(np.float32)
    side = 2 * line_height + 1
    background = cv2.blur(luma * weight, (side, side)) / np.maximum(cv2.blur(weight, (side, side)), 1e-6)
    excess = luma.astype(np.float32) - background
    profile = []
    for radius in range(1, max(6, round(0.25 * line_height))):
        ring = (distance > radius - 0.5) & (distance <= radius + 0.5)
        profile.append(float(np.median(excess[ring])) if ring.any() else 0.0)
    # What is left at the far end is the scene's own slope, not the caption's.
    plateau = float(np.median(profile[-3:]))
    profile = [abs(value - plateau) for value in profile]
    tolerance = max(8.0, 0.08 * max(profile))
    reach = 0
    for position, difference in enumerate(profile):
        if difference > tolerance:
            reach = position + 1
        elif position > reach + 1:
            break
    return max(1, min(reach, round(_MAX_OUTLINE_SHARE * line_height) + 1))


def _shade_reach(luma: NDArray[np.uint8], distance: NDArray[np.float32], line: Rect, start: int) -> int:
    """Return how many pixels from the fill a dark box or glow ends; 0 where there is none beyond ``start``.

    Each side of the line is looked at in parts along it: what is brighter beyond than near the letters in nearly all of
    them is darkened by the caption. Another line of text may spoil one side, so either will do.
    """
    longest = round(_MAX_SHADE_SHARE * line.line_height)
    if longest <= start:
        return 0
    beyond = (distance > longest) & (distance <= longest + max(4, _BEYOND_SHARE * line.line_height))
    along = 1 if line.width >= line.height else 0
    first = _first_side(luma.shape, line)
    begin, end = (line.x0, line.x1) if along else (line.y0, line.y1)
    part = (np.indices(luma.shape)[along] - begin) * _SHADE_PARTS // max(1, end - begin)
    reach = 0
    for side in (first, ~first):
        parts = [side & (part == number) for number in range(_SHADE_PARTS)]
        lit = [(area, _median(luma[area & beyond]) - _BLACK) for area in parts]
        lit = [(area, light) for area, light in lit if light * _SHADE_DEPTH > _MIN_SHADE_LEVELS / 2]
        if len(lit) < _MIN_SHADE_PARTS:
            continue
        for radius in range(start + 1, longest + 1):
            ring = (distance > radius - 1) & (distance <= radius)
            missing = [(light - (_median(luma[area & ring]) - _BLACK)) / light for area, light in lit]
            enough = [max(_SHADE_DEPTH, _MIN_SHADE_LEVELS / light) for _, light in lit]
            agreed = sum(share > least for share, least in zip(missing, enough, strict=True))
            if agreed < _MIN_SHADE_AGREEMENT * len(lit):
                break
            reach = max(reach, radius)
    return reach


def _changed_reach(change: NDArray[np.int16], distance: NDArray[np.float32], line: Rect, start: int) -> int:
    """Return how many pixels from the fill a glow ends, by what changed with it; 0 where nothing did from ``start``.

    A glow darkens all around a line, or brightens; the letters of the caption before or after do both.
    """
    longest = round(_MAX_SHADE_SHARE * line.line_height)
    beyond = np.abs(change[(distance > longest) & (distance <= longest + max(4, _BEYOND_SHARE * line.line_height))])
    least = float(np.median(beyond)) + _MIN_SHADE_LEVELS if beyond.size else np.inf
    reach = 0
    if least <= _MAX_CALM_LEVELS + _MIN_SHADE_LEVELS:
        for radius in range(start + 1, longest + 1):
            ring = change[(distance > radius - 1) & (distance <= radius)]
            darker, brighter = int((ring < -least).sum()), int((ring > least).sum())
            changed = darker + brighter
            if changed <= ring.size / 2 or max(darker, brighter) < _MIN_GLOW_AGREEMENT * changed:
                break
            reach = radius
    return reach


def _first_side(shape: tuple[int, ...], line: Rect) -> NDArray[np.bool_]:
    """Return the half (h, w) above a line, or left of one that runs from top to bottom."""
    along = 1 if line.width >= line.height else 0
    middle = (line.y0 + line.y1 if along else line.x0 + line.x1) / 2
    return np.asarray(np.indices(shape)[1 - along] < middle, dtype=bool)


def _median(values: NDArray[np.uint8]) -> float:
    """Return the median; black where there is nothing."""
    return float(np.median(values)) if values.size else float(_BLACK)
