"""One look of a mark, to the pixel: what it covers, how much shines through it, and whether it is laid over at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.icons.pieces import Piece
from gpu_worker.icons.sample import gradients_of
from gpu_worker.video.halo import codec_halo

#: Agreement, and squared levels per pixel, of an edge that belongs to the mark.
_EDGE_AGREEMENT, _EDGE_ENERGY = 0.35, 1.0
#: A part of a mark beside what was found of it agrees about as well, and has no more edges than that.
_PART_AGREEMENT, _MAX_PART = 0.85, 0.5
#: Edges of which less than this share of the energy runs across the main direction are a line.
_LINE_SHARE = 0.05
#: Specks of fewer pixels are chance.
_MIN_SPECK = 8
#: A pixel belongs to a mark if it differs by this much from what its surroundings let expect, in levels and as a share
#: of what the mark's edges differ by; or if it changes by less than this share of what is around.
_MIN_INK_LEVELS = 3.0
_MIN_INK_SHARE = 0.12
_CALM_SHARE = 0.55
#: What lies in a mark's bay is of it where it differs from the mark by no more than this share of what it differs from
#: the surroundings by.
_MAX_UNLIKE = 0.3
#: A ring in which less than this changes, in levels, tells nothing by change.
_LIVELY_LEVELS = 3.0
#: Pieces that a comparison of what moves inside and outside needs.
_MIN_PIECES = 6
#: A mark that lets less than this through is opaque; what moves behind must be recognised by this correlation.
_MIN_TRANSPARENCY = 0.15
#: One that dims what is behind it by less than this only lightens it: what it adds cannot be told from the picture.
_MIN_OPACITY = 0.12
_MIN_SEEN_THROUGH = 0.45
#: Pieces in which it is looked for.
_RECOGNISED_PIECES = 12
#: Pixels from the outline of a mark inwards that it may cover in part.
_EDGE_PIXELS = 2
#: Shares are taken from pixels of like tone, in levels, that are this near, as a share of the piece's shorter side.
_TONE_LEVELS, _SHARE_SPREAD = 16.0, 0.15

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
    mask = grown(ink, halo)
    ring = grown(mask, 2 * halo) & ~mask
    proof = edges & near if (edges & near).any() else edges
    through = _seen_through(planes, evidence.mean, ink, mask, ring) if len(pieces) >= _MIN_PIECES else None
    return Appearance(
        mask=mask,
        ink=ink,
        edges=edges,
        mean=evidence.mean,
        agreement=evidence.agreement_of(proof),
        around=evidence.agreement_of(ring),
        shift=_shift(planes[:, 0], evidence, proof),
        opacity=None if through is None else through[0],
        colour=None if through is None else through[1],
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
            if x > 0 and y > 0 and x + wide < width and y + high < height and _MIN_SPECK <= area <= most:
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
        ground = without_holes(closed(edges))
        differs, least = self._unexpected(ground, edges, 3 * halo)
        usual = filled_in(self.deviation, grown(ground, 1))
        calm = (usual >= _LIVELY_LEVELS) & (cv2.GaussianBlur(self.deviation, (0, 0), 1) <= _CALM_SHARE * usual)
        ink = ground & ((differs >= least) | calm)
        if not ink.any() or np.isinf(least):
            return ground
        # Where an outline meets a line of the scene it is not among the edges: the mark may go on in a bay, or beyond.
        hulls = grown(_hulls(ground), halo)
        differs, least = self._unexpected(hulls, edges, 3 * halo)
        own = np.stack([filled_in(plane, ~ink) for plane in self.mean])
        alike = np.abs(self.mean - own).max(axis=0) <= _MAX_UNLIKE * differs
        return _reached_from(ink, ink | (hulls & (differs >= least) & alike))

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


def _seen_through(
    planes: NDArray[np.float32], mean: _Planes, ink: _Mask, mask: _Mask, ring: _Mask
) -> tuple[NDArray[np.float32], _Planes] | None:
    """Return the opacity (h, w) and the colour (3, h, w) of a translucent mark; None where nothing shines through.

    What moves behind is dimmed by the mark: the ratio of what changes inside to what changes right outside, where the
    mean of both is that of the same picture.
    """
    deviations = planes[:, 0] - mean[0]
    power = (deviations**2).mean(axis=0)
    body = cv2.erode(ink.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    if not ring.any() or body.sum() < _MIN_SPECK:
        return None
    clean = np.stack([filled_in(plane, mask) for plane in mean])
    outside = np.maximum(0, filled_in(power, mask))
    if float(np.median(outside[body])) < _LIVELY_LEVELS**2 or _recognised(deviations, body, mask) < _MIN_SEEN_THROUGH:
        return None
    share = _share_by_tone(power, outside, mean[0], body)
    if not _MIN_TRANSPARENCY <= float(np.median(share[body])) <= 1 - _MIN_OPACITY:
        return None
    opacity = (1 - share) * _coverage(np.abs(mean - clean).max(axis=0), ink)
    colour = clean + (mean - clean) / np.maximum(opacity, 0.05)
    return np.asarray(opacity, np.float32), np.asarray(np.clip(colour, 0, 255), np.float32)


def _share_by_tone(power: _Plane, outside: _Plane, tone: _Plane, body: _Mask) -> _Plane:
    """Return how much of what changes outside of a mark still changes inside (h, w), 0-1.

    The ratio is that of sums over many pixels, as of few it is uncertain; and over those of like tone, as letters and
    the plate that they stand on may let different amounts through.
    """
    spread = _SHARE_SPREAD * min(body.shape)
    inside, expected = np.zeros_like(power), np.zeros_like(power)
    for level in np.arange(float(tone[body].min()), float(tone[body].max()) + _TONE_LEVELS, _TONE_LEVELS):
        like = np.exp(-(((tone - level) / _TONE_LEVELS) ** 2)).astype(np.float32)
        weight = like * body
        inside += like * cv2.GaussianBlur(weight * power, (0, 0), spread)
        expected += like * cv2.GaussianBlur(weight * outside, (0, 0), spread)
    usual = float(power[body].sum() / outside[body].sum())
    ratio = np.where(expected > 1e-3, inside / np.maximum(expected, np.float32(1e-3)), np.float32(usual))
    return np.asarray(np.sqrt(np.clip(ratio, 0, 1)), dtype=np.float32)


def _coverage(differs: _Plane, ink: _Mask) -> _Plane:
    """Return how much of each pixel a mark covers (h, w), 0-1: at its outline, by how it differs beside the body."""
    depth = cv2.distanceTransform(np.pad(ink, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    inner = cv2.dilate(differs * ink, np.ones((2 * _EDGE_PIXELS + 1, 2 * _EDGE_PIXELS + 1), np.uint8))
    covered = np.clip(differs / np.maximum(inner, 1e-3), 0, 1)
    return np.asarray(np.where(depth > _EDGE_PIXELS, np.float32(1), covered) * ink, dtype=np.float32)


def _recognised(deviations: NDArray[np.float32], body: _Mask, mask: _Mask) -> float:
    """Return the correlation of what moves inside with what the surroundings let expect."""
    deviations = deviations[:: -(-len(deviations) // _RECOGNISED_PIECES)]
    expected = np.stack([filled_in(deviation, mask)[body] for deviation in deviations])
    seen = np.stack([deviation[body] for deviation in deviations])
    spread = float(np.sqrt((expected**2).sum() * (seen**2).sum()))
    return float((expected * seen).sum()) / spread if spread > 0 else 0.0


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


def without_holes(mask: _Mask) -> _Mask:
    """Return a mask (h, w) with what it encloses."""
    count, labels, _, _ = cv2.connectedComponentsWithStats((~mask).astype(np.uint8), connectivity=4)
    outside = np.unique(np.concatenate((labels[0], labels[-1], labels[:, 0], labels[:, -1])))
    inner = np.setdiff1d(np.arange(1, count), outside)
    return mask | np.isin(labels, inner)


def _hulls(mask: _Mask) -> _Mask:
    """Return the convex hull of each connected part of a mask (h, w)."""
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hulls = np.zeros(mask.shape, np.uint8)
    for outline in outlines:
        cv2.fillConvexPoly(hulls, cv2.convexHull(outline), 1)
    return hulls.astype(bool)


def _reached_from(seeds: _Mask, mask: _Mask) -> _Mask:
    """Return the connected parts of a mask (h, w) that hold a seed."""
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    reached = np.unique(labels[seeds])
    return np.isin(labels, reached[reached > 0])


def without_specks(mask: _Mask, least: float = _MIN_SPECK) -> _Mask:
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
