"""What a mark looks like as edges, and how much of it is seen at some place of a picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

#: Less energy than this under a mark, in squared levels per pixel, is nothing.
_FLAT = 0.25
#: From this gain on a mark may be there; where a picture is as much like it as this, it is.
_WEAKLY, _SURELY_ALIKE = 0.2, 0.8
#: Marks of so many pixels are first looked for at half the size; there a place must be like them by this share of what
#: is asked for, and is then looked at closely, so many pixels around.
_HALVED_FROM = 14
_ROUGHLY = 0.75
_CLOSELY = 3


@dataclass(frozen=True, eq=False)
class Template:
    """Gradients (6, h, w) of a mark in small, 0 beside its edges, and those edges (h, w)."""

    gradients: NDArray[np.float32]
    edges: NDArray[np.bool_]

    @classmethod
    def of(cls, gradients: NDArray[np.float32], edges: NDArray[np.bool_]) -> Template:
        """Return the template of the ``edges`` among some gradients."""
        return cls(np.where(edges, gradients, np.float32(0)), edges)

    @property
    def size(self) -> tuple[int, int]:
        """Return width and height in small pixels."""
        height, width = self.edges.shape
        return width, height

    def resized(self, share: float) -> Template:
        """Return what the mark looks like at a share of its size."""
        width, height = (max(1, round(share * side)) for side in self.size)
        gradients = np.stack([cv2.resize(plane, (width, height)) for plane in self.gradients])
        return Template(gradients, cv2.resize(self.edges.astype(np.uint8), (width, height)) > 0)

    @cached_property
    def _energy(self) -> float:
        return max(1e-6, float(np.einsum("phw,phw->", self.gradients, self.gradients)))

    def gain_in(self, gradients: NDArray[np.float32]) -> float:
        """Return how much is seen in gradients (6, h, w) of its own size: 1 where it is as strong as here."""
        return float(np.einsum("phw,phw->", gradients, self.gradients)) / self._energy

    def presence_in(self, gradients: NDArray[np.float32], gain: float) -> float:
        """Return how surely gradients (6, h, w) of its own size show it: the gain, or the likeness where that is high.

        Over a ground that is nearer to its own colour a mark has less contrast, and the same edges. ``gain`` is theirs.
        """
        if not _WEAKLY <= gain < 1:
            return gain
        there = float(np.einsum("phw,phw,hw->", gradients, gradients, self.edges.astype(np.float32)))
        likeness = gain * float(np.sqrt(self._energy / max(there, 1e-6)))
        return max(gain, likeness) if likeness >= _SURELY_ALIKE else gain

    def best_place(self, gradients: NDArray[np.float32], least: float) -> tuple[int, int] | None:
        """Return the column and row at which gradients (2 or 6, H, W) are most alike; None where below ``least``.

        The picture is looked through at half its size, and closely only around the best place there.
        """
        width, height = self.size
        left, top, right, bottom = 0, 0, gradients.shape[2], gradients.shape[1]
        if min(width, height) >= _HALVED_FROM:
            half = Template(_halved(self.gradients[:2]), _halved(self.edges[None].astype(np.float32))[0] > 0)
            roughly = half.likeness_map(_halved(gradients[:2]))
            _, likeness, _, (x, y) = cv2.minMaxLoc(roughly)
            if likeness < _ROUGHLY * least:
                return None
            left, top = max(0, 2 * x - _CLOSELY), max(0, 2 * y - _CLOSELY)
            right, bottom = 2 * x + width + _CLOSELY, 2 * y + height + _CLOSELY
        near = gradients[:2, top:bottom, left:right]
        if near.shape[1] < height or near.shape[2] < width:
            return None
        _, likeness, _, (x, y) = cv2.minMaxLoc(self.likeness_map(near))
        return (left + x, top + y) if likeness >= least else None

    def likeness_map(self, gradients: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return how alike every place of a picture's gradients (6, H, W) is, (H - h + 1, W - w + 1), by luma."""
        luma = np.ascontiguousarray(gradients[:2].transpose(1, 2, 0))
        mine = np.ascontiguousarray(self.gradients[:2].transpose(1, 2, 0))
        common = cv2.matchTemplate(luma, mine, cv2.TM_CCORR)
        squares = np.ascontiguousarray((luma * luma).sum(axis=2))
        there = cv2.matchTemplate(squares, self.edges.astype(np.float32), cv2.TM_CCORR)
        energy = float((mine * mine).sum())
        floor = _FLAT * float(self.edges.sum())
        return np.asarray(common / np.sqrt(max(energy, floor) * np.maximum(there, floor)), dtype=np.float32)


def _halved(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return planes (n, h, w) at half their size."""
    size = (max(1, planes.shape[2] // 2), max(1, planes.shape[1] // 2))
    return np.stack([cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in planes])
