"""Pieces of frames around a mark, as they are: some dozens, spread evenly over the time that it is seen."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.icons.sample import Scale
from gpu_worker.video.frame import Frame
from gpu_worker.video.rect import Rect

#: Pieces that are kept; with twice as many, every other one goes, and only every other one is taken from there on.
_KEPT = 24
#: Share of the picture's shorter side around a mark that is cut out with it: its halo, and background to judge it by.
_MARGIN_SHARE = 0.1
_MIN_MARGIN = 12


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Part of one frame: ``planes`` (3, h, w) Y, U, V in 8-bit levels, chroma at luma's size; ``rect`` is where."""

    index: int
    rect: Rect
    planes: NDArray[np.uint8]


@dataclass(slots=True)
class Pieces:
    """Takes pieces in the order of their frames and keeps an even choice of them."""

    kept: list[Piece] = field(default_factory=list)
    most: int = _KEPT
    _stride: int = 1
    _offered: int = 0

    def add(self, piece: Piece) -> None:
        """Offer the next piece."""
        if self._offered % self._stride == 0:
            self.kept.append(piece)
            if len(self.kept) >= 2 * self.most:
                del self.kept[1::2]
                self._stride *= 2
        self._offered += 1


def near_mask(edges: NDArray[np.bool_], rect: Rect, piece: Rect, scale: Scale) -> NDArray[np.bool_]:
    """Return where edges of small pixels lie in a piece, (h, w) of ``piece``.

    Args:
        edges: (h, w) of ``rect``.
        rect: in small pixels.
        piece: in pixels of the video.
        scale: of the video.
    """
    matrix = np.array(
        [
            [scale.factor, 0, scale.factor * rect.x0 - piece.x0 + (scale.factor - 1) / 2],
            [0, scale.factor, scale.factor * rect.y0 - piece.y0 + (scale.factor - 1) / 2],
        ]
    )
    size = (piece.width, piece.height)
    return np.asarray(cv2.warpAffine(edges.astype(np.uint8), matrix, size, flags=cv2.INTER_NEAREST), dtype=bool)


def full_rect(rect: Rect, scale: Scale) -> Rect:
    """Return where a rectangle of small pixels lies in the video."""
    factor = scale.factor
    return Rect(
        math.floor(rect.x0 * factor),
        math.floor(rect.y0 * factor),
        math.ceil(rect.x1 * factor),
        math.ceil(rect.y1 * factor),
    )


def piece_rect(rect: Rect, scale: Scale) -> Rect:
    """Return where a rectangle of small pixels lies in the video, with a margin, on even pixels or the frame's edge."""
    width, height = scale.full
    margin = max(_MIN_MARGIN, round(_MARGIN_SHARE * min(width, height)))
    full = full_rect(rect, scale)
    return full.grow(margin, Rect(0, 0, width, height)).aligned(2).meet(Rect(0, 0, width, height))


def cut_piece(frame: Frame, rect: Rect, scale: Scale) -> Piece:
    """Return the part of a frame around a rectangle of small pixels."""
    return _cut(frame, piece_rect(rect, scale))


def cut_around(frame: Frame, rect: Rect) -> Piece:
    """Return the part of a frame around a rectangle of its own pixels."""
    return _cut(frame, piece_rect(rect, Scale((frame.width, frame.height), (frame.width, frame.height))))


def _cut(frame: Frame, rect: Rect) -> Piece:
    half = (slice(rect.y0 // 2, (rect.y1 + 1) // 2), slice(rect.x0 // 2, (rect.x1 + 1) // 2))
    shift = frame.bit_depth - 8
    planes = np.empty((3, rect.height, rect.width), np.uint8)
    planes[0] = frame.y[rect.slices] >> shift
    for number, plane in ((1, frame.u), (2, frame.v)):
        # As they are: what is told of four pixels then adds up to their one sample again.
        small = (plane[half] >> shift).astype(np.uint8)
        planes[number] = small.repeat(2, axis=0).repeat(2, axis=1)[: rect.height, : rect.width]
    return Piece(frame.index, rect, planes)
