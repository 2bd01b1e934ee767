"""The look of a mark whose picture the library has: laid onto the frame to a fraction of a pixel, with its opacity."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.icons.appearance import Appearance
from gpu_worker.icons.library import LibraryEntry
from gpu_worker.icons.matching import Match
from gpu_worker.icons.sample import gradients_of
from gpu_worker.icons.shapes import filled_in, grown

#: Opacity from which a pixel of the library is one of the mark, 0-1.
_INK = 0.04
#: Steps, in pixels, in which the sides of a mark are moved until its picture fits best, and how often each is tried.
_STEPS = (1.0, 0.5, 0.25)
_ROUNDS = 3
#: Pixels are drawn from so many times as many, each way.
_OVERSAMPLED = 3
#: Below this correlation with what is seen, edges of what is behind the mark say too much about its opacity.
_FITS = 0.4
#: Opacities of a whole mark at which it lets enough through, and shows enough, for the difference to be told.
_MIN_OPACITY, _MAX_OPACITY = 0.1, 0.85
#: White and black of a picture as luma, and how far chroma reaches from its middle: of limited and of full range.
_RANGES = ((16.0, 219.0, 224.0), (0.0, 255.0, 255.0))


def known_appearance(seen: Appearance, match: Match, halo: int) -> Appearance:
    """Return the look of a mark whose picture is known: it covers what its picture does, wherever that is.

    Over a picture that stands still, edges of the mark and of what is behind it stay alike. Opacity is the picture's,
    times one number for the whole mark, by which the picture explains the edges that are seen; of a silhouette, of
    which no colour is known, it is the measured one.
    """
    fit = _Fit.of(seen, match, halo)
    for step in () if match.entry.is_silhouette else _STEPS:
        for _ in range(_ROUNDS):
            moved = max(fit.neighbours(step), key=lambda other: other.correlation)
            if moved.correlation <= fit.correlation:
                break
            fit = moved
    ink = fit.alpha >= _INK
    mask = grown(ink, halo)
    known = replace(seen, mask=mask, ink=ink, edges=seen.edges & mask)
    if match.entry.is_silhouette:
        return known
    opacity = fit.gain * fit.alpha
    usual = float(np.median(opacity[fit.alpha >= 0.5 * fit.alpha.max()]))
    if fit.correlation < _FITS or not _MIN_OPACITY <= usual <= _MAX_OPACITY:
        return replace(known, opacity=None, colour=None)
    return replace(known, opacity=np.minimum(opacity, np.float32(1)), colour=fit.colour)


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """A picture laid onto the mean of some pieces: ``box`` is left, top, right, bottom there, in fractions of pixels.

    ``edges`` (2, h, w) are those that it adds to the ``clean`` frame, as far as that is known from what is beside it;
    ``alpha`` (h, w) is the picture's, ``colour`` (3, h, w) too; ``gain`` is the opacity of the whole that explains the
    edges best, and ``correlation`` how well.
    """

    entry: LibraryEntry
    box: tuple[float, float, float, float]
    mean: NDArray[np.float32]
    clean: NDArray[np.float32]
    edges: NDArray[np.float32]
    alpha: NDArray[np.float32]
    colour: NDArray[np.float32]
    gain: float
    correlation: float

    @classmethod
    def of(cls, seen: Appearance, match: Match, halo: int) -> _Fit:
        rect = match.rect
        box = (float(rect.x0), float(rect.y0), float(rect.x1), float(rect.y1))
        alpha, _ = _laid(match.entry, box, seen.mask.shape)
        clean = np.stack([filled_in(plane, grown(alpha >= _INK, halo)) for plane in seen.mean])
        return cls._at(match.entry, box, seen.mean, clean, gradients_of([seen.mean[0] - clean[0]]))

    @classmethod
    def _at(
        cls,
        entry: LibraryEntry,
        box: tuple[float, float, float, float],
        mean: NDArray[np.float32],
        clean: NDArray[np.float32],
        edges: NDArray[np.float32],
    ) -> _Fit:
        alpha, colours = _laid(entry, box, mean.shape[1:])
        fits = []
        for colour in colours:
            # Of luma only: chroma is coarser than the picture.
            expected = gradients_of([alpha * (colour[0] - clean[0])])
            common, own = float((edges * expected).sum()), float((expected * expected).sum())
            correlation = common / max(1e-6, float(np.sqrt(own * (edges * edges).sum())))
            gain = float(np.clip(common / max(1e-6, own), 0, 1))
            unexplained = np.abs(mean - clean - gain * alpha * (colour - clean))[:, alpha >= _INK]
            fits.append(
                (float(unexplained.mean()), cls(entry, box, mean, clean, edges, alpha, colour, gain, correlation))
            )
        return min(fits, key=lambda fit: fit[0])[1]

    def neighbours(self, step: float) -> list[_Fit]:
        """Return the fits of which one side, or the whole, lies elsewhere by ``step`` pixels."""
        moves = [(1, 0, 1, 0), (0, 1, 0, 1), (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)]
        boxes = []
        for move in moves:
            for sign in (-step, step):
                left, top, right, bottom = (side + sign * by for side, by in zip(self.box, move, strict=True))
                if right - left >= 2 and bottom - top >= 2:
                    boxes.append((left, top, right, bottom))
        return [self._at(self.entry, box, self.mean, self.clean, self.edges) for box in boxes]


def _laid(
    entry: LibraryEntry, box: tuple[float, float, float, float], shape: tuple[int, ...]
) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
    """Return a picture's alpha (h, w), 0-1, and its colour (3, h, w) in each range, drawn into ``box`` of a frame."""
    height, width = shape
    high, wide = entry.picture.shape[:2]
    left, top, right, bottom = (side * _OVERSAMPLED for side in box)
    across, down = (right - left) / wide, (bottom - top) / high
    # Centres of pixels lie half a pixel from their edges.
    matrix = np.array([[across, 0, left + (across - 1) / 2], [0, down, top + (down - 1) / 2]])
    picture = entry.picture.astype(np.float32)
    opacity = picture[..., 3:] / 255
    layers = np.concatenate((picture[..., :3] * opacity, opacity), axis=2)
    large = cv2.warpAffine(layers, matrix, (width * _OVERSAMPLED, height * _OVERSAMPLED), flags=cv2.INTER_LINEAR)
    drawn = cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA)
    alpha = np.asarray(drawn[..., 3], np.float32)
    red, green, blue = (drawn[..., channel] / np.maximum(255 * alpha, 1e-3) for channel in range(3))
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    colours = [
        np.stack((black + luma * reach, 128 + chroma * (blue - luma) / 1.8556, 128 + chroma * (red - luma) / 1.5748))
        for black, reach, chroma in _RANGES
    ]
    return alpha, [np.asarray(np.clip(colour, 0, 255), np.float32) for colour in colours]
