"""The part of the picture in which captions are looked for, turned upright for reading."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.detection import Box
from domain.regions import Region
from gpu_worker.video.frame import Frame, Plane
from gpu_worker.video.rect import Rect

#: A caption that sticks out of its region is seen whole: share of the frame's height added on every side.
_MARGIN_SHARE = 0.06


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """Upright 8-bit YUV 4:2:0 pixels of a band: ``y`` (h, w), ``u`` and ``v`` (ceil(h/2), ceil(w/2))."""

    y: NDArray[np.uint8]
    u: NDArray[np.uint8]
    v: NDArray[np.uint8]

    @property
    def bounds(self) -> Rect:
        """Return the whole picture as a rectangle."""
        return Rect(0, 0, self.y.shape[1], self.y.shape[0])

    def crop(self, rect: Rect) -> Picture:
        """Return a copy of ``rect``, whose ``x0`` and ``y0`` must be even."""
        half = (slice(rect.y0 // 2, (rect.y1 + 1) // 2), slice(rect.x0 // 2, (rect.x1 + 1) // 2))
        return Picture(self.y[rect.y0 : rect.y1, rect.x0 : rect.x1].copy(), self.u[half].copy(), self.v[half].copy())


class Band:
    """One region of the frame, in coded pixels and upright.

    Args:
        region: display-space fractions.
        width: coded width in pixels.
        height: coded height in pixels.
        rotation_degrees: counter-clockwise turn that a player applies, a multiple of 90.
    """

    def __init__(self, region: Region, width: int, height: int, rotation_degrees: int) -> None:
        self.region = region
        self._turns = rotation_degrees // 90 % 4
        shown_width, shown_height = (height, width) if self._turns % 2 else (width, height)
        shown = Rect(*region.to_pixels(shown_width, shown_height))
        margin = max(8, round(_MARGIN_SHARE * shown_height))
        seen = shown.grow(margin, Rect(0, 0, shown_width, shown_height))
        back = -self._turns % 4
        coded = seen.turned(back, shown_width, shown_height)
        # Chroma planes can be cut only at even pixels.
        self._coded = Rect(coded.x0 // 2 * 2, coded.y0 // 2 * 2, coded.x1, coded.y1)
        wanted = shown.turned(back, shown_width, shown_height)
        inside = Rect(
            wanted.x0 - self._coded.x0,
            wanted.y0 - self._coded.y0,
            wanted.x1 - self._coded.x0,
            wanted.y1 - self._coded.y0,
        )
        #: All of the upright band.
        self.bounds = Rect(0, 0, self._coded.width, self._coded.height)
        if self._turns % 2:
            self.bounds = Rect(0, 0, self._coded.height, self._coded.width)
        #: The region itself, without the margin, in pixels of the upright band.
        self.wanted = inside.turned(self._turns, self._coded.width, self._coded.height)
        self._frame_size = (width, height)
        self.shorter_side = min(width, height)
        self.longest_side = max(width, height)

    def cut(self, frame: Frame) -> Picture:
        """Return a copy of the band's pixels of a frame, upright and 8-bit."""
        rect = self._coded
        half = (slice(rect.y0 // 2, (rect.y1 + 1) // 2), slice(rect.x0 // 2, (rect.x1 + 1) // 2))

        def upright(plane: Plane) -> NDArray[np.uint8]:
            eight_bit = plane >> (frame.bit_depth - 8) if frame.bit_depth > 8 else plane
            return np.rot90(eight_bit, self._turns).astype(np.uint8, order="C", copy=True)

        return Picture(
            upright(frame.y[rect.y0 : rect.y1, rect.x0 : rect.x1]), upright(frame.u[half]), upright(frame.v[half])
        )

    def rect_to_coded(self, rect: Rect) -> Box:
        """Return where a rectangle of the upright band lies in the coded frame."""
        turned = rect.turned(-self._turns % 4, self.bounds.width, self.bounds.height)
        return turned.shifted(self._coded.x0, self._coded.y0).to_box()

    def to_displayed(self, rect: Rect) -> Rect:
        """Return where a rectangle of the upright band lies in the picture as displayed."""
        return Rect.of_box(self.rect_to_coded(rect)).turned(self._turns, *self._frame_size)

    def to_coded(self, rect: Rect, mask: NDArray[np.uint8]) -> tuple[Box, NDArray[np.uint8]]:
        """Return a rectangle of the upright band and its mask as they lie in the coded frame."""
        return self.rect_to_coded(rect), np.ascontiguousarray(np.rot90(mask, -self._turns))
