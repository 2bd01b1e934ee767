"""Looking through the translucent plate behind a caption: what shows through it need not be made up."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from domain.detection import Box, Plate
from gpu_worker.fill.windows import Occlusion
from gpu_worker.video.frame import Plane

#: Variance that the codec leaves on any pixel, in 8-bit levels squared.
_CODEC_VARIANCE = 1.0
#: Side of the neighbourhood in which detail is told from noise, in pixels.
_NOISE_SIDE = 5
#: Pixels on either side of a plate's edge that are compared with those across.
_SEAM_DEPTH = 3
#: Further than this from the edge, nothing is said about it.
_SEAM_REACH = 16
#: A plate that was looked through may show at its edges by so many levels, or by this share of what it showed before.
_SEAM_LEVELS = 3.0
_SEAM_SHARE = 0.3

Planes = tuple[Plane, Plane, Plane]


def seen_through(planes: Planes, plate: Plate, box: Box, hidden: Occlusion, bit_depth: int) -> Planes:
    """Return the planes of a window's surroundings as they are behind a plate.

    What comes through the plate is spread over few levels and the codec's noise on it grows with the rest: that much of
    it is taken away where there is no detail to hide it (Lee, Digital image enhancement, IEEE PAMI 1980).

    Args:
        planes: of the surroundings.
        plate: what lies over them, in full opacity.
        box: the plate's place in the surroundings.
        hidden: what must be filled, captions and the plate's edge: it stays as it is.
        bit_depth: of the planes.
    """
    scale = float(1 << (bit_depth - 8))
    y, u, v = planes
    shown = plate_pixels(y.shape, box) & ~hidden.mask
    shown_chroma = shown[::2, ::2] & ~hidden.chroma_mask
    return (
        _behind(y, shown, plate.y * scale, plate.opacity, scale),
        _behind(u, shown_chroma, plate.u * scale, plate.opacity, scale),
        _behind(v, shown_chroma, plate.v * scale, plate.opacity, scale),
    )


def plate_pixels(shape: tuple[int, ...], box: Box) -> NDArray[np.bool_]:
    """Return a mask of ``shape`` that is true in a box."""
    mask = np.zeros(shape, dtype=bool)
    mask[box.y0 : box.y1, box.x0 : box.x1] = True
    return mask


def _behind(plane: Plane, shown: NDArray[np.bool_], colour: float, opacity: float, scale: float) -> Plane:
    rows, columns = (np.flatnonzero(shown.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return plane
    crop = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    inside = shown[crop]
    clean = (plane[crop].astype(np.float32) - np.float32(colour * opacity)) / np.float32(1 - opacity)
    weight = inside.astype(np.float32)
    side = (_NOISE_SIDE, _NOISE_SIDE)
    share = np.maximum(cv2.blur(weight, side), 1e-6)
    mean = cv2.blur(clean * weight, side) / share
    variance = cv2.blur(np.square(clean - mean) * weight, side) / share
    noise = _CODEC_VARIANCE * scale**2 * (1 / (1 - opacity) ** 2 - 1)
    kept = np.maximum(1 - opacity, 1 - noise / np.maximum(variance, 1e-6))
    result = plane.copy()
    values = np.clip(mean + kept * (clean - mean) + 0.5, 0, 256 * scale - 1)
    result[crop][inside] = values[inside].astype(plane.dtype)
    return result


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
