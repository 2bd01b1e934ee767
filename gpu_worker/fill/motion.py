"""How the picture moves between two neighbouring frames, under the captions too."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.fill.spatial import fill_smoothly, normalised_blur
from gpu_worker.fill.windows import Occlusion

#: A window whose every pixel moves less than this per frame stands still: less is the noise of the estimate.
_STILL_PIXELS = 0.04
#: The dominant motion is preferred where it explains the picture about as well as the free one.
_DOMINANT_FACTOR = 1.15
_DOMINANT_OFFSET = 1.0
#: Less than this share of seen flow nearby, and flow from further away is taken.
_MIN_NEAR_WEIGHT = 0.02
_GRID_STEP = 4
_FIT_ROUNDS = 4

Flow = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One frame of a window's surroundings, ready for motion: luma (h, w) with its holes filled, and the holes."""

    luma: NDArray[np.uint8]
    occlusion: Occlusion

    def without(self, hole: NDArray[np.bool_]) -> View:
        """Return the same frame with another hole filled from beside."""
        filled = fill_smoothly(self.luma.astype(np.float32), hole)
        return View(np.clip(filled + 0.5, 0, 255).astype(np.uint8), self.occlusion)


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """A displacement that is affine in the position: rows of ``terms`` (3, 2) are constant, per column, per row."""

    terms: NDArray[np.float32]

    def at(self, columns: NDArray[np.float32], rows: NDArray[np.float32]) -> Flow:
        """Return the displacement (..., 2) at positions in pixels."""
        constant, per_column, per_row = self.terms
        displaced = constant + columns[..., None] * per_column + rows[..., None] * per_row
        return np.asarray(displaced, dtype=np.float32)

    def over(self, height: int, width: int) -> Flow:
        """Return the displacement (height, width, 2) of every pixel."""
        across = self.terms[0] + np.arange(width, dtype=np.float32)[:, None] * self.terms[1]
        down = np.arange(height, dtype=np.float32)[:, None] * self.terms[2]
        return np.asarray(across[None] + down[:, None], dtype=np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class PairMotion:
    """Displacements (h, w, 2) in pixels, x first: ``backward`` from the later frame to the earlier, ``forward`` back.

    Kept as float16, a fiftieth of a pixel for any motion that can be followed, because many pairs wait in memory.
    The window's dominant motion goes along, for pixels whose own motion cannot be told.
    """

    backward: NDArray[np.float16]
    forward: NDArray[np.float16]
    dominant_backward: Affine
    dominant_forward: Affine


class MotionEstimator:
    """Dense optical flow (DIS, Kroeger et al., ECCV 2016) with the window's dominant affine motion as its rival.

    Args:
        height: of the surroundings in pixels.
        width: of the surroundings in pixels.
        thorough: take the slower preset of DIS.
        holes_are_seen: the luma inside the holes is a first result, so that flow there need not be made up.
    """

    def __init__(self, height: int, width: int, *, thorough: bool = False, holes_are_seen: bool = False) -> None:
        preset = cv2.DISOPTICAL_FLOW_PRESET_MEDIUM if thorough else cv2.DISOPTICAL_FLOW_PRESET_FAST
        self._dis = cv2.DISOpticalFlow.create(preset)
        self._holes_are_seen = holes_are_seen
        columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        self._columns, self._rows = columns, rows

    def estimate(self, earlier: View, later: View) -> PairMotion:
        """Return the motion between two neighbouring frames of one shot."""
        if not self._holes_are_seen and earlier.occlusion is not later.occlusion:
            # Where only one frame is filled from beside, flow would chase what the other really shows.
            unseen = earlier.occlusion.mask | later.occlusion.mask
            earlier, later = earlier.without(unseen), later.without(unseen)
        backward, dominant_backward = self._between(later, earlier)
        forward, dominant_forward = self._between(earlier, later)
        return PairMotion(backward.astype(np.float16), forward.astype(np.float16), dominant_backward, dominant_forward)

    def _between(self, start: View, end: View) -> tuple[Flow, Affine]:
        start_at = np.zeros((*start.luma.shape, 2), np.float32)
        flow = np.asarray(self._dis.calc(start.luma, end.luma, start_at), dtype=np.float32)
        unseen = start.occlusion.reach | end.occlusion.reach
        # Where either frame was filled from beside, the two do not show the same thing and their flow is made up.
        if not self._holes_are_seen and unseen.any():
            flow = _through_holes(flow, unseen)
        affine = self._dominant(flow, start.luma, unseen)
        dominant = affine.over(*start.luma.shape)
        if np.abs(dominant).max() < _STILL_PIXELS:
            affine = Affine(np.zeros((3, 2), np.float32))
            dominant[:] = 0
        free_error = self._mismatch(start.luma, end.luma, flow)
        dominant_error = self._mismatch(start.luma, end.luma, dominant)
        better = dominant_error <= free_error * _DOMINANT_FACTOR + _DOMINANT_OFFSET
        return np.where(better[..., None], dominant, flow), affine

    def _mismatch(self, start: NDArray[np.uint8], end: NDArray[np.uint8], flow: Flow) -> NDArray[np.float32]:
        moved = cv2.remap(
            end,
            self._columns + flow[..., 0],
            self._rows + flow[..., 1],
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return np.asarray(cv2.blur(cv2.absdiff(moved, start).astype(np.float32), (11, 11)), dtype=np.float32)

    def _dominant(self, flow: Flow, luma: NDArray[np.uint8], unseen: NDArray[np.bool_]) -> Affine:
        """Fit one affine motion to the flow that was seen, by reweighted least squares (Geman-McClure weights)."""
        grid = (slice(_GRID_STEP // 2, None, _GRID_STEP), slice(_GRID_STEP // 2, None, _GRID_STEP))
        seen = ~unseen[grid]
        if seen.sum() < 32:
            return Affine(np.zeros((3, 2), np.float32))
        height, width = luma.shape
        x = self._columns[grid][seen] / width - 0.5
        y = self._rows[grid][seen] / height - 0.5
        design = np.stack((np.ones_like(x), x, y), axis=1)
        target = flow[grid][seen]
        # Flow means something only where there is texture.
        slope = np.abs(cv2.Sobel(luma, cv2.CV_32F, 1, 0)) + np.abs(cv2.Sobel(luma, cv2.CV_32F, 0, 1))
        texture = np.minimum(slope[grid][seen] / 64, 1) + 1e-3
        coefficients = np.zeros((3, 2), np.float32)
        coefficients[0] = np.median(target, axis=0)
        for _ in range(_FIT_ROUNDS):
            residual = np.square(target - design @ coefficients).sum(axis=1)
            weights = texture / np.square(1 + residual / 0.25)
            weighted = design * weights[:, None]
            # A flat window leaves directions undetermined: the small ridge keeps them at zero.
            normal = weighted.T @ design + 1e-3 * np.eye(3, dtype=np.float32)
            coefficients = np.linalg.solve(normal, weighted.T @ target).astype(np.float32)
        constant = coefficients[0] - 0.5 * (coefficients[1] + coefficients[2])
        return Affine(np.stack((constant, coefficients[1] / width, coefficients[2] / height)).astype(np.float32))


def _through_holes(flow: Flow, unseen: NDArray[np.bool_]) -> Flow:
    """Replace flow in and around the masks by what flows beside them."""
    known = (~unseen).astype(np.float32)
    near, near_weight = normalised_blur(flow, known, 9)
    lonely = near_weight < _MIN_NEAR_WEIGHT
    if lonely.any():
        wide, _ = normalised_blur(flow, known, 31)
        near = np.where(lonely[..., None], wide, near)
    return np.where(unseen[..., None], near, flow)
