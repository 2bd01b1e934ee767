"""The part of the picture in which captions are looked for, turned upright for reading."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.detection import Box
from domain.regions import Region
from gpu_worker.video.frame import Frame, Plane

#: A caption that sticks out of its region is seen whole: share of the frame's height added on every side.
_MARGIN_SHARE = 0.06


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle in pixels of an upright band; ``x1`` and ``y1`` are exclusive."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def width(self) -> int:
        """Width in pixels."""
        return self.x1 - self.x0

    @property
    def height(self) -> int:
        """Height in pixels."""
        return self.y1 - self.y0

    @property
    def area(self) -> int:
        """Area in pixels, 0 when empty."""
        return max(0, self.width) * max(0, self.height)

    @property
    def line_height(self) -> int:
        """Height of one line of text: the short side, as text may run from top to bottom."""
        return min(self.width, self.height)

    def meet(self, other: Rect) -> Rect:
        """Return the common part; its area is 0 where there is none."""
        return Rect(max(self.x0, other.x0), max(self.y0, other.y0), min(self.x1, other.x1), min(self.y1, other.y1))

    def join(self, other: Rect) -> Rect:
        """Return the smallest rectangle that holds both."""
        return Rect(min(self.x0, other.x0), min(self.y0, other.y0), max(self.x1, other.x1), max(self.y1, other.y1))

    def grow(self, margin: int, bounds: Rect) -> Rect:
        """Return the rectangle with ``margin`` pixels more on every side, inside ``bounds``."""
        return Rect(self.x0 - margin, self.y0 - margin, self.x1 + margin, self.y1 + margin).meet(bounds)

    def shifted(self, right: int, down: int) -> Rect:
        """Return the rectangle moved by some pixels."""
        return Rect(self.x0 + right, self.y0 + down, self.x1 + right, self.y1 + down)

    def shrunk(self, scale: int) -> Rect:
        """Return where the rectangle lies in a picture ``scale`` times smaller."""
        return Rect(self.x0 // scale, self.y0 // scale, self.x1 // scale, self.y1 // scale)

    @classmethod
    def of_box(cls, box: Box) -> Rect:
        """Return a box of the detection as a rectangle."""
        return cls(box.x0, box.y0, box.x1, box.y1)

    def to_box(self) -> Box:
        """Return the rectangle as the detection holds it."""
        return Box(x0=self.x0, y0=self.y0, x1=self.x1, y1=self.y1)

    @property
    def slices(self) -> tuple[slice, slice]:
        """Return what cuts the rectangle out of an array (h, w)."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    def turned(self, quarter_turns: int, width: int, height: int) -> Rect:
        """Return where this part of a ``width`` x ``height`` picture lies after np.rot90 by ``quarter_turns``."""
        if quarter_turns == 1:
            return Rect(self.y0, width - self.x1, self.y1, width - self.x0)
        if quarter_turns == 2:
            return Rect(width - self.x1, height - self.y1, width - self.x0, height - self.y0)
        if quarter_turns == 3:
            return Rect(height - self.y1, self.x0, height - self.y0, self.x1)
        return self


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
