"""A decoded picture as planes, and the patch that replaces a rectangle of it: what every stage passes on."""

from __future__ import annotations

import mmap
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from domain.detection import Box

#: One plane of a picture, (height, width).
Plane = NDArray[np.uint8] | NDArray[np.uint16]
#: Luma y (H, W), and u and v (ceil(H/2), ceil(W/2)) of one 4:2:0 picture, of one dtype.
Planes = tuple[Plane, Plane, Plane]


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """New pixels for ``box`` of a frame, planar YUV 4:2:0.

    ``box`` has even ``x0`` and ``y0``; its far edges are even or the frame's own.
    ``y`` is (h, w); ``u`` and ``v`` are (ceil(h/2), ceil(w/2)); dtype as the frame's.
    """

    box: Box
    y: Plane
    u: Plane
    v: Plane


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One decoded picture in coded orientation, planar YUV 4:2:0.

    ``index`` counts decoded frames of the whole video from 0. ``y`` is (H, W), ``u`` and ``v`` are
    (ceil(H/2), ceil(W/2)); uint8 for ``bit_depth`` 8, uint16 with values 0-1023 for 10. Consumers treat the planes as
    read-only.
    """

    index: int
    pts: int
    time_base: Fraction
    y: Plane
    u: Plane
    v: Plane
    bit_depth: int = 8
    interlaced: bool = False

    @property
    def width(self) -> int:
        """Width in luma pixels."""
        return int(self.y.shape[1])

    @property
    def height(self) -> int:
        """Height in luma pixels."""
        return int(self.y.shape[0])

    def luma8(self) -> NDArray[np.uint8]:
        """Return luma as uint8 (H, W), for analysis; a view where the frame is 8-bit already."""
        if self.bit_depth == 8:
            return self.y  # type: ignore[return-value]
        return (self.y >> (self.bit_depth - 8)).astype(np.uint8)


def with_rows_alone(frame: Frame, rows: Iterable[range]) -> Frame:
    """Return a frame of the same size that has only some rows of luma, and those of chroma with them.

    The others are black and take no memory: pages that nobody wrote to are none.
    """
    spans = [(slice(each.start, each.stop), slice(each.start // 2, (each.stop + 1) // 2)) for each in rows]
    planes = []
    for number, plane in enumerate((frame.y, frame.u, frame.v)):
        alone = np.frombuffer(mmap.mmap(-1, plane.nbytes), plane.dtype).reshape(plane.shape)
        for span in spans:
            alone[span[min(number, 1)]] = plane[span[min(number, 1)]]
        planes.append(cast("Plane", alone))
    y, u, v = planes
    return replace(frame, y=y, u=u, v=v)
