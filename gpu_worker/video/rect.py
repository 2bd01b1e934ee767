"""Rectangles of pixels: where a part of a picture lies."""

from __future__ import annotations

from dataclasses import dataclass

from domain.detection import Box


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle in pixels of a plane; ``x1`` and ``y1`` are exclusive."""

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

    def aligned(self, multiple: int) -> Rect:
        """Return the smallest rectangle around it whose edges lie on multiples of some pixels."""
        x1, y1 = -(-self.x1 // multiple) * multiple, -(-self.y1 // multiple) * multiple
        return Rect(self.x0 // multiple * multiple, self.y0 // multiple * multiple, x1, y1)

    def enlarged(self, scale: int) -> Rect:
        """Return where the rectangle lies in a picture ``scale`` times larger."""
        return Rect(scale * self.x0, scale * self.y0, scale * self.x1, scale * self.y1)

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
