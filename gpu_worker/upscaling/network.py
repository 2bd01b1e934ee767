"""Doubling by a network: luma by the network, in tiles where memory is small, chroma by Lanczos.

Colour carries little detail in 4:2:0; a network for it would cost half as much again for a difference nobody sees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.inference.session import DeviceMemoryError
from gpu_worker.upscaling.lanczos import double_chroma
from gpu_worker.upscaling.tiles import plan_tiles
from gpu_worker.video.frame import Plane, Planes
from gpu_worker.video.rect import Rect

#: Pixels of a picture that go through the network at once; at 64 channels a layer of them has 128 MB.
_TILE_PIXELS = 1 << 19
#: Below this a tile is mostly overlap, and a device that cannot hold it cannot run the network at all.
_SMALLEST_TILE_PIXELS = 1 << 14
#: A picture of which more than this share has changed is doubled whole: one run is cheaper than the search for parts.
_MOSTLY = 0.7

FloatPlane = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class NetworkFacts:
    """What must be known of a network to cut pictures for it.

    ``size_multiple``: sides of what goes in are multiples of it. ``reach``: how many pixels away from a changed one the
    result changes, counted in pixels of the small picture.
    """

    size_multiple: int
    reach: int


class NetworkUpscaler:
    """Doubles pictures; remembers the last one, since what has not changed need not be computed again.

    Args:
        name: stands in the result and the report.
        run: takes luma (1, 1, H, W), 0-1, and returns (1, 1, 2H, 2W); may be called from several threads at once.
        facts: of the network behind ``run``.
        tile_pixels: how much of a picture goes through the network at once.
        in_parts: whether a part of a picture may be doubled by itself; not where every new size has to be prepared.
    """

    scale: ClassVar[int] = 2

    def __init__(
        self,
        name: str,
        run: Callable[[FloatPlane], FloatPlane],
        facts: NetworkFacts,
        *,
        tile_pixels: int = _TILE_PIXELS,
        in_parts: bool = True,
    ) -> None:
        self.name = name
        self._run = run
        self._facts = facts
        self._tile_pixels = tile_pixels
        self._in_parts = in_parts
        self._last: tuple[Plane, Future[Plane]] | None = None

    def begin(self, planes: Planes, bit_depth: int) -> Callable[[], Planes]:
        """Return what will double a picture; see ``Upscaler``.

        What is returned raises DeviceMemoryError when even a small tile does not fit.
        """
        y, u, v = planes
        last, promise = self._last, Future[Plane]()
        self._last = (y, promise)

        def double() -> Planes:
            nonlocal last
            try:
                promise.set_result(self._doubled(y, bit_depth, last))
            except BaseException as error:
                promise.set_exception(error)
                raise
            finally:
                last = None  # else each picture would hold on to all before it
            return promise.result(), *double_chroma(u, v, y.shape, bit_depth)

        return double

    def upscale(self, planes: Planes, bit_depth: int) -> Planes:
        """Double a picture now; see ``Upscaler``.

        Raises:
            DeviceMemoryError: when even a small tile does not fit.
        """
        return self.begin(planes, bit_depth)()

    def _doubled(self, y: Plane, bit_depth: int, last: tuple[Plane, Future[Plane]] | None) -> Plane:
        whole = Rect(0, 0, y.shape[1], y.shape[0])
        if last is None or last[0].shape != y.shape or last[0].dtype != y.dtype:
            return self._doubled_areas(y, np.empty((2 * y.shape[0], 2 * y.shape[1]), y.dtype), whole, bit_depth)
        before, doubled_before = last
        changed = _changed_area(before, y)
        if changed is None:
            return doubled_before.result()
        touched = changed.grow(self._facts.reach, whole)
        if not self._in_parts or touched.grow(self._facts.reach, whole).area > _MOSTLY * whole.area:
            return self._doubled_areas(y, np.empty((2 * y.shape[0], 2 * y.shape[1]), y.dtype), whole, bit_depth)
        # The encoder may still be reading the last picture: never write into it.
        return self._doubled_areas(y, doubled_before.result().copy(), touched, bit_depth)

    def _doubled_areas(self, y: Plane, into: Plane, wanted: Rect, bit_depth: int) -> Plane:
        """Double the ``wanted`` part of a picture into its place, halving the tiles until they fit."""
        while True:
            pixels = self._tile_pixels
            try:
                for tile, window in self._windows(wanted, Rect(0, 0, y.shape[1], y.shape[0]), pixels):
                    self._double_tile(y, tile, window, bit_depth, into[tile.enlarged(self.scale).slices])
            except DeviceMemoryError:
                if pixels <= _SMALLEST_TILE_PIXELS:
                    raise
                # Two pictures may run out of memory at the same time: that is one reason to halve, not two.
                self._tile_pixels = min(self._tile_pixels, pixels // 2)
            else:
                return into

    def _windows(self, wanted: Rect, whole: Rect, pixels: int) -> Iterator[tuple[Rect, Rect]]:
        """Yield each tile with the window that its network must see; all windows have one size.

        A window may reach over the picture's right and lower edge, where its sides are no multiples.
        """
        tiles = list(plan_tiles(wanted, pixels))
        seen = [tile.grow(self._facts.reach, whole).aligned(self._facts.size_multiple) for tile in tiles]
        width, height = max(each.width for each in seen), max(each.height for each in seen)
        bounds = whole.aligned(self._facts.size_multiple)
        for tile, least in zip(tiles, seen, strict=True):
            x0, y0 = min(least.x0, bounds.x1 - width), min(least.y0, bounds.y1 - height)
            yield tile, Rect(x0, y0, x0 + width, y0 + height)

    def _double_tile(self, y: Plane, tile: Rect, window: Rect, bit_depth: int, into: Plane) -> None:
        white = np.float32((1 << bit_depth) - 1)
        # Slices end at the picture's edge.
        cut = y[window.slices]
        below, right = window.height - cut.shape[0], window.width - cut.shape[1]
        if below or right:
            cut = _padded(cut, below, right)
        result = self._run((cut.astype(np.float32) / white)[None, None])[0, 0]
        top, left = 2 * (tile.y0 - window.y0), 2 * (tile.x0 - window.x0)
        inner = result[top : top + into.shape[0], left : left + into.shape[1]]
        scaled: FloatPlane = inner * white
        np.rint(scaled, out=scaled)
        np.clip(scaled, 0, white, out=into, casting="unsafe")


def _changed_area(last: Plane, now: Plane) -> Rect | None:
    """Return the smallest rectangle outside which two pictures are the same; None when they are."""
    differs = (last != now).view(np.uint8)
    x, y, width, height = cv2.boundingRect(differs)
    return Rect(x, y, x + width, y + height) if width else None


def _padded(plane: Plane, below: int, right: int) -> Plane:
    rows = np.minimum(np.arange(plane.shape[0] + below), plane.shape[0] - 1)
    columns = np.minimum(np.arange(plane.shape[1] + right), plane.shape[1] - 1)
    return plane[np.ix_(rows, columns)]
