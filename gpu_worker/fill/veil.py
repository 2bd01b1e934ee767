"""Looking through what is translucent, a caption's plate or an icon: what shines through need not be made up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from domain.detection import Box
from gpu_worker.fill.chunk import Shine
from gpu_worker.fill.overlays import Veil
from gpu_worker.fill.spatial import fill_smoothly
from gpu_worker.fill.windows import Occlusion
from gpu_worker.video.frame import Plane
from gpu_worker.video.rect import Rect

#: Through what is more opaque than this too little comes to tell anything.
_MAX_OPACITY = 0.9
#: Variance that the codec leaves on any pixel, in 8-bit levels squared.
_CODEC_VARIANCE = 1.0
#: What was told is off by more than these two explain (9 logos of `make bench-icons`: 0.5 to 9 times, 4 in the mean).
_UNEXPLAINED = 2.0
#: Side of the neighbourhood in which detail is told from noise, in pixels.
_NOISE_SIDE = 5
#: Edges of a veil are known to this part of a pixel; what is a pixel away from one is the codec's ringing. Of chroma it
#: is as if they were known to this part of a sample (8 logos, found and true: chroma is off by 3.3 levels root mean
#: square, 4.7 with the figures of luma).
_REGISTRATION_PIXELS, _CHROMA_REGISTRATION = 0.07, 0.21
_RINGING_SIDE = 5
#: Pixels on either side of a plate's edge that are compared with those across.
_SEAM_DEPTH = 3
#: Further than this from the edge, nothing is said about it.
_SEAM_REACH = 16
#: A plate that was looked through may show at its edges by so many levels, or by this share of what it showed before.
_SEAM_LEVELS = 3.0
_SEAM_SHARE = 0.3

Planes = tuple[Plane, Plane, Plane]
FloatPlane = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """What veils add to one plane: the share ``opacity`` (h, w) of it that they hide, and ``ink`` in 8-bit levels.

    What is seen is ``(1 - opacity) * clean + ink``. ``known`` (h, w) is true where veils lie, and the clean picture can
    be told.
    """

    opacity: FloatPlane
    ink: FloatPlane
    known: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Shade:
    """All veils over a window's surroundings: a layer for each plane."""

    y: Layer
    u: Layer
    v: Layer

    @staticmethod
    def of(veils: Iterable[tuple[Veil, Box]], height: int, width: int) -> Shade:
        """Return what veils, each with its box's place in the surroundings, come to; ``height`` and ``width`` in luma.

        Where two lie over each other nothing is told.
        """
        # Chroma samples are the means of four pixels: with even sides there are always four.
        shape = height + height % 2, width + width % 2
        opacity, ink = np.zeros(shape, np.float32), np.zeros((3, *shape), np.float32)
        layers = np.zeros(shape, np.uint8)
        for veil, box in veils:
            inside = Rect.of_box(box).meet(Rect(0, 0, width, height))
            own = inside.shifted(-box.x0, -box.y0).slices
            opacity[inside.slices] += veil.opacity[own]
            ink[:, *inside.slices] += veil.opacity[own] * veil.colour[:, *own]
            layers[inside.slices] += 1
        opacity[layers > 1] = 1
        known = (layers == 1) & (opacity <= _MAX_OPACITY)

        def halved(plane: FloatPlane) -> FloatPlane:
            return np.asarray(cv2.resize(plane, (shape[1] // 2, shape[0] // 2), interpolation=cv2.INTER_AREA))

        few = halved(opacity)
        known_chroma = (halved((layers == 1).astype(np.float32)) == 1) & (few <= _MAX_OPACITY)
        chroma = [Layer(few, halved(plane), known_chroma) for plane in ink[1:]]
        part = slice(height), slice(width)
        return Shade(Layer(opacity[part], ink[0][part], known[part]), chroma[0], chroma[1])


def seen_through(planes: Planes, shade: Shade, hidden: Occlusion, bit_depth: int) -> tuple[Planes, Shine]:
    """Return the planes of a window's surroundings as they are behind veils, and how far that can be trusted.

    What comes through a veil is spread over few levels and the codec's noise on it grows with the rest: that much of
    it is taken away where there is no detail to hide it (Lee, Digital image enhancement, IEEE PAMI 1980).

    Args:
        planes: of the surroundings.
        shade: what lies over them.
        hidden: what will be filled: there, what shines through is one candidate.
        bit_depth: of the planes.
    """
    scale = float(1 << (bit_depth - 8))
    y, luma_doubt = _behind(planes[0], shade.y, hidden.mask, scale, _REGISTRATION_PIXELS)
    u, u_doubt = _behind(planes[1], shade.u, hidden.chroma_mask, scale, _CHROMA_REGISTRATION)
    v, v_doubt = _behind(planes[2], shade.v, hidden.chroma_mask, scale, _CHROMA_REGISTRATION)
    return (y, u, v), Shine(luma_doubt, np.maximum(u_doubt, v_doubt))


def _behind(
    plane: Plane, layer: Layer, hidden: NDArray[np.bool_], scale: float, registration: float
) -> tuple[Plane, FloatPlane]:
    """Return a plane without a layer, and the variance of what was told, in 8-bit levels squared; elsewhere infinite.

    Outside of what is hidden, and where the layer hides nothing, the plane stays as it is.
    """
    shown = layer.known & ((layer.opacity > 0) | hidden)
    doubt = np.full(plane.shape, np.inf, np.float32)
    rows, columns = (np.flatnonzero(shown.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return plane, doubt
    crop = (
        slice(max(0, rows[0] - _NOISE_SIDE), rows[-1] + 1 + _NOISE_SIDE),
        slice(max(0, columns[0] - _NOISE_SIDE), columns[-1] + 1 + _NOISE_SIDE),
    )
    inside, opacity = shown[crop], layer.opacity[crop]
    clear = np.where(layer.known[crop], 1 - opacity, 1).astype(np.float32)
    seen = plane[crop].astype(np.float32) / np.float32(scale)
    ink = np.where(layer.known[crop], layer.ink[crop], 0)
    clean = np.clip((seen - ink) / clear, 0, 255).astype(np.float32)
    codec = _CODEC_VARIANCE * (1 / np.square(clear) - 1)
    # What is hidden and not known says nothing of its neighbours, and has no edge of its own.
    usable = layer.known[crop] | ((opacity == 0) & ~hidden[crop])
    noise = codec + _edge_variance(fill_smoothly(seen - clean, ~usable), clear, registration)
    weight = np.where(usable, 1 / (_CODEC_VARIANCE + noise), 0).astype(np.float32)
    side = (_NOISE_SIDE, _NOISE_SIDE)
    share = np.maximum(cv2.blur(weight, side), 1e-6)
    mean = cv2.blur(clean * weight, side) / share
    variance = cv2.blur(np.square(clean - mean) * weight, side) / share
    least = clear * (_CODEC_VARIANCE + codec) / (_CODEC_VARIANCE + noise)
    kept = np.maximum(least, 1 - noise / np.maximum(variance, 1e-6))
    told = np.clip((mean + kept * (clean - mean)) * scale + 0.5, 0, 256 * scale - 1)
    result = plane.copy()
    result[crop][inside] = told[inside].astype(plane.dtype)
    doubt[crop][inside] = (_UNEXPLAINED * (_CODEC_VARIANCE + noise * kept))[inside]
    return result, doubt


def _edge_variance(added: FloatPlane, clear: FloatPlane, registration: float) -> FloatPlane:
    """Return the variance of what is told where a veil has an edge that may lie a little beside where it should."""
    slope = np.hypot(cv2.Sobel(added, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(added, cv2.CV_32F, 0, 1, scale=1 / 8))
    near = cv2.dilate(slope, np.ones((_RINGING_SIDE, _RINGING_SIDE), np.uint8))
    return np.asarray(np.square(registration * near / clear), dtype=np.float32)


def box_pixels(shape: tuple[int, ...], box: Box) -> NDArray[np.bool_]:
    """Return a mask of ``shape`` that is true in a box."""
    mask = np.zeros(shape, dtype=bool)
    mask[Rect.of_box(box).slices] = True
    return mask


def leaves_no_edge(pictures: Sequence[tuple[Planes, Planes]], box: Box, hidden: Occlusion, bit_depth: int) -> bool:
    """Tell whether a plate has gone once it was looked through: its edges do not show, or hardly.

    Args:
        pictures: the planes of some frames as they are, and as ``seen_through`` returned them.
        box: the plate's place in them.
        hidden: see ``seen_through``.
        bit_depth: of the planes.
    """
    scale = float(1 << (bit_depth - 8))
    before, after = (
        float(np.mean([_seam(pair[number][0], box, hidden.mask) for pair in pictures])) / scale for number in (0, 1)
    )
    return after <= max(_SEAM_LEVELS, _SEAM_SHARE * before)


def _seam(luma: Plane, box: Box, hidden: NDArray[np.bool_]) -> float:
    """Return how much luma differs across the edges of a box, in levels: root mean square over its sides.

    Each side counts with the mean of its difference: a picture has edges of its own, but not along all of a side.
    """
    differences = []
    for values, covered, start, end, first, last in (
        (luma, hidden, box.y0, box.y1, box.x0, box.x1),
        (luma.T, hidden.T, box.x0, box.x1, box.y0, box.y1),
    ):
        for edge, inward in ((start, 1), (end - 1, -1)):
            inner = _line(values, covered, (edge, inward), (first, last))
            outer = _line(values, covered, (edge - inward, -inward), (first, last))
            if inner is not None and outer is not None:
                differences.append(inner - outer)
    return float(np.sqrt(np.mean(np.square(differences)))) if differences else 0.0


def _line(values: Plane, covered: NDArray[np.bool_], start: tuple[int, int], span: tuple[int, int]) -> float | None:
    """Return the mean of the first lines off an edge that are hardly covered; None where there are none."""
    edge, direction = start
    means: list[float] = []
    for position in range(edge, edge + direction * _SEAM_REACH, direction):
        if not 0 <= position < values.shape[0] or len(means) == _SEAM_DEPTH:
            break
        clear = ~covered[position, span[0] : span[1]]
        if clear.mean() > 0.5:
            means.append(float(values[position, span[0] : span[1]][clear].mean()))
    return float(np.mean(means)) if means else None
