"""A frame as icons are looked for in it: small, and as gradients, in which what is laid over stands apart."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.video.frame import Frame, Plane
from gpu_worker.video.rect import Rect

#: Longest side of the picture that is looked at: a mark of a twentieth of the height still has 18 lines of 360.
_LONGEST_SIDE = 640
#: Luma twice, once per direction, then both chroma planes likewise.
PLANES = 6

Gradients = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Scale:
    """How a video's pixels come down to those that are looked at: (width, height) before and after."""

    full: tuple[int, int]
    small: tuple[int, int]

    @classmethod
    def of(cls, width: int, height: int) -> Scale:
        """Return the scale for a video of ``width`` x ``height`` coded pixels."""
        share = min(1.0, _LONGEST_SIDE / max(width, height))
        return cls((width, height), (max(1, round(width * share)), max(1, round(height * share))))

    @property
    def factor(self) -> float:
        """Return how many coded pixels a small one is wide."""
        return self.full[0] / self.small[0]


@dataclass(frozen=True, eq=False)
class SmallPicture:
    """A frame in small: ``planes`` are Y, U, V (h, w); its gradients are worked out where they are asked for."""

    planes: list[NDArray[np.float32]]

    @classmethod
    def of(cls, frame: Frame, scale: Scale) -> SmallPicture:
        """Return a frame's picture in small."""
        return cls(small_planes(frame, scale))

    def gradients_in(self, rect: Rect) -> Gradients:
        """Return the gradients (6, h, w) in a rectangle of the picture, in levels per pixel."""
        height, width = self.planes[0].shape
        # Sobel looks at the pixels next to each.
        wider = rect.grow(1, Rect(0, 0, width, height))
        found = gradients_of([plane[wider.slices] for plane in self.planes])
        return found[(slice(None), *rect.shifted(-wider.x0, -wider.y0).slices)]

    @cached_property
    def luma_gradients(self) -> NDArray[np.float32]:
        """The gradients of all of luma (2, h, w), right and down, in levels per pixel."""
        return gradients_of(self.planes[:1])


def small_planes(frame: Frame, scale: Scale) -> list[NDArray[np.float32]]:
    """Return a frame's Y, U, V in small, all of one size (h, w), in 8-bit levels."""
    return [shrunk(plane, scale.small, frame.bit_depth) for plane in (frame.y, frame.u, frame.v)]


def shrunk(plane: Plane, size: tuple[int, int], bit_depth: int) -> NDArray[np.float32]:
    """Return a plane at ``size`` (width, height) in 8-bit levels."""
    height, width = plane.shape
    if (width, height) != size:
        smaller = width >= size[0]
        plane = cv2.resize(plane, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)  # type: ignore[assignment]
    return np.asarray(plane, dtype=np.float32) * np.float32(0.5 ** (bit_depth - 8))


def gradients_of(planes: list[NDArray[np.float32]]) -> Gradients:
    """Return the gradients (2 * planes, h, w) of some planes (h, w), in levels per pixel."""
    height, width = planes[0].shape
    found = np.empty((2 * len(planes), height, width), np.float32)
    for number, plane in enumerate(planes):
        # Sobel's weights add up to eight.
        cv2.Sobel(plane, cv2.CV_32F, 1, 0, dst=found[2 * number], scale=1 / 8, borderType=cv2.BORDER_REPLICATE)
        cv2.Sobel(plane, cv2.CV_32F, 0, 1, dst=found[2 * number + 1], scale=1 / 8, borderType=cv2.BORDER_REPLICATE)
    return found
