"""One look of a mark, to the pixel: what it covers, how much shines through it, and whether it is laid over at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.icons.opacity import LIVELY_LEVELS, seen_through
from gpu_worker.icons.pieces import Piece
from gpu_worker.icons.sample import gradients_of
from gpu_worker.icons.shapes import (
    MIN_SPECK,
    closed,
    filled_in,
    grown,
    hulls,
    reached_from,
    without_holes,
    without_specks,
)
from gpu_worker.video.halo import codec_halo

#: Agreement, and squared levels per pixel, of an edge that belongs to the mark.
_EDGE_AGREEMENT, _EDGE_ENERGY = 0.35, 1.0
#: A part of a mark beside what was found of it agrees about as well, and has no more edges than that.
_PART_AGREEMENT, _MAX_PART = 0.85, 0.5
#: Edges of which less than this share of the energy runs across the main direction are a line.
_LINE_SHARE = 0.05
#: A pixel belongs to a mark if it differs by this much from what its surroundings let expect, in levels and as a share
#: of what the mark's edges differ by; or if it changes by less than this share of what is around.
_MIN_INK_LEVELS = 3.0
_MIN_INK_SHARE = 0.12
_CALM_SHARE = 0.55
#: What lies in a mark's bay is of it where it differs from the mark by no more than this share of what it differs from
#: the surroundings by.
_MAX_UNLIKE = 0.3
#: Pieces that a comparison of what moves inside and outside needs.
_MIN_PIECES = 6
_Mask = NDArray[np.bool_]
_Plane = NDArray[np.float32]
_Planes = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Appearance:
    """What a mark looks like in a rectangle of pieces.

    ``mask`` (h, w) is all that it changes, ``ink`` what it covers, ``edges`` its lines; ``mean`` (3, h, w) is how it is
    seen on the average. ``opacity`` (h, w) 0-1 and
    ``colour`` (3, h, w) in levels are there where it is translucent. ``agreement`` is how far its edges agree among the
    pieces, 0-1, ``around`` that of what is beside it; ``shift`` by how many pixels it moves between them.
    """

    mask: _Mask
    ink: _Mask
    edges: _Mask
    mean: _Planes
    agreement: float
    around: float
    shift: float
    opacity: NDArray[np.float32] | None = None
    colour: _Planes | None = None


def measure(pieces: Sequence[Piece], near: _Mask, shorter_side: int) -> Appearance | None:
    """Return the look of the mark that some pieces of one place show; None where nothing stays in them, or but a line.

    Args:
        pieces: at least two, of one size.
        near: (h, w) where the mark was found, roughly.
        shorter_side: of the video, in pixels.
    """
    planes = np.stack([piece.planes for piece in pieces]).astype(np.float32)
    evidence = _Evidence.of(planes)
    halo = codec_halo(shorter_side)
    edges = evidence.edges(near, 2 * halo)
    if not edges.any() or evidence.is_line(edges):
        return None
    ink = evidence.ink(edges, halo)
    matte = seen_through(planes, ink | _ground(edges), halo) if len(pieces) >= _MIN_PIECES else None
    mask = grown(ink if matte is None else ink | (matte.opacity > 0), halo)
    ring = grown(mask, 2 * halo) & ~mask
    proof = edges & near if (edges & near).any() else edges
    return Appearance(
        mask=mask,
        ink=ink,
        edges=edges,
        mean=evidence.mean,
        agreement=evidence.agreement_of(proof),
        around=evidence.agreement_of(ring),
        shift=_shift(planes[:, 0], evidence, proof),
        opacity=None if matte is None else matte.opacity,
        colour=None if matte is None else matte.colour,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Evidence:
    """What pieces share: mean (3, h, w), its gradients (6, h, w), agreement and energy of those, and what changes."""

    mean: _Planes
    gradients: _Planes
    agreement: NDArray[np.float32]
    energy: NDArray[np.float32]
    deviation: NDArray[np.float32]

    @classmethod
    def of(cls, planes: NDArray[np.float32]) -> _Evidence:
        count = len(planes)
        mean = planes.mean(axis=0)
        total = np.zeros((6, *planes.shape[2:]), np.float32)
        energy = np.zeros(planes.shape[2:], np.float32)
        for piece in planes:
            gradients = gradients_of(list(piece))
            total += gradients
            energy += np.einsum("phw,phw->hw", gradients, gradients)
        total /= count
        energy /= count
        shared = np.einsum("phw,phw->hw", total, total) * count / np.maximum(energy, 1e-3)
        agreement = (shared - 1) / max(1, count - 1)
        return cls(mean, total, agreement, energy, planes[:, 0].std(axis=0))

    def agreement_of(self, where: _Mask) -> float:
        """Return how far some pixels agree, weighted by energy; 0 where there is nothing."""
        energy = self.energy[where]
        return float((self.agreement[where] * energy).sum() / energy.sum()) if energy.sum() > 0 else 0.0

    def edges(self, near: _Mask, reach: int) -> _Mask:
        """Return the edges that stay where the mark was found, and those of its parts that were not.

        What was found was so in views that differ; pieces follow each other in time, and a part of the scene that moves
        little agrees in them as well. It leads away from the mark, most often out of the piece; parts of a mark do not.
        """
        strength = np.einsum("phw,phw->hw", self.gradients, self.gradients)
        # Where what is around hardly moves it agrees as well: the mark does so by more.
        around = max(0.0, self.agreement_of(~grown(near, 2 * reach)))
        needed = _EDGE_AGREEMENT + 0.5 * around * (1 - _EDGE_AGREEMENT)
        staying = without_specks((self.agreement >= needed) & (strength >= _EDGE_ENERGY))
        edges = staying & grown(near, reach // 2)
        surely = self.agreement >= max(needed, _PART_AGREEMENT * self.agreement_of(edges))
        count, labels, stats, _ = cv2.connectedComponentsWithStats((staying & surely & ~edges).astype(np.uint8))
        height, width = near.shape
        most = _MAX_PART * float(edges.sum())
        parts = []
        for label in range(1, count):
            x, y, wide, high, area = (int(value) for value in stats[label])
            if x > 0 and y > 0 and x + wide < width and y + high < height and MIN_SPECK <= area <= most:
                parts.append(label)
        candidates = np.isin(labels, parts)
        before = -1
        while edges.sum() > before:
            before = int(edges.sum())
            close = np.unique(labels[candidates & grown(edges, reach)])
            edges = edges | np.isin(labels, close[close > 0])
        return edges

    def is_line(self, edges: _Mask) -> bool:
        """Tell whether edges run in one direction only: a horizon stays where it is while a picture moves along it."""
        right, down = self.gradients[0][edges], self.gradients[1][edges]
        tensor = np.array([[(right**2).sum(), (right * down).sum()], [(right * down).sum(), (down**2).sum()]])
        smaller, larger = np.linalg.eigvalsh(tensor)
        return bool(smaller < _LINE_SHARE * larger)

    def ink(self, edges: _Mask, halo: int) -> _Mask:
        """Return the mark's pixels among its edges and what lies between them.

        The mean of many pictures is smooth, but for the mark: its pixels differ from what the surroundings let expect,
        or change less than those do.
        """
        ground = _ground(edges)
        differs, least = self._unexpected(ground, edges, 3 * halo)
        usual = filled_in(self.deviation, grown(ground, 1))
        calm = (usual >= LIVELY_LEVELS) & (cv2.GaussianBlur(self.deviation, (0, 0), 1) <= _CALM_SHARE * usual)
        ink = ground & ((differs >= least) | calm)
        if not ink.any() or np.isinf(least):
            return ground
        # Where an outline meets a line of the scene it is not among the edges: the mark may go on in a bay, or beyond.
        reach = grown(hulls(ground), halo)
        differs, least = self._unexpected(reach, edges, 3 * halo)
        own = np.stack([filled_in(plane, ~ink) for plane in self.mean])
        alike = np.abs(self.mean - own).max(axis=0) <= _MAX_UNLIKE * differs
        return reached_from(ink, ink | (reach & (differs >= least) & alike))

    def _unexpected(self, covered: _Mask, edges: _Mask, ring_pixels: int) -> tuple[_Plane, float]:
        """Return by how much each pixel differs from what is around ``covered``, and by how much more than by chance.

        Both in levels; the second is infinite where nothing is around.
        """
        beyond = grown(covered, 1)
        ring = grown(covered, ring_pixels) & ~beyond
        differs = np.abs(self.mean - np.stack([filled_in(plane, beyond) for plane in self.mean])).max(axis=0)
        if not ring.any():
            return differs, float("inf")
        smooth = np.stack([cv2.GaussianBlur(plane, (0, 0), 3) for plane in self.mean])
        chance = float(np.percentile(np.abs(self.mean - smooth).max(axis=0)[ring], 75))
        return differs, max(_MIN_INK_LEVELS, 2 * chance, _MIN_INK_SHARE * float(np.percentile(differs[edges], 90)))


def _ground(edges: _Mask) -> _Mask:
    """Return what edges cover with what lies between them, (h, w)."""
    return without_holes(closed(edges))


def _shift(luma: NDArray[np.float32], evidence: _Evidence, edges: _Mask) -> float:
    """Return by how much the edges move from piece to piece, in pixels: root mean square of the larger direction.

    A small shift changes the picture by its gradient times the shift: least squares over the edges, piece by piece.
    """
    where = grown(edges, 1)
    right, down = evidence.gradients[0][where], evidence.gradients[1][where]
    normal = np.array([[(right**2).sum(), (right * down).sum()], [(right * down).sum(), (down**2).sum()]])
    normal += 1e-3 * max(1.0, float(np.trace(normal))) * np.eye(2)
    shifts = []
    for piece in luma:
        change = piece - evidence.mean[0]
        change = (change - cv2.blur(change, (15, 15)))[where]
        shifts.append(np.linalg.solve(normal, [(change * right).sum(), (change * down).sum()]))
    return float(np.sqrt((np.array(shifts) ** 2).mean(axis=0)).max())
