"""How the picture moves between two neighbouring frames, under the captions too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.fill.hidden_motion import DOMINANT_FACTOR, DOMINANT_OFFSET, Flow, Shown, follow_what_is_seen
from gpu_worker.fill.spatial import fill_smoothly, normalised_blur
from gpu_worker.fill.windows import Occlusion, shrunk

#: A window whose every pixel moves less than this per frame stands still: less is the noise of the estimate.
_STILL_PIXELS = 0.04
#: Less than this share of seen flow nearby, and flow from further away is taken.
_MIN_NEAR_WEIGHT = 0.02
#: How far flow is looked for to go through a hole, and how far where that is not enough; width of a comparison. Pixels.
_NEAR_SIDE = 9
_FAR_SIDE = 31
_MISMATCH_SIDE = 11
#: The affine fit takes every eighth pixel of every eighth line.
_GRID_STEP = 8
_FIT_ROUNDS = 4
#: DIS stops at this level of its pyramid, counted from the full picture: a quarter of its side, or half.
_FINEST_LEVEL = 2
_FINEST_LEVEL_THOROUGH = 1
#: Rounds of DIS's last, variational smoothing in the faster preset: more change nothing that a fill would show.
_REFINEMENTS = 1


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One frame of a window's surroundings, ready for motion: what is covered there, and its luma with holes filled.

    ``luma`` (ceil(h / step), ceil(w / step)) is ``step`` times smaller than the surroundings.
    """

    luma: NDArray[np.uint8]
    occlusion: Occlusion
    step: int

    @staticmethod
    def of(luma: NDArray[np.uint8], occlusion: Occlusion, step: int) -> View:
        """Return the view of a full-size luma plane, its holes as they are."""
        if step == 1:
            return View(luma, occlusion, step)
        size = -(-luma.shape[1] // step), -(-luma.shape[0] // step)
        return View(cv2.resize(luma, size, interpolation=cv2.INTER_AREA).astype(np.uint8), occlusion, step)

    def without(self, hole: NDArray[np.bool_]) -> View:
        """Return the same frame with a hole (h, w), of the surroundings' size, filled from beside."""
        filled = fill_smoothly(self.luma.astype(np.float32), shrunk(hole, self.step))
        return View(np.clip(filled + 0.5, 0, 255).astype(np.uint8), self.occlusion, self.step)

    def shown(self) -> Shown:
        """Return what the frame itself shows."""
        return Shown.of(self.luma, shrunk(self.occlusion.mask, self.step))


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """A displacement that is affine in the position: rows of ``terms`` (3, 2) are constant, per column, per row."""

    terms: NDArray[np.float32]

    def at(self, columns: NDArray[np.float32], rows: NDArray[np.float32]) -> Flow:
        """Return the displacement (..., 2) at positions in pixels."""
        constant, per_column, per_row = self.terms
        displaced = constant + columns[..., None] * per_column + rows[..., None] * per_row
        return np.asarray(displaced, dtype=np.float32)

    def enlarged(self, step: int) -> Affine:
        """Return the same motion of a picture that is ``step`` times larger."""
        constant, per_column, per_row = self.terms
        return Affine(np.stack((constant * step, per_column, per_row)))

    def largest(self, height: int, width: int) -> float:
        """Return the largest displacement along either axis in a picture: it is in one of its corners."""
        columns = np.array((0, width - 1, 0, width - 1), np.float32)
        rows = np.array((0, 0, height - 1, height - 1), np.float32)
        return float(np.abs(self.at(columns, rows)).max())

    def over(self, height: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the displacement of every pixel: to the right and down, (height, width) each."""
        across = self.terms[0] + np.arange(width, dtype=np.float32)[:, None] * self.terms[1]
        down = np.arange(height, dtype=np.float32)[:, None] * self.terms[2]
        right, below = (across[:, axis] + down[:, axis, None] for axis in (0, 1))
        return right, below


@dataclass(frozen=True, slots=True, eq=False)
class PairMotion:
    """Displacements in pixels, x first: ``backward`` from the later frame to the earlier, ``forward`` back.

    Both are (ceil(h / step), ceil(w / step), 2), one for each block of ``step`` x ``step`` pixels; kept as float16, a
    fiftieth of a pixel for any motion that can be followed, because many pairs wait in memory. The window's dominant
    motion goes along, for pixels whose own motion cannot be told.
    """

    backward: NDArray[np.float16]
    forward: NDArray[np.float16]
    dominant_backward: Affine
    dominant_forward: Affine
    step: int


class MotionEstimator:
    """Dense optical flow (DIS, Kroeger et al., ECCV 2016) with the window's dominant affine motion as its rival.

    May be used by several threads at once.

    Args:
        thorough: work at full size with the slower preset of DIS, and choose motion under the masks by what both frames
            show; else at half size, where the faster preset ends its search anyway, and smoothly from beside.
        holes_are_seen: the luma inside the holes is a first result, so that flow there need not be made up.
    """

    def __init__(self, *, thorough: bool = False, holes_are_seen: bool = False) -> None:
        self.step = 1 if thorough else 2
        self._thorough = thorough
        self._holes_are_seen = holes_are_seen

    def estimate(self, earlier: View, later: View) -> PairMotion:
        """Return the motion between two neighbouring frames of one shot, from views of this estimator's step."""
        shown = (earlier.shown(), later.shown()) if self._thorough else None
        if not self._holes_are_seen and earlier.occlusion is not later.occlusion:
            # Where only one frame is filled from beside, flow would chase what the other really shows.
            unseen = earlier.occlusion.mask | later.occlusion.mask
            earlier, later = earlier.without(unseen), later.without(unseen)
        unseen = shrunk(earlier.occlusion.reach | later.occlusion.reach, self.step)
        backward, dominant_backward = self._between(later, earlier, unseen, None if shown is None else shown[::-1])
        forward, dominant_forward = self._between(earlier, later, unseen, shown)
        return PairMotion(backward, forward, dominant_backward, dominant_forward, self.step)

    def _between(
        self, start: View, end: View, unseen: NDArray[np.bool_], shown: tuple[Shown, Shown] | None
    ) -> tuple[NDArray[np.float16], Affine]:
        # A start of zeros would be another candidate on every level and hold back what moves: better none.
        flow = np.asarray(self._dis().calc(start.luma, end.luma, None), dtype=np.float32)  # type: ignore[call-overload]
        # Where either frame was filled from beside, the two do not show the same thing and their flow is made up.
        if not self._holes_are_seen and unseen.any():
            self._through_holes(flow, unseen)
        affine = self._dominant(flow, start.luma, unseen)
        if affine.largest(*start.luma.shape) * self.step < _STILL_PIXELS:
            affine = Affine(np.zeros((3, 2), np.float32))
        dominant = affine.over(*start.luma.shape)
        free = _planes_of(flow)
        free_error = self._mismatch(start.luma, end.luma, free)
        dominant_error = self._mismatch(start.luma, end.luma, dominant)
        better = dominant_error <= free_error * DOMINANT_FACTOR + DOMINANT_OFFSET
        if shown is not None and unseen.any():
            better &= ~follow_what_is_seen(flow, np.dstack(dominant), shown, unseen, self.step)
            free = _planes_of(flow)
        planes = [np.where(better, one, other) for one, other in zip(dominant, free, strict=True)]
        return (cv2.merge(planes) * np.float32(self.step)).astype(np.float16), affine.enlarged(self.step)

    def _dis(self) -> cv2.DISOpticalFlow:
        """Return a new flow: one holds buffers of the pair it works on, and costs next to nothing to make."""
        preset = cv2.DISOPTICAL_FLOW_PRESET_MEDIUM if self._thorough else cv2.DISOPTICAL_FLOW_PRESET_FAST
        dis = cv2.DISOpticalFlow.create(preset)
        dis.setFinestScale((_FINEST_LEVEL_THOROUGH if self._thorough else _FINEST_LEVEL) - self.step // 2)
        if not self._thorough:
            dis.setVariationalRefinementIterations(_REFINEMENTS)
        return dis

    def _mismatch(
        self, start: NDArray[np.uint8], end: NDArray[np.uint8], flow: Sequence[NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        height, width = start.shape
        x = flow[0] + np.arange(width, dtype=np.float32)
        y = flow[1] + np.arange(height, dtype=np.float32)[:, None]
        moved = cv2.remap(end, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        side = self._side(_MISMATCH_SIDE)
        return np.asarray(cv2.blur(cv2.absdiff(moved, start).astype(np.float32), (side, side)), dtype=np.float32)

    def _dominant(self, flow: Flow, luma: NDArray[np.uint8], unseen: NDArray[np.bool_]) -> Affine:
        """Fit one affine motion to the flow that was seen, by reweighted least squares (Geman-McClure weights)."""
        every = _GRID_STEP // self.step
        grid = (slice(every // 2, None, every), slice(every // 2, None, every))
        seen = ~unseen[grid]
        if seen.sum() < 32:
            return Affine(np.zeros((3, 2), np.float32))
        height, width = luma.shape
        row, column = np.nonzero(seen)
        x = (column * every + every // 2).astype(np.float32) / width - 0.5
        y = (row * every + every // 2).astype(np.float32) / height - 0.5
        design = np.stack((np.ones_like(x), x, y), axis=1)
        target = flow[grid][seen]
        # Flow means something only where there is texture.
        slope = np.abs(cv2.Sobel(luma, cv2.CV_16S, 1, 0)[grid]) + np.abs(cv2.Sobel(luma, cv2.CV_16S, 0, 1)[grid])
        texture = np.minimum(slope[seen] / np.float32(64), 1) + np.float32(1e-3)
        coefficients = np.zeros((3, 2), np.float32)
        coefficients[0] = np.median(target, axis=0)
        for _ in range(_FIT_ROUNDS):
            residual = np.square(target - design @ coefficients).sum(axis=1)
            weights = texture / np.square(1 + residual / (0.25 / self.step**2))
            weighted = design * weights[:, None]
            # A flat window leaves directions undetermined: the small ridge keeps them at zero.
            normal = weighted.T @ design + 1e-3 * np.eye(3, dtype=np.float32)
            coefficients = np.linalg.solve(normal, weighted.T @ target).astype(np.float32)
        constant = coefficients[0] - 0.5 * (coefficients[1] + coefficients[2])
        return Affine(np.stack((constant, coefficients[1] / width, coefficients[2] / height)).astype(np.float32))

    def _through_holes(self, flow: Flow, unseen: NDArray[np.bool_]) -> None:
        """Replace flow in and around the masks, in place, by what flows beside them."""
        rows, columns = (np.flatnonzero(unseen.any(axis=axis)) for axis in (1, 0))
        far = self._side(_FAR_SIDE)
        crop = tuple(slice(max(0, int(line[0]) - far), int(line[-1]) + 1 + far) for line in (rows, columns))
        inside, hole = flow[crop], unseen[crop]
        known = (~hole).astype(np.float32)
        near, near_weight = normalised_blur(inside, known, self._side(_NEAR_SIDE))
        lonely = hole & (near_weight < _MIN_NEAR_WEIGHT)
        if lonely.any():
            wide, _ = normalised_blur(inside, known, far)
            np.copyto(near, wide, where=lonely[..., None])
        np.copyto(inside, near, where=hole[..., None])

    def _side(self, pixels: int) -> int:
        """Return an odd side of a box filter that is ``pixels`` of the surroundings wide."""
        return pixels // self.step // 2 * 2 + 1


def _planes_of(flow: Flow) -> list[NDArray[np.float32]]:
    """Return how far a flow goes to the right, and down: numbers side by side are handled several times as fast."""
    return [np.ascontiguousarray(flow[..., axis]) for axis in (0, 1)]
