"""Cuts a picture into tiles that fit into memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle of pixels; ``x1`` and ``y1`` are exclusive."""

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
    def size(self) -> int:
        """Number of pixels."""
        return self.width * self.height

    @property
    def slices(self) -> tuple[slice, slice]:
        """What cuts the rectangle out of a plane."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    def grown(self, margin: int) -> Area:
        """Return the rectangle with ``margin`` pixels more on every side."""
        return Area(self.x0 - margin, self.y0 - margin, self.x1 + margin, self.y1 + margin)

    def within(self, other: Area) -> Area:
        """Return the part that lies in ``other``, which it must meet."""
        return Area(max(self.x0, other.x0), max(self.y0, other.y0), min(self.x1, other.x1), min(self.y1, other.y1))

    def aligned(self, multiple: int) -> Area:
        """Return the smallest rectangle around it whose edges lie on multiples."""
        up, down = math.ceil, math.floor
        return Area(
            down(self.x0 / multiple) * multiple,
            down(self.y0 / multiple) * multiple,
            up(self.x1 / multiple) * multiple,
            up(self.y1 / multiple) * multiple,
        )

    def doubled(self) -> Area:
        """Return where the rectangle lies in a picture of twice the size."""
        return Area(2 * self.x0, 2 * self.y0, 2 * self.x1, 2 * self.y1)


def plan_tiles(wanted: Area, pixels: int) -> Iterator[Area]:
    """Yield tiles of about equal size, at most about ``pixels`` each, that cover ``wanted`` without overlap.

    They are cut across the longer side first, so that they stay near square and little of what is computed for each
    lies in its margins.
    """
    rows = columns = 1
    while wanted.size > pixels * rows * columns:
        if wanted.width / columns >= wanted.height / rows:
            columns += 1
        else:
            rows += 1
    for y0, y1 in pairwise(_cuts(wanted.y0, wanted.y1, rows)):
        for x0, x1 in pairwise(_cuts(wanted.x0, wanted.x1, columns)):
            yield Area(x0, y0, x1, y1)


def _cuts(start: int, end: int, parts: int) -> list[int]:
    return [start + (end - start) * part // parts for part in range(parts + 1)]
